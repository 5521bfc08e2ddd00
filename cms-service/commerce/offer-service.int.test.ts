import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  makeCourse,
  makeDraft,
  makeOffer,
  openTestCms,
  refusalOf,
  requestId,
  type TestCms,
} from "../testing/cms.ts";

let cms: TestCms;
let courseId: string;
beforeAll(async () => {
  cms = await openTestCms();
  ({ courseId } = await makeCourse(cms));
});
afterAll(() => cms[Symbol.asyncDispose]());

const nowhere = "0".repeat(26);
const usd = { currencyCode: "USD", amountMinor: 10_000n };
const offer = () => ({
  requestId: requestId(),
  title: "Everything",
  courseIds: [courseId],
  prices: [usd],
});

test("an offer keeps its courses in their order and its prices by currency", async () => {
  const courseIds = [(await makeCourse(cms)).courseId, courseId].toReversed();
  const prices = [usd, { currencyCode: "EUR", amountMinor: 9_223_372_036_854_775_807n }];
  const created = await cms.offers.createOffer({ ...offer(), courseIds, prices });
  expect(created.offer).toMatchObject({ courseIds, archived: false });
  expect(created.offer?.prices.map(({ currencyCode }) => currencyCode)).toEqual(["EUR", "USD"]);
  expect(created.offer?.prices[0]?.amountMinor).toBe(9_223_372_036_854_775_807n);
  const { offerId } = created.offer!;
  expect((await cms.offers.getOffer({ offerId })).offer).toEqual(created.offer);
});

// One row a refusal.
test.each([
  ["PRICE_INVALID", Code.InvalidArgument, { prices: [{ ...usd, amountMinor: 0n }] }],
  ["PRICE_INVALID", Code.InvalidArgument, { prices: [usd, usd] }],
  ["PRICE_INVALID", Code.InvalidArgument, { prices: [{ ...usd, currencyCode: "XYZ" }] }],
  ["COURSE_NOT_FOUND", Code.NotFound, { courseIds: [`crs_${nowhere}`] }],
])("%s", async (refusal, code, over) => {
  const call = cms.offers.createOffer({ ...offer(), ...over });
  expect(await refusalOf(call)).toMatchObject({ code, refusal });
});

test("a course is not sold before it is published", async () => {
  const draft = await makeDraft(cms);
  const call = cms.offers.createOffer({ ...offer(), courseIds: [draft.courseId] });
  expect(await refusalOf(call)).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "COURSE_NOT_PUBLISHED",
    resource: draft.courseId,
  });
});

test("an archived offer takes no more orders; the ones it has stay", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const order = () =>
    cms.orders.createOrder({
      requestId: requestId(),
      learnerId: "ada",
      offerId,
      currencyCode: "USD",
    });
  const { order: early } = await order();
  const { offer: fresh } = await cms.offers.getOffer({ offerId });
  const { offer: archived } = await cms.offers.archiveOffer({ offerId, etag: fresh!.etag });
  expect(archived?.archived).toBe(true);
  const { etag } = archived!;
  expect(await cms.offers.archiveOffer({ offerId, etag })).toEqual(
    expect.objectContaining({ offer: archived }),
  );
  expect(await refusalOf(order())).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "OFFER_ARCHIVED",
  });
  expect((await cms.orders.getOrder({ orderId: early!.orderId })).order).toEqual(early);
});

