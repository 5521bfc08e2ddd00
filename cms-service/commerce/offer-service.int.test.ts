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
  const { offer: archived } = await cms.offers.archiveOffer({ offerId });
  expect(archived?.archived).toBe(true);
  expect(await cms.offers.archiveOffer({ offerId })).toMatchObject({ offer: { archived: true } });
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
  expect(await refusalOf(cms.offers.archiveOffer({ offerId }))).toMatchObject(missing);
});

test.each([
  "update price set amount_minor = 1",
  "delete from price",
  "truncate price",
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
