import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CreateCouponRequestSchema } from "#gen/bursar/cms/v1/coupon_service_pb.ts";
import { OrderState } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { Refusal } from "#gen/bursar/cms/v1/refusal_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { settlePayments } from "../access/settle-payments.ts";
import {
  makeCourse,
  makeOffer,
  openTestCms,
  refusalOf,
  requestId,
  type TestCms,
} from "../testing/cms.ts";
import { expireOrders, startOrderExpiry } from "./order-expiry.ts";

let cms: TestCms;
let courseId: string;
let offerId: string;
beforeAll(async () => {
  cms = await openTestCms();
  ({ courseId } = await makeCourse(cms));
  offerId = await makeOffer(cms, [courseId]);
});
afterAll(() => cms[Symbol.asyncDispose]());

type NewCoupon = Omit<MessageInitShape<typeof CreateCouponRequestSchema>, "$typeName">;

const quarter = { case: "percentBp", value: 2_500 } as const;
const whole = { case: "percentBp", value: 10_000 } as const;

async function makeCoupon(over: NewCoupon = {}) {
  const code = `C-${randomUUID()}`.slice(0, 38).replace(/-$/, "");
  const request = { requestId: requestId(), code, discount: quarter, ...over };
  const { coupon } = await cms.coupons.createCoupon(request);
  return coupon!;
}

const order = (couponCode: string, learnerId = "ada") => {
  return { requestId: requestId(), learnerId, offerId, currencyCode: "USD", couponCode };
};

async function place(couponCode: string, learnerId?: string) {
  const { order: placed } = await cms.orders.createOrder(order(couponCode, learnerId));
  return placed!;
}

const stateOf = async (orderId: string) => {
  return (await cms.orders.getOrder({ orderId })).order?.state;
};

/** As if its time had run out by now: its terms are nobody's to change otherwise. */
const lapse = (orderId: string) =>
  cms.asOwner(`
    alter table "order" disable trigger order_terms_are_immutable;
    update "order" set create_time = now() - interval '2 hours',
      expire_time = now() - interval '1 hour' where order_id = '${orderId}';
    alter table "order" enable trigger order_terms_are_immutable`);

const pay = (orderId: string, paidMinor: bigint, refundedMinor = 0n) =>
  inTransaction(cms.database.pool, (tx) => {
    const paidTime = new Date();
    const payment = { ledgerId: "main", paymentId: `pi/${orderId}`, orderId, paidTime };
    const ledgerSequence = refundedMinor > 0n ? 2n : 1n;
    const totals = { currencyCode: "USD", paidMinor, refundedMinor };
    const rest = { ledgerSequence, disputedMinor: 0n, lostMinor: 0n };
    return settlePayments(tx, [{ ...payment, ...totals, ...rest }], new Date());
  });

const eventsOf = async (orderId: string) => {
  const [row] = await cms.asOwner(`
    select count(*) as count from outbox
    where subject = 'bursar.cms.v1.OrderChanged'
      and position('${orderId}'::bytea in data) > 0`);
  return Number(row?.["count"]);
};

test("a code is one coupon's, however it is typed, for ever", async () => {
  const made = await makeCoupon({ code: `spring-${randomUUID().slice(0, 8)}` });
  expect(made.code).toBe(made.code.toUpperCase());
  const code = made.code.toLowerCase();
  expect((await cms.coupons.getCoupon({ code })).coupon).toEqual(made);
  const { coupon } = await cms.coupons.archiveCoupon({ code, etag: made.etag });
  expect(coupon?.archived).toBe(true);
  expect(await refusalOf(makeCoupon({ code }))).toMatchObject({
    code: Code.AlreadyExists,
    refusal: "COUPON_EXISTS",
  });
  expect(await refusalOf(place(code))).toMatchObject({ refusal: "COUPON_ARCHIVED" });
});