test("offers are listed newest first, all or those of a course", async () => {
  const other = await makeCourse(cms);
  const made: string[] = [];
  for (let n = 0; n < 5; n++) made.push(await makeOffer(cms, [other.courseId]));
  const filter = { courseId: other.courseId, pageSize: 2 };
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await cms.offers.listOffers({ ...filter, pageToken });
    listed.push(...page.offers.map(({ offerId }) => offerId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(made.toSorted().toReversed());

  const { nextPageToken } = await cms.offers.listOffers(filter);
  const elsewhere = cms.offers.listOffers({ pageSize: 2, pageToken: nextPageToken });
  expect(await refusalOf(elsewhere)).toMatchObject({ refusal: "PAGE_TOKEN_INVALID" });
});

test("offers that are not there", async () => {
  const offerId = `off_${nowhere}`;
  const missing = { code: Code.NotFound, refusal: "OFFER_NOT_FOUND", resource: offerId };
  expect(await refusalOf(cms.offers.getOffer({ offerId }))).toMatchObject(missing);
  expect(await refusalOf(cms.offers.archiveOffer({ offerId, etag: '"1"' }))).toMatchObject(missing);
});

test.each([
  "update price set amount_minor = 1",
  "delete from price",
  "truncate price cascade",
  `update "order" set expire_time = now()`,
  "update coupon set percent_bp = 1",
  "delete from coupon_offer",
  "update offer_course set position = position + 10",
  "delete from offer_course",
  `update "order" set due_minor = 1`,
  `update "order" set learner_id = 'eve'`,
  `delete from "order"`,
])("not even the owner may: %s", async (statement) => {
  await makeOffer(cms, [courseId]);
  await expect(cms.asOwner(statement)).rejects.toThrow(/never changed/);
});

test("the service itself may not either", async () => {
  const { pool } = cms.database;
  await expect(pool`update price set amount_minor = 1`).rejects.toThrow(/permission denied/);
  await expect(pool`update "order" set due_minor = 1`).rejects.toThrow(/permission denied/);
});

const etagOf = async (offerId: string) => (await cms.offers.getOffer({ offerId })).offer!.etag;

test("a price takes the place of the one its currency had, and both stay to be seen", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const etag = await etagOf(offerId);
  const amount = { currencyCode: "USD", amountMinor: 12_000n };
  const request = { requestId: requestId(), offerId, amount, etag };
  const added = await cms.offers.addPrice(request);
  expect(await cms.offers.addPrice(request)).toEqual(added);
  expect(added.offer?.prices.find(({ currencyCode }) => currencyCode === "USD")).toMatchObject(
    amount,
  );
  const { prices } = await cms.offers.listPrices({ offerId, currencyCode: "USD" });
  expect(
    prices.map((price) => [price.amount?.amountMinor, price.archiveTime !== undefined]),
  ).toEqual([
    [12_000n, false],
    [10_000n, true],
  ]);
  const stale = { ...request, requestId: requestId() };
  expect(await refusalOf(cms.offers.addPrice(stale))).toMatchObject({
    code: Code.Aborted,
    refusal: "ETAG_MISMATCH",
    currentEtag: added.offer?.etag,
  });
});

test("prices that are added at once for one etag are one", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const etag = await etagOf(offerId);
  const add = (amountMinor: bigint) => {
    const amount = { currencyCode: "USD", amountMinor };
    return cms.offers.addPrice({ requestId: requestId(), offerId, amount, etag });
  };
  const answers = await Promise.allSettled([1n, 2n, 3n, 4n].map(add));
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect((await cms.offers.getOffer({ offerId })).offer?.prices).toHaveLength(2);
});

test("the database holds no two active prices of a currency", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const second = cms.asOwner(`
    insert into price (price_id, offer_id, currency_code, amount_minor)
    values ('prc_${nowhere}', '${offerId}', 'USD', 1)`);
  await expect(second).rejects.toThrow(/price_active/);
  await expect(
    cms.asOwner(`update price set archive_time = now() where offer_id = '${offerId}';
                 update price set archive_time = null where offer_id = '${offerId}'`),
  ).rejects.toThrow(/never changed/);
});

test("an archived price sells no more, and is archived once", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const { prices } = await cms.offers.listPrices({ offerId, currencyCode: "EUR" });
  const { priceId } = prices[0]!;
  const { offer: rest } = await cms.offers.archivePrice({ priceId, etag: await etagOf(offerId) });
  expect(rest?.prices.map(({ currencyCode }) => currencyCode)).toEqual(["USD"]);
  const { etag } = rest!;
  expect(await refusalOf(cms.offers.archivePrice({ priceId, etag }))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "PRICE_ARCHIVED",
  });
  const quote = cms.offers.quoteOffer({ offerId, currencyCode: "EUR" });
  expect(await refusalOf(quote)).toMatchObject({ refusal: "CURRENCY_NOT_OFFERED" });
});

