import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EnrollmentState, GrantState } from "#gen/bursar/cms/v1/enrollment_pb.ts";
import { AccessReason } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { OrderState, PaymentJudgement } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  AccountOpenedSchema,
  AssetRegisteredSchema,
  LedgerCreatedSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
} from "#gen/bursar/ledger/v1/events_pb.ts";
import {
  makeCourse,
  makeOffer,
  makeOrder,
  openTestCms,
  refusalOf,
  type TestCms,
} from "../testing/cms.ts";
import { encoded, openTestLedger, posted, type TestLedger } from "../testing/ledger.ts";

let cms: TestCms;
let ledger: TestLedger;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  cms = stack.use(await openTestCms());
  ledger = stack.use(await openTestLedger(cms));
  stack.use(ledger.consume());
});
afterAll(() => stack.disposeAsync());

let sequence = 0n;
const next = () => ++sequence;

test("a payment that covers its order opens its courses", async () => {
  const { learnerId, orderId, courseId } = await ordered();
  expect(await access(learnerId, courseId)).toEqual({
    allowed: false,
    reason: AccessReason.NOT_ENROLLED,
  });

  const ledgerSequence = next();
  await ledger.post(posted({ orderId, paymentId: `pi/${orderId}`, ledgerSequence }));
  expect(await access(learnerId, courseId)).toEqual({
    allowed: true,
    reason: AccessReason.GRANTED,
  });
  const { order } = await cms.orders.getOrder({ orderId });
  expect(order).toMatchObject({
    state: OrderState.PAID,
    payments: [{ judgement: PaymentJudgement.COVERS, paidMinor: 10_000n, ledgerSequence }],
  });
  const { enrollment } = await cms.enrollments.getEnrollment({ learnerId, courseId });
  expect(enrollment).toMatchObject({
    state: EnrollmentState.ACTIVE,
    grants: [
      { state: GrantState.ACTIVE, ledgerId: "main", orderId, sourceVersion: ledgerSequence },
    ],
  });
  expect(await eventsAbout(learnerId)).toEqual(["OrderChanged", "EnrollmentGranted"]);
});

test("a partial refund keeps access, a full one ends it", async () => {
  const { learnerId, orderId, courseId, pay } = await ordered();
  await pay({ refundedMinor: 0n });
  await pay({ refundedMinor: 9_999n });
  expect(await access(learnerId, courseId)).toMatchObject({ allowed: true });
  await pay({ refundedMinor: 10_000n });
  expect(await access(learnerId, courseId)).toEqual({
    allowed: false,
    reason: AccessReason.REVOKED,
  });
  expect(await stateOf(orderId)).toBe(OrderState.REFUNDED);
  expect(await eventsAbout(learnerId)).toEqual([
    "OrderChanged",
    "EnrollmentGranted",
    "OrderChanged",
    "EnrollmentRevoked",
  ]);
});

test("a refund that is heard of before its payment ends in the same state", async () => {
  const { learnerId, courseId, orderId } = await ordered();
  const paymentId = `pi/${orderId}`;
  const [paid, refunded] = [next(), next()];
  await ledger.post(
    posted({ orderId, paymentId, ledgerSequence: refunded, refundedMinor: 10_000n }),
  );
  await ledger.post(posted({ orderId, paymentId, ledgerSequence: paid }));
  expect(await access(learnerId, courseId)).toEqual({
    allowed: false,
    reason: AccessReason.REVOKED,
  });
  const { order } = await cms.orders.getOrder({ orderId });
  expect(order?.payments).toMatchObject([{ ledgerSequence: refunded }]);
});

