import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrantDifferenceKind as Kind } from "#gen/bursar/cms/v1/grant_service_pb.ts";
import type { EncodedEvent } from "#mesh/events/event.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import { openTestLedger, posted, type TestLedger } from "../testing/ledger.ts";
import { type LedgerServer, startLedgerServer } from "../testing/ledger-server.ts";
import { insertPublishedCourse, insertTestOrder } from "../testing/published.ts";
import { ledgerReads } from "./ledger-reads.ts";

let cms: TestCms;
let server: LedgerServer;
let ledger: TestLedger;
let courseId: string;
let stack: AsyncDisposableStack;
// A ledger and a database for each test: a reconciliation is about all there is.
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  server = stack.use(await startLedgerServer());
  cms = stack.use(await openTestCms({ ledger: ledgerReads(server.rpc) }));
  ledger = stack.use(await openTestLedger(cms));
  stack.use(ledger.consume());
  courseId = await insertPublishedCourse(cms.database.pool);
});
afterEach(() => stack.disposeAsync());

let sequence = 0n;
const next = () => ++sequence;
const monthS = 2_592_000n;

test("a house without faults has no differences, however small the stretches", async () => {
  for (let n = 0; n < 7; n++)
    await heard(await paid({ refundedMinor: n % 2 === 0 ? 0n : 10_000n }));
  await heard(await paid({}, monthS));
  for (const pageSize of [1, 3, 8, 100]) {
    const { differences, comparedCount } = await reconcileAll({ pageSize });
    expect(differences, `pages of ${pageSize}`).toEqual([]);
    expect(comparedCount).toBe(8);
  }
});

test("a payment that was never heard of is missing, and settled as its events are", async () => {
  const lost = await paid({}, monthS);
  await heard(await paid({}));
  expect(await reconcileAll()).toMatchObject({
    differences: [{ kind: Kind.MISSING, paymentId: lost.paymentId, knownSequence: 0n }],
  });
  expect(await allowed(lost.learnerId)).toBe(false);
  const { differences } = await reconcileAll({ repair: true });
  expect(differences).toMatchObject([{ kind: Kind.MISSING, repaired: true }]);
  expect(await allowed(lost.learnerId)).toBe(true);
  expect((await reconcileAll()).differences).toEqual([]);
  // The event that comes after all changes nothing.
  await ledger.post(...lost.events);
  expect((await reconcileAll()).differences).toEqual([]);
});

test("totals that are older here are told, and repaired", async () => {
  const { learnerId, paymentId, orderId, events } = await paid({});
  await ledger.post(...events);
  const [before, after] = [sequence, next()];
  server.add(posted({ orderId, paymentId, ledgerSequence: after, refundedMinor: 10_000n }));
  expect((await reconcileAll()).differences).toMatchObject([
    { kind: Kind.OLDER, ledgerSequence: after, knownSequence: before, repaired: false },
  ]);
  expect(await allowed(learnerId)).toBe(true);
  await reconcileAll({ repair: true });
  expect(await allowed(learnerId)).toBe(false);
  expect((await reconcileAll()).differences).toEqual([]);
});

test("a payment that the ledger does not know is told, and left", async () => {
  const { paymentId, events } = await paid({}, null, { isInLedger: false });
  await ledger.post(...events);
  const { differences } = await reconcileAll({ repair: true, pageSize: 1 });
  expect(differences).toMatchObject([
    { kind: Kind.UNKNOWN_TO_LEDGER, paymentId, ledgerSequence: 0n, repaired: false },
  ]);
  expect((await reconcileAll()).differences).toHaveLength(1);
});

test("more payments here than the ledger has are all compared, a stretch at a time", async () => {
  const events = [];
  for (let n = 0; n < 9; n++) {
    events.push(...(await paid({}, null, { isInLedger: n === 4 })).events);
  }
  await ledger.post(...events);
  const { differences, comparedCount } = await reconcileAll({ pageSize: 2 });
  expect(differences).toHaveLength(8);
  expect(comparedCount).toBe(9);
});

test("an order that is not here yet is told", async () => {
  const [orderId, paymentId] = [newId("ord"), "pi/early"];
  server.add(posted({ orderId, paymentId, ledgerSequence: next() }));
  expect((await reconcileAll({ repair: true })).differences).toMatchObject([
    { kind: Kind.ORDER_UNKNOWN, orderId, repaired: false },
  ]);
});