test("an update changes what its mask names; orders keep the terms they were made on", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const request = { requestId: requestId(), learnerId: "ada", offerId, currencyCode: "USD" };
  const { order: early } = await cms.orders.createOrder(request);
  const update = (offer: object, paths: string[], etag: string) =>
    cms.offers.updateOffer({ offerId, offer, updateMask: { paths }, etag });
  const durations = { accessDuration: { seconds: 60n }, paymentWindow: { seconds: 120n } };
  const etag = await etagOf(offerId);
  const { offer } = await update(
    { title: "Other", ...durations },
    ["access_duration", "payment_window"],
    etag,
  );
  expect(offer).toMatchObject({ title: "Everything", ...durations });
  expect(await refusalOf(update({ title: "Third" }, ["title"], etag))).toMatchObject({
    code: Code.Aborted,
    refusal: "ETAG_MISMATCH",
  });
  for (const [changed, path] of [
    [{ title: "" }, "title"],
    [{ archived: true }, "archived"],
  ] as const) {
    expect(await refusalOf(update(changed, [path], offer!.etag))).toMatchObject({
      code: Code.InvalidArgument,
      refusal: "UPDATE_INVALID",
    });
  }
  expect((await cms.orders.getOrder({ orderId: early!.orderId })).order).toEqual(early);
  const { order: late } = await cms.orders.createOrder({ ...request, requestId: requestId() });
  expect(late?.accessDuration?.seconds).toBe(60n);
  expect(late!.expireTime!.seconds - late!.createTime!.seconds).toBe(120n);
  const { offer: open } = await update({}, ["access_duration"], offer!.etag);
  expect(open?.accessDuration).toBeUndefined();
});

test("an order says itself how long it waits, within bounds", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const place = (seconds: bigint) =>
    cms.orders.createOrder({
      ...{ requestId: requestId(), learnerId: "ada", offerId, currencyCode: "USD" },
      paymentWindow: { seconds },
    });
  const { order } = await place(3_600n);
  expect(order!.expireTime!.seconds - order!.createTime!.seconds).toBe(3_600n);
  for (const seconds of [59n, 7_776_001n]) {
    expect(await refusalOf(place(seconds))).toMatchObject({ code: Code.InvalidArgument });
  }
});

test("courses that are archived, hidden or deleted are sold no more", async () => {
  for (const column of ["archive_time", "published_revision", "delete_time"]) {
    const { courseId: gone } = await makeCourse(cms);
    const offerId = await makeOffer(cms, [courseId, gone]);
    const value = { published_revision: "null", archive_time: "now()", delete_time: "now()" }[
      column
    ];
    const also = column === "delete_time" ? ", purge_time = now()" : "";
    await cms.asOwner(`update course set ${column} = ${value}${also} where course_id = '${gone}'`);
    const refusal = "COURSE_NOT_PUBLISHED";
    const question = { offerId, currencyCode: "USD" };
    expect(await refusalOf(cms.offers.quoteOffer(question))).toMatchObject({ refusal });
    const order = { ...question, requestId: requestId(), learnerId: "ada" };
    expect(await refusalOf(cms.orders.createOrder(order))).toMatchObject({
      refusal,
      resource: gone,
    });
  }
});

test("an offer that is taken out of the archive sells again", async () => {
  const offerId = await makeOffer(cms, [courseId]);
  const { offer } = await cms.offers.archiveOffer({ offerId, etag: await etagOf(offerId) });
  const list = (archived: boolean) => cms.offers.listOffers({ courseId, archived, pageSize: 500 });
  const idsOf = async (archived: boolean) => (await list(archived)).offers.map((o) => o.offerId);
  expect(await idsOf(true)).toContain(offerId);
  expect(await idsOf(false)).not.toContain(offerId);
  await cms.offers.unarchiveOffer({ offerId, etag: offer!.etag });
  expect(await idsOf(false)).toContain(offerId);
  await cms.offers.quoteOffer({ offerId, currencyCode: "USD" });
});
