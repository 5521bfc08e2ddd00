import fc from "fast-check";
import { expect, test } from "vitest";
import { enrollmentState, type Grant, lapseTime } from "./enrollment.ts";
import { orderState } from "./order-state.ts";
import { newerTotals, type Payment } from "./payment.ts";
import {
  grantsOf,
  keyOf,
  type Order,
  type Settlement,
  type Standing,
  settle,
} from "./settlement.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`settlement.test.ts runs with SEED=${seed}`);

const day = (n: number) => new Date(Date.UTC(2026, 0, n));
/** Long after all of it, unless a test says otherwise. */
const now = day(100);

const due = { currencyCode: "USD", amountMinor: 100n };

const order = (orderId: string, over: Partial<Order> = {}): Order => ({
  orderId,
  learnerId: "ada",
  courseIds: ["algebra"],
  due,
  accessDurationS: null,
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
  paidTime: day(Number(ledgerSequence)),
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
    { learnerId: "ada", courseId: "algebra", state: "revoked", lapseTime: null },
  ]);
  for (const events of permutations(firstOrder)) {
    expect(endState(orders, events.map(alone))).toEqual(expected);
  }
});

test("every order of the totals of two orders of one course ends in the same state", () => {
  const all = [...firstOrder, ...secondOrder];
  const expected = endState(orders, [all]);
  expect(expected.enrollments).toEqual([
    { learnerId: "ada", courseId: "algebra", state: "active", lapseTime: null },
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

test("a dispute that is won after the time is over ends the same in every order", () => {
  const world = [order("ord_1", { accessDurationS: 10n * 86_400n }), order("ord_2")];
  // Paid on day 2, disputed on day 5, lapsed on day 12, won on day 20; the other order is refunded.
  const events = [
    totals("pi_1", "ord_1", 2n),
    totals("pi_1", "ord_1", 5n, { disputedMinor: 100n }),
    totals("pi_1", "ord_1", 20n),
    totals("pi_2", "ord_2", 3n),
    totals("pi_2", "ord_2", 4n, { refundedMinor: 100n }),
  ];
  const clock = [
    [day(6), "active", day(12)],
    [day(12), "expired", null],
    [now, "expired", null],
  ] as const;
  for (const [at, state, lapse] of clock) {
    const expected = derived(world, events, at);
    expect(expected.enrollments).toMatchObject([{ state, lapseTime: lapse }]);
    for (const permutation of permutations(events)) {
      expect(endState(world, permutation.map(alone), at)).toEqual(expected);
    }
  }
});

test("what was granted without money stands through every order of what money does", () => {
  const gift = (over: Partial<Grant>): Grant => ({
    ...{ learnerId: "ada", courseId: "algebra", source: "gift", sourceId: "g" },
    ...{ sourceVersion: 1n, ledgerId: null, paymentId: null, orderId: null },
    ...{ state: "active", startTime: day(1), expireTime: null },
    ...over,
  });
  const cases = [
    [[gift({})], "active"],
    [[gift({ expireTime: day(3) })], "expired"],
    [[gift({ state: "revoked" })], "revoked"],
    [[gift({ state: "revoked" }), gift({ sourceId: "h", expireTime: day(101) })], "active"],
  ] as const;
  for (const [others, state] of cases) {
    const expected = derived(orders, firstOrder, now, others);
    expect(expected.enrollments).toMatchObject([{ state }]);
    for (const permutation of permutations(firstOrder)) {
      expect(endState(orders, permutation.map(alone), now, others)).toEqual(expected);
    }
  }
});

test("what was changed by hand is put right by the same totals again", () => {
  const right = endState(orders, [firstOrder, secondOrder]);
  const tampered = {
    ...right,
    orders: right.orders.map((each) => ({ ...each, state: "paid" as const })),
    grants: right.grants.slice(1).map((grant) => ({ ...grant, state: "void" as const })),
    enrollments: right.enrollments.map((each) => ({ ...each, state: "revoked" as const })),
  };
  const all = [...firstOrder, ...secondOrder];
  expect(inOrder(apply(tampered, settle(tampered, all, now)))).toEqual(right);
});

test("repetitions, batches and moves between orders do not matter either", () => {
  const world = [
    order("ord_1", { courseIds: ["algebra", "logic"] }),
    order("ord_2", { accessDurationS: 30n * 86_400n }),
    order("ord_3", { learnerId: "bob", accessDurationS: 7n * 86_400n }),
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
      // Whatever the clock says when a batch is settled, only the last look counts.
      at: fc.constantFrom(day(1), day(20), day(45), now),
    }),
  );
  fc.assert(
    fc.property(arrival, ({ events, order: places, batch, at }) => {
      const arrived = places.map((place) => events[place] as Payment);
      const batches = Array.from({ length: Math.ceil(arrived.length / batch) }, (_, n) =>
        arrived.slice(n * batch, (n + 1) * batch),
      );
      const end = endState(world, batches, at);
      expect(end).toEqual(endState(world, [events], at));
      expect(end).toEqual(derived(world, events, at));
    }),
    { seed, numRuns: 2_000 },
  );
});

test("the same totals again change nothing", () => {
  const world = standing(orders);
  const after = apply(world, settle(world, firstOrder, now));
  expect(settle(after, firstOrder, now)).toEqual({
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
    settle(
      world,
      [
        totals("pi_1", "ord_1", 9n, { refundedMinor: 100n }),
        totals("pi_1", "ord_1", 1n, { ledgerId: "other" }),
      ],
      now,
    ),
  );
  expect(after.enrollments).toMatchObject([
    { learnerId: "ada", courseId: "algebra", state: "active" },
  ]);
});

test("a change names the order that brought it about", () => {
  let world = apply(standing(orders), settle(standing(orders), firstOrder, now));
  const granted = settle(world, secondOrder, now);
  expect(granted.enrollments).toMatchObject([
    { learnerId: "ada", courseId: "algebra", state: "active", before: "revoked" },
  ]);
  expect(granted.enrollments[0]?.cause).toEqual({ source: "payment", orderId: "ord_2" });
  world = apply(world, granted);
  const lost = settle(world, [totals("pi_2", "ord_2", 9n, { lostMinor: 100n })], now);
  expect(lost.enrollments).toMatchObject([
    { state: "revoked", before: "active", cause: { orderId: "ord_2" } },
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
    paidTime: fc.integer({ min: 1, max: 60 }).map(day),
  });
}

/**
 * The end state by its definition: of each payment the newest totals and the earliest time, the
 * grants that follow from these alone, and sums of these and of what was granted otherwise.
 */
function derived(
  world: readonly Order[],
  events: readonly Payment[],
  at: Date,
  others: readonly Grant[] = [],
) {
  const payments = [...Map.groupBy(events, keyOf).values()].map((all) => all.reduce(newerTotals));
  const orderOf = (id: string) => world.find(({ orderId }) => orderId === id)!;
  const grants = [
    ...payments.flatMap((payment) => grantsOf(payment, orderOf(payment.orderId))),
    ...others,
  ];
  const enrollments = [...Map.groupBy(grants, enrollmentKey).values()].map((held) => {
    const { learnerId, courseId } = held[0]!;
    return {
      ...{ learnerId, courseId },
      ...{ state: enrollmentState(held, at), lapseTime: lapseTime(held, at) },
    };
  });
  const orders = world.map((each) => {
    const own = payments.filter(({ orderId }) => orderId === each.orderId);
    return { ...each, state: orderState(each.due, own) };
  });
  return inOrder({ orders, payments, grants, enrollments });
}

function alone(event: Payment): Payment[] {
  return [event];
}

function standing(world: readonly Order[], others: readonly Grant[] = []): Standing {
  return { orders: world, payments: [], grants: others, enrollments: [] };
}

function endState(
  world: readonly Order[],
  batches: readonly (readonly Payment[])[],
  at: Date = now,
  others: readonly Grant[] = [],
) {
  let state = standing(world, others);
  for (const batch of batches) state = apply(state, settle(state, batch, at));
  return inOrder(state);
}

/** Without enrollments that never opened anything: they are as if they were not there. */
function inOrder({ orders, payments, grants, enrollments }: Standing): Standing {
  const by = <T>(items: readonly T[], key: (item: T) => string) =>
    items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  return {
    orders: by(orders, ({ orderId }) => orderId),
    payments: by(payments, keyOf),
    grants: by(grants, grantKey),
    enrollments: by(
      enrollments.filter(({ state }) => state !== "none"),
      enrollmentKey,
    ),
  };
}

/** What the store does with a settlement. */
function apply(before: Standing, settlement: Settlement): Standing {
  const merge = <T extends object>(
    old: readonly T[],
    news: readonly T[],
    key: (each: T) => string,
  ) => [...new Map([...old, ...news].map((each) => [key(each), each])).values()];
  const removed = new Set(settlement.removedGrants.map(grantKey));
  const kept = before.grants.filter((grant) => !removed.has(grantKey(grant)));
  const enrollments = settlement.enrollments.map(({ learnerId, courseId, state, lapseTime }) => {
    return { learnerId, courseId, state, lapseTime };
  });
  return {
    orders: merge(before.orders, settlement.orders, ({ orderId }) => orderId),
    payments: merge(before.payments, settlement.payments, keyOf),
    grants: merge(kept, settlement.grants, grantKey),
    enrollments: merge(before.enrollments, enrollments, enrollmentKey),
  };
}

function grantKey({ source, sourceId, ledgerId, courseId }: Grant): string {
  return JSON.stringify([source, ledgerId, sourceId, courseId]);
}

function enrollmentKey({ learnerId, courseId }: { learnerId: string; courseId: string }): string {
  return JSON.stringify([learnerId, courseId]);
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
