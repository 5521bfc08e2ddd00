import { expect, test } from "vitest";
import { accountName, type Books, createBooks } from "./books.ts";
import { chart } from "./chart.ts";
import type { PaymentFact } from "./payment-facts.ts";
import { type Recorded, recordFact } from "./record-fact.ts";
import type { Payment } from "./records.ts";
import { refundedMinor } from "./refund-rules.ts";

const paymentId = "stripe/acct_1/pi_1";
const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });

const succeeded: PaymentFact = {
  kind: "payment-succeeded",
  paymentId,
  orderId: "order_1",
  amount: usd(10_000n),
  fee: usd(320n),
  tax: usd(1_600n),
};
const refundA: PaymentFact = {
  kind: "payment-refunded",
  paymentId,
  refund: { refundId: "stripe/acct_1/re_a", amount: usd(3_000n) },
  total: undefined,
};
const refundB: PaymentFact = {
  kind: "payment-refunded",
  paymentId,
  refund: { refundId: "stripe/acct_1/re_b", amount: usd(2_000n) },
  total: undefined,
};
const refundBFailed: PaymentFact = {
  kind: "refund-failed",
  paymentId,
  refundId: "stripe/acct_1/re_b",
  amount: usd(2_000n),
};
const chargeTotal: PaymentFact = {
  kind: "payment-refunded",
  paymentId,
  refund: undefined,
  total: usd(5_000n),
};
const dispute = { paymentId, disputeId: "stripe/acct_1/dp_1", amount: usd(4_000n) };
const opened: PaymentFact = { kind: "dispute-opened", ...dispute };
const closedLost: PaymentFact = { kind: "dispute-closed", ...dispute, outcome: "lost" };
const closedWon: PaymentFact = { kind: "dispute-closed", ...dispute, outcome: "won" };
const payout = { payoutId: "stripe/acct_1/po_1", amount: usd(9_000n) };
const paid: PaymentFact = { kind: "payout-paid", ...payout };
const payoutFailed: PaymentFact = { kind: "payout-failed", ...payout };

test("a payment is posted gross, with fee and tax apart", () => {
  expect(balancesAfter([succeeded])).toEqual({
    "assets:stripe:clearing": 9_680n,
    "expenses:fees:stripe": 320n,
    "income:sales": -8_400n,
    "liabilities:tax": -1_600n,
  });
});

test("a payment whose fee and tax are not told is posted in two entries", () => {
  const plain = { ...succeeded, fee: undefined, tax: undefined };
  expect(balancesAfter([plain])).toEqual({
    "assets:stripe:clearing": 10_000n,
    "income:sales": -10_000n,
  });
});

test("a fee that eats the whole payment leaves nothing in clearing", () => {
  const eaten = { ...succeeded, fee: usd(10_000n), tax: undefined };
  expect(balancesAfter([eaten])).toEqual({
    "expenses:fees:stripe": 10_000n,
    "income:sales": -10_000n,
  });
});

test.each<[string, PaymentFact[], Record<string, bigint>, Partial<State>]>([
  ["a named refund", [refundA], { "income:refunds": 3_000n }, { refunded: 3_000n }],
  ["a stated total", [chargeTotal], { "income:refunds": 5_000n }, { refunded: 5_000n }],
  [
    "a refund named and stated counts once",
    [refundA, { ...chargeTotal, total: usd(3_000n) } as PaymentFact],
    { "income:refunds": 3_000n },
    { refunded: 3_000n },
  ],
  ["a refund that failed returns", [refundB, refundBFailed], {}, { refunded: 0n }],
  [
    "a dispute is open",
    [opened],
    { "assets:stripe:disputed": 4_000n },
    { disputed: 4_000n, lost: 0n },
  ],
  ["a dispute is won", [opened, closedWon], {}, { disputed: 0n, lost: 0n }],
  [
    "a dispute is lost",
    [opened, closedLost],
    { "expenses:disputes": 4_000n },
    { disputed: 0n, lost: 4_000n },
  ],
  [
    "a dispute closed without an opening",
    [closedLost],
    { "expenses:disputes": 4_000n },
    { disputed: 0n, lost: 4_000n },
  ],
])("%s", (_, facts, moved, state) => {
  const balances = balancesAfter([succeeded, ...facts]);
  expect(balances).toMatchObject(moved);
  expect(Object.values(balances).reduce((sum, amount) => sum + amount, 0n)).toBe(0n);
  expect(stateAfter([succeeded, ...facts])).toMatchObject(state);
});

test("a payout moves what is cleared to the bank, and back when it fails", () => {
  expect(balancesAfter([paid])).toEqual({
    "assets:bank": 9_000n,
    "assets:stripe:clearing": -9_000n,
  });
  expect(balancesAfter([paid, payoutFailed])).toEqual({});
  expect(balancesAfter([payoutFailed, paid])).toEqual({});
  expect(balancesAfter([payoutFailed])).toEqual({});
});

