import fc from "fast-check";
import { expect, test } from "vitest";
import type { Payment } from "./payment.ts";
import { type Order, type Settlement, type Standing, settle } from "./settlement.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`settlement.test.ts runs with SEED=${seed}`);

const due = { currencyCode: "USD", amountMinor: 100n };

const order = (orderId: string, over: Partial<Order> = {}): Order => ({
  orderId,
  learnerId: "ada",
  courseIds: ["algebra"],
  due,
  state: "pending",
  ...over,
});

const totals = (
  paymentId: string,
  orderId: string,
  ledgerSequence: bigint,
  over: Partial<Payment> = {},
): Payment => ({
  ledgerId: "main",
  paymentId,
  orderId,
  ledgerSequence,
  currencyCode: "USD",
  paidMinor: 100n,
  refundedMinor: 0n,
  disputedMinor: 0n,
  lostMinor: 0n,
  ...over,
});

// Payment, dispute, dispute won, partial refund, full refund; and a second order that stays paid.
const firstOrder = [
  totals("pi_1", "ord_1", 2n),
  totals("pi_1", "ord_1", 4n, { disputedMinor: 100n }),
  totals("pi_1", "ord_1", 5n),
  totals("pi_1", "ord_1", 7n, { refundedMinor: 30n }),
  totals("pi_1", "ord_1", 8n, { refundedMinor: 100n }),
];
const secondOrder = [
  totals("pi_2", "ord_2", 3n),
  totals("pi_2", "ord_2", 6n, { refundedMinor: 10n }),
];
const orders = [order("ord_1"), order("ord_2")];

test("every order of a payment's totals ends in the same state", () => {
  const expected = endState(orders, [firstOrder]);
  expect(expected.enrollments).toEqual([
    { learnerId: "ada", courseId: "algebra", state: "revoked" },
  ]);
  for (const events of permutations(firstOrder)) {
    expect(endState(orders, events.map(alone))).toEqual(expected);
  }
});

test("every order of the totals of two orders of one course ends in the same state", () => {
  const all = [...firstOrder, ...secondOrder];
  const expected = endState(orders, [all]);
  expect(expected.enrollments).toEqual([
    { learnerId: "ada", courseId: "algebra", state: "active" },
  ]);
  expect(expected.grants.map(({ paymentId, state }) => [paymentId, state])).toEqual([
    ["pi_1", "revoked"],
    ["pi_2", "active"],
  ]);
  let count = 0;
  for (const events of permutations(all)) {
    expect(fingerprint(endState(orders, events.map(alone)))).toBe(fingerprint(expected));
    count++;
  }
  expect(count).toBe(5_040);
});

test("repetitions, batches and moves between orders do not matter either", () => {
  const world = [
    order("ord_1", { courseIds: ["algebra", "logic"] }),
    order("ord_2"),
    order("ord_3", { learnerId: "bob" }),
  ];
  const sequences = fc.uniqueArray(fc.bigInt(1n, 40n), { minLength: 1, maxLength: 7 });
  const story = sequences.chain((all) => fc.tuple(...all.map(arbitraryTotals)));
  const arrival = story.chain((events) =>
    fc.record({
      events: fc.constant(events),
      // Each event at least once, in any order, some of them again.
      order: fc.array(fc.nat(events.length - 1), { maxLength: 6 }).chain((again) =>
        fc.shuffledSubarray([...events.keys(), ...again], {
          minLength: events.length + again.length,
        }),
      ),
      batch: fc.integer({ min: 1, max: 4 }),
    }),
  );
  fc.assert(
    fc.property(arrival, ({ events, order: places, batch }) => {
      const arrived = places.map((place) => events[place] as Payment);
      const batches = Array.from({ length: Math.ceil(arrived.length / batch) }, (_, n) =>
        arrived.slice(n * batch, (n + 1) * batch),
      );
      const end = endState(world, batches);
      expect(end).toEqual(endState(world, [events]));
      expect(end).toEqual(derived(world, events));
    }),
    { seed, numRuns: 2_000 },
  );
});

test("the same totals again change nothing", () => {
  const world = standing(orders);
  const after = apply(world, settle(world, firstOrder));
  expect(settle(after, firstOrder)).toEqual({
    payments: [],
    orders: [],
    grants: [],
    removedGrants: [],
    enrollments: [],
  });
});