test("what is due is the price less the discount, and stays so", async () => {
  const { code, etag } = await makeCoupon();
  const placed = await place(code.toLowerCase());
  expect(placed).toMatchObject({
    couponCode: code,
    listPrice: { amountMinor: 10_000n },
    discount: { amountMinor: 2_500n },
    due: { amountMinor: 7_500n, currencyCode: "USD" },
    state: OrderState.PENDING,
  });
  await cms.coupons.archiveCoupon({ code, etag });
  await pay(placed.orderId, 7_500n);
  expect(await stateOf(placed.orderId)).toBe(OrderState.PAID);
});

test("200 orders at once for a coupon of 10 uses are 10", async () => {
  const { code } = await makeCoupon({ usesMax: 10n });
  const calls = Array.from({ length: 200 }, (_, n) => place(code, `learner-${n}`));
  const answers = await Promise.allSettled(calls);
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
  const refused = calls.filter((_, n) => answers[n]?.status === "rejected");
  for (const call of refused) {
    expect(await refusalOf(call)).toMatchObject({ refusal: "COUPON_USED_UP" });
  }
  expect((await cms.coupons.getCoupon({ code })).coupon?.uses).toBe(10n);
});

test("a learner uses it as often as one may, also at once; another still can", async () => {
  const { code } = await makeCoupon({ usesPerLearnerMax: 2n });
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => place(code, "bea")));
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
  expect(await refusalOf(place(code, "bea"))).toMatchObject({
    refusal: "COUPON_USED_UP_BY_LEARNER",
  });
  await place(code, "cyd");
});

test("an order that expires gives its use back; late money pays it and counts again", async () => {
  const { code } = await makeCoupon({ usesMax: 1n });
  const first = await place(code);
  expect(await refusalOf(place(code))).toMatchObject({ refusal: "COUPON_USED_UP" });
  await lapse(first.orderId);
  // By the clock alone: nobody has written it down.
  expect(await stateOf(first.orderId)).toBe(OrderState.EXPIRED);
  const listed = await cms.orders.listOrders({ couponCode: code, state: OrderState.EXPIRED });
  expect(listed.orders.map(({ orderId }) => orderId)).toEqual([first.orderId]);
  const pending = await cms.orders.listOrders({ couponCode: code, state: OrderState.PENDING });
  expect(pending.orders).toEqual([]);
  await place(code, "eve");

  await inTransaction(cms.database.pool, expireOrders);
  await inTransaction(cms.database.pool, expireOrders);
  expect(await eventsOf(first.orderId)).toBe(1);
  await pay(first.orderId, 7_500n);
  expect(await stateOf(first.orderId)).toBe(OrderState.PAID);
  expect((await cms.coupons.getCoupon({ code })).coupon?.uses).toBe(2n);
  expect(await cms.enrollments.checkAccess({ learnerId: "ada", courseId })).toMatchObject({
    allowed: true,
  });
  await pay(first.orderId, 7_500n, 7_500n);
  expect(await stateOf(first.orderId)).toBe(OrderState.REFUNDED);
});

test("a cancelled order gives its use back and can be paid all the same", async () => {
  const { code } = await makeCoupon({ usesMax: 1n });
  const { orderId } = await place(code, "fay");
  const eve = await cms.as("eve");
  expect(await refusalOf(cms.orders.cancelOrder({ orderId }, eve))).toMatchObject({
    refusal: "ORDER_NOT_FOUND",
  });
  const { order: cancelled } = await cms.orders.cancelOrder({ orderId }, await cms.as("fay"));
  expect(cancelled?.state).toBe(OrderState.CANCELLED);
  expect((await cms.orders.cancelOrder({ orderId })).order).toEqual(cancelled);
  expect(await eventsOf(orderId)).toBe(1);
  await place(code, "gus");
  await pay(orderId, 7_500n);
  expect(await stateOf(orderId)).toBe(OrderState.PAID);
  expect(await refusalOf(cms.orders.cancelOrder({ orderId }))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "ORDER_STATE_ILLEGAL",
  });
});