test("a failed payment moves nothing", () => {
  const failed: PaymentFact = { kind: "payment-failed", paymentId, amount: usd(10_000n) };
  const books = newBooks();
  expect(record(books, failed)).toEqual({ kind: "recorded", arrived: undefined });
  expect(books.sequence).toBe(0n);
});

test("a fact reported twice is posted once", () => {
  for (const fact of [succeeded, refundA, chargeTotal, refundBFailed, opened, closedLost, paid]) {
    expect(endOf([succeeded, fact, fact])).toEqual(endOf([succeeded, fact]));
  }
});

test("any order of a payment's facts, also doubled, ends in the same books", () => {
  const facts = [succeeded, refundA, chargeTotal, refundB, refundBFailed, opened, closedLost];
  const expected = endOf(facts);
  expect(expected.state).toEqual({ refunded: 3_000n, disputed: 0n, lost: 4_000n });
  let count = 0;
  for (const order of permutations(facts)) {
    expect(endOf(order)).toEqual(expected);
    count += 1;
    // Doubling each in place and at the end doubles the work; a part of the orders is enough.
    if (count % 10 === 0) {
      expect(endOf([...order.flatMap((fact) => [fact, fact]), ...order])).toEqual(expected);
    }
  }
  expect(count).toBe(5_040);
});

test("any order with two totals and a won dispute ends in the same books", () => {
  const smaller: PaymentFact = { ...chargeTotal, total: usd(3_000n) } as PaymentFact;
  const both = { ...refundA, total: usd(4_000n) } as PaymentFact;
  const facts = [succeeded, both, smaller, chargeTotal, refundBFailed, closedWon];
  const expected = endOf(facts);
  expect(expected.state).toEqual({ refunded: 3_000n, disputed: 0n, lost: 0n });
  for (const order of permutations(facts)) expect(endOf(order)).toEqual(expected);
});

test("a failed refund that was never named counts as named and failed", () => {
  expect(stateAfter([succeeded, refundBFailed])).toMatchObject({ refunded: 0n });
  expect(stateAfter([succeeded, refundBFailed, refundB])).toMatchObject({ refunded: 0n });
});

test("refunded never falls below zero, whatever fails", () => {
  const failed = (id: string, amountMinor: bigint): PaymentFact => {
    return {
      kind: "refund-failed",
      paymentId,
      refundId: `stripe/acct_1/${id}`,
      amount: usd(amountMinor),
    };
  };
  const facts = [
    succeeded,
    failed("re_x", 9n),
    failed("re_y", 8n),
    chargeTotal,
    failed("re_z", 7n),
  ];
  for (const order of permutations(facts)) {
    const { state } = endOf(order);
    expect(state?.refunded).toBe(5_000n - 24n);
  }
});

test("facts about a payment wait until it is there", () => {
  for (const fact of [refundA, chargeTotal, refundBFailed, opened, closedLost]) {
    const books = newBooks();
    expect(record(books, fact)).toEqual({ kind: "parked", waitsFor: `payment/${paymentId}` });
    expect(books.written.reported).toEqual([]);
  }
  expect(record(newBooks(), succeeded)).toEqual({
    kind: "recorded",
    arrived: `payment/${paymentId}`,
  });
});

test.each<[string, PaymentFact[], "refused" | "conflict" | "currency-unknown", RegExp]>([
  ["a payment over nothing", [{ ...succeeded, amount: usd(0n) }], "refused", /over nothing/],
  [
    "a fee above the amount",
    [{ ...succeeded, fee: usd(10_001n) }],
    "refused",
    /fee of .* more than/,
  ],
  [
    "a tax above the amount",
    [{ ...succeeded, tax: usd(10_001n) }],
    "refused",
    /tax of .* more than/,
  ],
  [
    "a fee in another currency",
    [{ ...succeeded, fee: { amountMinor: 1n, currencyCode: "EUR" } }],
    "refused",
    /fee of .* is in EUR/,
  ],
  [
    "a refund in another currency",
    [
      succeeded,
      { ...refundBFailed, amount: { amountMinor: 1n, currencyCode: "EUR" } } as PaymentFact,
    ],
    "refused",
    /is in EUR/,
  ],
  [
    "a currency that does not exist",
    [{ ...paid, amount: { amountMinor: 1n, currencyCode: "ZZZ" } } as PaymentFact],
    "currency-unknown",
    /ZZZ/,
  ],
  [
    "another amount of a payment",
    [succeeded, { ...succeeded, amount: usd(9_999n) }],
    "conflict",
    /USD 10000.*USD 9999/,
  ],
  [
    "another amount of a refund",
    [succeeded, refundB, { ...refundBFailed, amount: usd(1n) } as PaymentFact],
    "conflict",
    /re_b/,
  ],
  ["another end of a dispute", [succeeded, closedWon, closedLost], "conflict", /won.*lost/],
  [
    "another amount of a payout",
    [payoutFailed, { ...paid, amount: usd(1n) } as PaymentFact],
    "conflict",
    /po_1/,
  ],
  [
    "a dispute over nothing",
    [succeeded, { ...opened, amount: usd(0n) } as PaymentFact],
    "refused",
    /over nothing/,
  ],
  [
    "a provider whose name is too long",
    [{ ...paid, payoutId: `${"x".repeat(65)}/a/1` } as PaymentFact],
    "refused",
    /too long/,
  ],
  [
    "totals beyond int64",
    [
      { ...succeeded, amount: usd(2n ** 62n) },
      { ...succeeded, paymentId: `${paymentId}b`, amount: usd(2n ** 62n) },
    ],
    "refused",
    /int64/,
  ],
])("%s is handed back and changes nothing", (_, facts, reason, detail) => {
  const books = newBooks();
  const last = facts.at(-1);
  for (const fact of facts.slice(0, -1)) expect(record(books, fact).kind).toBe("recorded");
  const before = structuredClone(books);
  expect(record(books, last!)).toEqual({
    kind: "dead",
    reason,
    detail: expect.stringMatching(detail),
  });
  expect(books).toEqual(before);
});