// One row a thing that somebody changed by hand, behind the service's back.
test.each([
  ["a grant", "update enrollment_grant set state = 'revoked'", "grant"],
  ["the time of a grant", "update enrollment_grant set expire_time = now()", "grant"],
  ["a grant that is gone", "delete from enrollment_grant", "missing"],
  ["an order", `update "order" set state = 'refunded'`, "order"],
  ["an enrollment", "update enrollment set state = 'revoked'", "enrollment"],
])("%s that does not follow from its payment is told, and repaired", async (_, sql, word) => {
  const { learnerId, events } = await paid({});
  await ledger.post(...events);
  await cms.asOwner(sql);
  const [difference] = (await reconcileAll()).differences;
  expect(difference).toMatchObject({ kind: Kind.GRANTS, repaired: false });
  expect(difference?.detail).toContain(word);
  expect((await reconcileAll({ repair: true })).differences).toMatchObject([{ repaired: true }]);
  expect((await reconcileAll()).differences).toEqual([]);
  expect(await allowed(learnerId)).toBe(true);
});

test("totals that differ at the same sequence are for people", async () => {
  const { events } = await paid({});
  await ledger.post(...events);
  await cms.asOwner("alter table payment disable trigger payment_goes_forward");
  await cms.asOwner("update payment set paid_minor = 9999");
  const { differences } = await reconcileAll({ repair: true });
  expect(differences).toMatchObject([{ kind: Kind.TOTALS, repaired: false }]);
  expect(differences[0]?.detail).toContain("paidMinor 10000, not 9999");
});

test("access that counts from a later fact than the ledger's earliest is shortened", async () => {
  const { paymentId, orderId, events } = await paid({}, monthS, { effectiveTime: new Date(0) });
  // Only the second fact was heard of.
  const second = posted({ orderId, paymentId, ledgerSequence: next(), refundedMinor: 1n });
  server.add(second);
  await ledger.post(second);
  expect(events).toHaveLength(1);
  expect((await reconcileAll({ repair: true })).differences).toMatchObject([
    { kind: Kind.PAID_TIME, repaired: true },
  ]);
  expect((await reconcileAll()).differences).toEqual([]);
});

test("without an address, and without an answer, the caller is told what to do", async () => {
  await using without = await openTestCms();
  const request = { ledgerId: "main" };
  expect(await refusalOf(without.grants.reconcileGrants(request))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "LEDGER_NOT_CONFIGURED",
  });
  expect(await refusalOf(cms.grants.reconcileGrants({ ledgerId: "other" }))).toMatchObject({
    code: Code.NotFound,
    refusal: "LEDGER_NOT_FOUND",
  });
  for (const position of ["x", Buffer.from('["other","",""]').toString("base64url")]) {
    expect(await refusalOf(cms.grants.reconcileGrants({ ...request, position }))).toMatchObject({
      code: Code.InvalidArgument,
      refusal: "POSITION_INVALID",
    });
  }
  await server[Symbol.asyncDispose]();
  expect(await refusalOf(cms.grants.reconcileGrants(request))).toMatchObject({
    code: Code.Unavailable,
    refusal: "LEDGER_UNAVAILABLE",
  });
});

type Paid = {
  readonly learnerId: string;
  readonly orderId: string;
  readonly paymentId: string;
  readonly events: readonly EncodedEvent[];
};

/** An order, and a fact about its payment that the ledger knows and nobody has heard of yet. */
async function paid(
  totals: object,
  accessDurationS: bigint | null = null,
  { isInLedger = true, effectiveTime = new Date() } = {},
): Promise<Paid> {
  const learnerId = `learner-${next()}`;
  const order = { learnerId, courseIds: [courseId], accessDurationS };
  const orderId = await insertTestOrder(cms.database.pool, order);
  const paymentId = `pi/${orderId}`;
  const event = posted({ orderId, paymentId, ledgerSequence: next(), effectiveTime, ...totals });
  if (isInLedger) server.add(event);
  return { learnerId, orderId, paymentId, events: [event] };
}

async function heard({ events }: Paid): Promise<void> {
  await ledger.post(...events);
}

async function reconcileAll(request: { repair?: boolean; pageSize?: number } = {}) {
  const answers = [];
  let position = "";
  do {
    const answer = await cms.grants.reconcileGrants({ ledgerId: "main", position, ...request });
    answers.push(answer);
    position = answer.nextPosition;
  } while (position !== "");
  return {
    differences: answers.flatMap(({ differences }) => differences),
    comparedCount: answers.reduce((sum, answer) => sum + answer.comparedCount, 0),
  };
}

async function allowed(learnerId: string): Promise<boolean> {
  return (await cms.enrollments.checkAccess({ learnerId, courseId })).allowed;
}