test("a whole discount opens the courses at once, for as long as the offer says", async () => {
  const { code } = await makeCoupon({ discount: whole });
  const created = await cms.offers.createOffer({
    ...{ requestId: requestId(), title: "A week", courseIds: [courseId] },
    prices: [{ currencyCode: "USD", amountMinor: 1n }],
    accessDuration: { seconds: 604_800n },
  });
  const request = { ...order(code, "hal"), offerId: created.offer!.offerId };
  const { order: placed } = await cms.orders.createOrder(request);
  expect(placed).toMatchObject({ state: OrderState.PAID, due: { amountMinor: 0n } });
  expect(placed?.accessDuration?.seconds).toBe(604_800n);
  expect(await eventsOf(placed!.orderId)).toBe(1);
  expect(await cms.enrollments.checkAccess({ learnerId: "hal", courseId })).toMatchObject({
    allowed: true,
  });
  const [grant] = await cms.asOwner(`
    select source, extract(epoch from expire_time - start_time)::int as seconds
    from enrollment_grant where order_id = '${placed!.orderId}'`);
  expect(grant).toEqual({ source: "coupon", seconds: 604_800 });
});

test("a quote has no effects, says why a coupon does not apply, and is what is due", async () => {
  const { code, etag } = await makeCoupon({ usesMax: 1n });
  const question = { offerId, currencyCode: "USD", couponCode: code, learnerId: "ivy" };
  const quotes = await Promise.all([1, 2, 3].map(() => cms.offers.quoteOffer(question)));
  const { quote } = quotes[0]!;
  for (const other of quotes) expect(other.quote).toEqual(quote);
  expect(quote).toMatchObject({
    ...{ couponCode: code, couponProblem: Refusal.UNSPECIFIED, alreadyOwnedCourseIds: [] },
    due: { amountMinor: 7_500n },
  });
  const { quoteDigest } = quote!;
  const { order: placed } = await cms.orders.createOrder({ ...order(code, "ivy"), quoteDigest });
  expect(placed?.due).toEqual(quote?.due);
  await pay(placed!.orderId, 7_500n);

  const later = await cms.offers.quoteOffer(question);
  expect(later.quote).toMatchObject({
    ...{ couponCode: "", couponProblem: Refusal.COUPON_USED_UP },
    ...{ due: { amountMinor: 10_000n }, alreadyOwnedCourseIds: [courseId] },
  });
  await cms.coupons.archiveCoupon({ code, etag });
  const unknown = await cms.offers.quoteOffer({ ...question, couponCode: "nowhere" });
  expect(unknown.quote?.couponProblem).toBe(Refusal.COUPON_NOT_FOUND);
  expect(await refusalOf(place("nowhere"))).toMatchObject({
    code: Code.NotFound,
    refusal: "COUPON_NOT_FOUND",
  });
});

test("an order of a quote that does not hold any more is refused", async () => {
  const changing = await makeOffer(cms, [courseId]);
  const question = { offerId: changing, currencyCode: "USD" };
  const { quote } = await cms.offers.quoteOffer(question);
  const { offer } = await cms.offers.getOffer({ offerId: changing });
  const amount = { currencyCode: "USD", amountMinor: 12_000n };
  const { etag } = offer!;
  await cms.offers.addPrice({ requestId: requestId(), offerId: changing, amount, etag });
  const request = { ...order(""), offerId: changing, quoteDigest: quote!.quoteDigest };
  expect(await refusalOf(cms.orders.createOrder(request))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "PRICE_CHANGED",
  });
});