test("one payment id in two ledgers is two payments", () => {
  const world = standing(orders);
  const after = apply(
    world,
    settle(world, [
      totals("pi_1", "ord_1", 9n, { refundedMinor: 100n }),
      totals("pi_1", "ord_1", 1n, { ledgerId: "other" }),
    ]),
  );
  expect(after.enrollments).toEqual([{ learnerId: "ada", courseId: "algebra", state: "active" }]);
});

test("a change names the order that brought it about", () => {
  let world = apply(standing(orders), settle(standing(orders), firstOrder));
  const granted = settle(world, secondOrder);
  expect(granted.enrollments).toEqual([
    { learnerId: "ada", courseId: "algebra", state: "active", before: "revoked", orderId: "ord_2" },
  ]);
  world = apply(world, granted);
  const lost = settle(world, [totals("pi_2", "ord_2", 9n, { lostMinor: 100n })]);
  expect(lost.enrollments).toMatchObject([
    { state: "revoked", before: "active", orderId: "ord_2" },
  ]);
  expect(lost.orders).toMatchObject([{ orderId: "ord_2", state: "refunded" }]);
});

function arbitraryTotals(ledgerSequence: bigint): fc.Arbitrary<Payment> {
  return fc.record({
    ledgerId: fc.constantFrom("main", "other"),
    paymentId: fc.constantFrom("pi_1", "pi_2"),
    orderId: fc.constantFrom("ord_1", "ord_2", "ord_3"),
    ledgerSequence: fc.constant(ledgerSequence),
    currencyCode: fc.constantFrom("USD", "USD", "EUR"),
    paidMinor: fc.constantFrom(0n, 99n, 100n, 150n),
    refundedMinor: fc.constantFrom(0n, 0n, 40n, 100n),
    disputedMinor: fc.constantFrom(0n, 0n, 60n),
    lostMinor: fc.constantFrom(0n, 0n, 60n),
  });
}

/** The end state by its definition: the newest totals of each payment, and nothing else. */
function derived(world: readonly Order[], events: readonly Payment[]) {
  const newest = [...Map.groupBy(events, (p) => `${p.ledgerId} ${p.paymentId}`).values()].map(
    (versions) => versions.toSorted((a, b) => (a.ledgerSequence > b.ledgerSequence ? -1 : 1))[0]!,
  );
  return endState(world, [newest]);
}

function alone(event: Payment): Payment[] {
  return [event];
}

function standing(world: readonly Order[]): Standing {
  return { orders: world, payments: [], grants: [], enrollments: [] };
}

function endState(world: readonly Order[], batches: readonly (readonly Payment[])[]) {
  let now = standing(world);
  for (const batch of batches) now = apply(now, settle(now, batch));
  // An enrollment that never opened anything is as if it were not there.
  const enrollments = now.enrollments.filter(({ state }) => state !== "none");
  return { ...now, enrollments };
}

/** What the store does with a settlement. */
function apply(
  before: Standing,
  { orders, payments, grants, removedGrants, enrollments }: Settlement,
) {
  const merge = <T extends object>(
    old: readonly T[],
    news: readonly T[],
    key: (each: T) => string,
  ) =>
    [...new Map([...old, ...news].map((each) => [key(each), each])).entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, each]) => each);
  const paymentKey = (p: { ledgerId: string; paymentId: string }) => `${p.ledgerId} ${p.paymentId}`;
  const grantKey = (g: { ledgerId: string; paymentId: string; courseId: string }) =>
    `${paymentKey(g)} ${g.courseId}`;
  const removed = new Set(removedGrants.map(grantKey));
  return {
    orders: merge(before.orders, orders, (each) => each.orderId),
    payments: merge(before.payments, payments, paymentKey),
    grants: merge(
      before.grants.filter((grant) => !removed.has(grantKey(grant))),
      grants,
      grantKey,
    ),
    enrollments: merge(
      before.enrollments,
      enrollments.map(({ learnerId, courseId, state }) => ({ learnerId, courseId, state })),
      (each) => `${each.learnerId} ${each.courseId}`,
    ),
  };
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length <= 1) yield items;
  for (const [place, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(place, 1))) {
      if (items.length > 1) yield [item, ...rest];
    }
  }
}

function fingerprint(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each));
}