test("a dispute suspends access; won, it comes back, lost, it is gone", async () => {
  const { learnerId, courseId, orderId, pay } = await ordered();
  await pay({});
  await pay({ disputedMinor: 10_000n });
  expect(await access(learnerId, courseId)).toEqual({
    allowed: false,
    reason: AccessReason.SUSPENDED,
  });
  expect(await stateOf(orderId)).toBe(OrderState.DISPUTED);
  await pay({ disputedMinor: 0n });
  expect(await access(learnerId, courseId)).toMatchObject({ allowed: true });
  await pay({ disputedMinor: 10_000n });
  await pay({ lostMinor: 10_000n });
  expect(await access(learnerId, courseId)).toMatchObject({ reason: AccessReason.REVOKED });
  expect((await eventsAbout(learnerId)).filter((name) => name.startsWith("Enrollment"))).toEqual([
    "EnrollmentGranted",
    "EnrollmentSuspended",
    "EnrollmentGranted",
    "EnrollmentSuspended",
    "EnrollmentRevoked",
  ]);
});

test("of two orders for one course the refund of one leaves what the other pays for", async () => {
  const first = await ordered();
  const { learnerId, courseId } = first;
  const second = await ordered(learnerId, courseId);
  await first.pay({});
  await second.pay({});
  await first.pay({ refundedMinor: 10_000n });
  expect(await access(learnerId, courseId)).toMatchObject({ allowed: true });
  const { enrollment } = await cms.enrollments.getEnrollment({ learnerId, courseId });
  const states = new Map(enrollment?.grants.map(({ orderId, state }) => [orderId, state]));
  expect(states.get(first.orderId)).toBe(GrantState.REVOKED);
  expect(states.get(second.orderId)).toBe(GrantState.ACTIVE);
  await second.pay({ lostMinor: 10_000n });
  expect(await access(learnerId, courseId)).toMatchObject({ allowed: false });
});

test("an order of several courses opens and closes all of them", async () => {
  const courseIds = [(await makeCourse(cms)).courseId, (await makeCourse(cms)).courseId];
  const learnerId = `learner-${next()}`;
  const orderId = await makeOrder(cms, await makeOffer(cms, courseIds), learnerId);
  const paymentId = `pi/${orderId}`;
  await ledger.post(posted({ orderId, paymentId, ledgerSequence: next() }));
  const { enrollments } = await cms.enrollments.listEnrollments({ learnerId });
  expect(enrollments.map(({ courseId }) => courseId)).toEqual(courseIds.toSorted());
  await ledger.post(posted({ orderId, paymentId, ledgerSequence: next(), refundedMinor: 10_000n }));
  for (const courseId of courseIds) {
    expect(await access(learnerId, courseId)).toMatchObject({ allowed: false });
  }
});

// One row a payment that opens nothing, and how it is seen.
test.each([
  ["too little", { paidMinor: 9_999n }, OrderState.UNDERPAID, PaymentJudgement.UNDERPAYS],
  [
    "another currency",
    { currencyCode: "EUR", paidMinor: 99_999n },
    OrderState.WRONG_CURRENCY,
    PaymentJudgement.WRONG_CURRENCY,
  ],
])("%s grants nothing and is visible as such", async (_, totals, state, judgement) => {
  const { learnerId, courseId, orderId, pay } = await ordered();
  await pay(totals);
  expect(await access(learnerId, courseId)).toEqual({
    allowed: false,
    reason: AccessReason.NOT_ENROLLED,
  });
  const { order } = await cms.orders.getOrder({ orderId });
  expect(order).toMatchObject({ state, payments: [{ judgement }] });
  const { orders } = await cms.orders.listOrders({ state, learnerId });
  expect(orders).toEqual([order]);
  expect(await refusalOf(cms.enrollments.getEnrollment({ learnerId, courseId }))).toMatchObject({
    code: Code.NotFound,
    refusal: "ENROLLMENT_NOT_FOUND",
  });
  expect((await cms.enrollments.listEnrollments({ learnerId })).enrollments).toEqual([]);
  expect(await eventsAbout(learnerId)).toEqual(["OrderChanged"]);
});

test("too much opens the course and is visible", async () => {
  const { learnerId, courseId, orderId, pay } = await ordered();
  await pay({ paidMinor: 10_001n });
  expect(await access(learnerId, courseId)).toMatchObject({ allowed: true });
  expect(await stateOf(orderId)).toBe(OrderState.OVERPAID);
  await pay({ paidMinor: 10_001n, refundedMinor: 1n });
  expect(await stateOf(orderId)).toBe(OrderState.PAID);
});