test("a provider's id with a slash cannot take the name of another fact", () => {
  const sly: PaymentFact = {
    ...refundA,
    refund: { refundId: "stripe/acct_1/re_b/failed", amount: usd(1n) },
  } as PaymentFact;
  const { state } = endOf([succeeded, sly, refundB, refundBFailed]);
  expect(state?.refunded).toBe(1n);
});

test("a ledger, an asset and accounts begin with the first fact that needs them", () => {
  const books = newBooks();
  record(books, succeeded);
  expect(books.written.facts.map(({ kind, sequence }) => [kind, sequence])).toEqual([
    ["ledger-created", 1n],
    ["asset-registered", 2n],
    ["account-opened", 3n],
    ["account-opened", 4n],
    ["account-opened", 5n],
    ["account-opened", 6n],
    ["transaction-posted", 7n],
  ]);
  expect(books.payments.get(paymentId)).toMatchObject({ firstSequence: 7n, sequence: 7n });
});

test("every account of the chart has a kind", () => {
  const kinds = Object.entries(chart).map(([name, code]) => {
    const accountCode = typeof code === "string" ? code : code("stripe");
    return [name, books(accountCode)];
  });
  expect(Object.fromEntries(kinds)).toEqual({
    clearing: "asset",
    disputed: "asset",
    bank: "asset",
    fees: "expense",
    disputesLost: "expense",
    sales: "income",
    refunds: "income",
    tax: "liability",
  });

  function books(accountCode: string) {
    const all = newBooks();
    for (const fact of [succeeded, refundA, opened, closedLost, paid]) record(all, fact);
    return all.accounts.get(accountName({ accountCode, assetCode: "USD" }))?.kind;
  }
});

type State = { refunded: bigint; disputed: bigint; lost: bigint };

function newBooks(): Books {
  return createBooks("main", 0n, { seconds: 1n, nanos: 0 });
}

function record(books: Books, fact: PaymentFact): Recorded {
  return recordFact(books, fact, { occurredTime: { seconds: 0n, nanos: 0 }, metadata: [] });
}

/** As the consumer does: what is parked runs once what it waits for has arrived, oldest first. */
function recordAll(facts: readonly PaymentFact[]): Books {
  const books = newBooks();
  let parked: { fact: PaymentFact; waitsFor: string }[] = [];
  const queue = [...facts];
  for (let fact = queue.shift(); fact; fact = queue.shift()) {
    const recorded = record(books, fact);
    expect(recorded.kind).not.toBe("dead");
    if (recorded.kind === "parked") parked.push({ fact, waitsFor: recorded.waitsFor });
    if (recorded.kind !== "recorded" || !recorded.arrived) continue;
    const { arrived } = recorded;
    queue.unshift(...parked.filter(({ waitsFor }) => waitsFor === arrived).map((it) => it.fact));
    parked = parked.filter(({ waitsFor }) => waitsFor !== arrived);
  }
  expect(parked).toEqual([]);
  return books;
}

function endOf(facts: readonly PaymentFact[]) {
  const books = recordAll(facts);
  return { balances: balancesOf(books), state: stateOf(books.payments.get(paymentId)) };
}

function stateAfter(facts: readonly PaymentFact[]): State | undefined {
  return endOf(facts).state;
}

function stateOf(payment: Payment | undefined): State | undefined {
  if (!payment) return undefined;
  const { disputedMinor: disputed, lostMinor: lost } = payment;
  return { refunded: refundedMinor(payment), disputed, lost };
}

/** Debits less credits, of the accounts that hold something. */
function balancesOf(books: Books): Record<string, bigint> {
  const entries = [...books.accounts.values()].map(
    ({ accountCode, debitsMinor, creditsMinor }) =>
      [accountCode, debitsMinor - creditsMinor] as const,
  );
  return Object.fromEntries(entries.filter(([, amount]) => amount !== 0n));
}

function balancesAfter(facts: readonly PaymentFact[]): Record<string, bigint> {
  return balancesOf(recordAll(facts));
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length <= 1) {
    yield [...items];
    return;
  }
  for (const [place, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(place, 1))) yield [item, ...rest];
  }
}