// One row a refusal.
const day = (n: number) => timestampFromDate(new Date(n * 86_400_000));
const nothing = { currencyCode: "USD", amountMinor: 0n };
test.each<[string, Code, NewCoupon]>([
  ["COUPON_INVALID", Code.InvalidArgument, { startTime: day(2), endTime: day(2) }],
  [
    "COUPON_INVALID",
    Code.InvalidArgument,
    { discount: { case: "fixed", value: { amounts: [nothing] } } },
  ],
  ["OFFER_NOT_FOUND", Code.NotFound, { offerIds: [`off_${"0".repeat(26)}`] }],
])("%s", async (refusal, code, over) => {
  expect(await refusalOf(makeCoupon(over))).toMatchObject({ code, refusal });
});

test.each<[string, NewCoupon]>([
  ["COUPON_NOT_STARTED", { startTime: timestampFromDate(new Date("2199-01-01")) }],
  ["COUPON_ENDED", { endTime: day(2) }],
  [
    "COUPON_CURRENCY_MISMATCH",
    {
      discount: {
        case: "fixed",
        value: { amounts: [{ currencyCode: "EUR", amountMinor: 1n }] },
      },
    },
  ],
])("an order is refused: %s", async (refusal, over) => {
  const { code } = await makeCoupon(over);
  expect(await refusalOf(place(code))).toMatchObject({ code: Code.FailedPrecondition, refusal });
});

test("a coupon for other offers does not apply", async () => {
  const { code } = await makeCoupon({ offerIds: [await makeOffer(cms, [courseId])] });
  expect(await refusalOf(place(code))).toMatchObject({ refusal: "COUPON_OFFER_MISMATCH" });
  const { coupons } = await cms.coupons.listCoupons({ offerId, pageSize: 500 });
  expect(coupons.map((coupon) => coupon.code)).not.toContain(code);
});

test("a limit goes up, the window's end moves, and nothing else changes", async () => {
  const { code, etag } = await makeCoupon({ usesMax: 2n });
  const update = (coupon: object, paths: string[], at = etag) =>
    cms.coupons.updateCoupon({ code, coupon, updateMask: { paths }, etag: at });
  expect(await refusalOf(update({ usesMax: 1n }, ["uses_max"]))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "COUPON_LIMIT_LOWERED",
  });
  expect(await refusalOf(update({}, []))).toMatchObject({ refusal: "UPDATE_INVALID" });
  expect(await refusalOf(update({}, ["archived"]))).toMatchObject({ refusal: "UPDATE_INVALID" });
  const { coupon } = await update({ usesMax: 3n, endTime: day(40_000) }, ["uses_max", "end_time"]);
  expect(coupon).toMatchObject({ usesMax: 3n, endTime: day(40_000), title: "" });
  expect(await refusalOf(update({ usesMax: 4n }, ["uses_max"]))).toMatchObject({
    code: Code.Aborted,
    refusal: "ETAG_MISMATCH",
    currentEtag: coupon?.etag,
  });
});

test("coupons are listed by code, page by page", async () => {
  const other = await makeOffer(cms, [courseId]);
  const made: string[] = [];
  for (let n = 0; n < 5; n++) made.push((await makeCoupon({ offerIds: [other] })).code);
  const filter = { offerId: other, archived: false, pageSize: 2 };
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await cms.coupons.listCoupons({ ...filter, pageToken });
    listed.push(...page.coupons.filter(({ offerIds }) => offerIds.length > 0).map((c) => c.code));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(made.toSorted());
});

test("who waits for an order is told once that it expired, however many look", async () => {
  const { orderId } = await place("", "jan");
  await lapse(orderId);
  const parts = { pool: cms.database.pool, log: silentLog(), metrics: createMetrics("test") };
  await using _one = startOrderExpiry({ ...parts, pauseMs: 5 });
  await using _other = startOrderExpiry({ ...parts, metrics: createMetrics("test"), pauseMs: 5 });
  await expect.poll(() => eventsOf(orderId), { timeout: 10_000 }).toBe(1);
  const written = () => cms.asOwner(`select state from "order" where order_id = '${orderId}'`);
  expect(await written()).toEqual([{ state: "expired" }]);
  await setTimeout(100);
  expect(await eventsOf(orderId)).toBe(1);
});