test("a grant of a payment that does not cover stands beside one that does", async () => {
  const { learnerId, courseId, orderId, pay } = await ordered();
  await pay({});
  await ledger.post(
    posted({ orderId, paymentId: `more/${orderId}`, ledgerSequence: next(), paidMinor: 1n }),
  );
  const { enrollment } = await cms.enrollments.getEnrollment({ learnerId, courseId });
  expect(enrollment?.grants.map(({ state }) => state)).toEqual([
    GrantState.ACTIVE,
    GrantState.VOID,
  ]);
  expect(await stateOf(orderId)).toBe(OrderState.OVERPAID);
});

test("facts of the ledger that are not about an order change nothing", async () => {
  const before = await footprint();
  const recordedTime = timestampFromDate(new Date(0));
  const fact = () => ({ ledgerId: "main", ledgerSequence: next(), recordedTime });
  const account = { accountCode: "assets:stripe:clearing", assetCode: "USD" };
  await ledger.publish(
    encoded(LedgerCreatedSchema, { ...fact(), displayName: "Main" }),
    encoded(AssetRegisteredSchema, { ...fact(), asset: { assetCode: "USD", scale: 2 } }),
    encoded(AccountOpenedSchema, { ...fact(), account, kind: AccountKind.ASSET }),
    encoded(TransactionRefusedSchema, { ...fact(), idempotencyKey: "k", refusal: {} }),
  );
  await ledger.post(
    encoded(TransactionPostedSchema, { ...fact(), transaction: { ledgerId: "main" } }),
    posted({ orderId: "", paymentId: "pi/none", ledgerSequence: next() }),
  );
  expect(await footprint()).toEqual(before);
  const { deadLetters } = await cms.deadLetters.listDeadLetters({});
  expect(deadLetters).toEqual([]);
});

test("an order id that no system gives away is given up, its neighbours are not", async () => {
  const { learnerId, courseId, orderId } = await ordered();
  await ledger.post(
    posted({ orderId: "x".repeat(5_000), paymentId: "pi/x", ledgerSequence: next() }),
    posted({ orderId, paymentId: `pi/${orderId}`, ledgerSequence: next() }),
  );
  expect(await access(learnerId, courseId)).toMatchObject({ allowed: true });
  const { deadLetters } = await cms.deadLetters.listDeadLetters({});
  expect(deadLetters.filter(({ detail }) => detail.includes("order_id"))).toHaveLength(1);
});

/** A learner, and an order for a course at 100.00 USD. */
async function ordered(learnerId = `learner-${next()}`, existingCourseId?: string) {
  const courseId = existingCourseId ?? (await makeCourse(cms)).courseId;
  const orderId = await makeOrder(cms, await makeOffer(cms, [courseId]), learnerId);
  const pay = (totals: object) =>
    ledger.post(posted({ orderId, paymentId: `pi/${orderId}`, ledgerSequence: next(), ...totals }));
  return { learnerId, courseId, orderId, pay };
}

async function access(learnerId: string, courseId: string) {
  const { allowed, reason } = await cms.enrollments.checkAccess({ learnerId, courseId });
  return { allowed, reason };
}

async function stateOf(orderId: string) {
  return (await cms.orders.getOrder({ orderId })).order?.state;
}

async function eventsAbout(learnerId: string): Promise<string[]> {
  const rows = await cms.database.pool<{ subject: string; data: Buffer }[]>`
    select subject, data from outbox order by outbox_id
  `;
  const about = rows.filter(({ data }) => data.includes(learnerId));
  return about.map(({ subject }) => subject.split(".").at(-1) ?? "");
}

async function footprint() {
  const [row] = await cms.database.pool`
    select (select count(*) from outbox) as events, (select count(*) from payment) as payments,
           (select count(*) from enrollment_grant) as grants,
           (select count(*) from enrollment) as enrollments
  `;
  return row;
}
