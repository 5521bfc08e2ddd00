import fc from "fast-check";
import { expect, test } from "vitest";
import { accountName, type Books, createBooks, createLedger, registerAsset } from "./books.ts";
import { chart } from "./chart.ts";
import type { PaymentFact } from "./payment-facts.ts";
import { recordFact } from "./record-fact.ts";
import type { AccountStatus, Limits, Payment, Time, Transaction } from "./records.ts";
import { refundedMinor } from "./refund-rules.ts";

const occurredTime = { seconds: 1_700_000_000n, nanos: 123 };
const recordedTime = { seconds: 1_700_000_500n, nanos: 0 };
const paymentId = "stripe/acct_1/pi_1";
const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
const key = (accountCode: string) => ({ accountCode, assetCode: "USD" });

const succeeded: PaymentFact = {
  kind: "payment-succeeded",
  paymentId,
  orderId: "order_1",
  amount: usd(10_000n),
  fee: usd(320n),
  tax: usd(1_600n),
};

test("a fact that meets nothing posts as ever", () => {
  const books = open();
  record(books, succeeded);
  const [transaction] = posted(books);
  expect(transaction?.effectiveTime).toEqual(occurredTime);
  expect(transaction).not.toHaveProperty("suspended");
  expect(transaction).not.toHaveProperty("occurredTime");
  expect(books.accounts.has(accountName(key(chart.suspense)))).toBe(false);
});

test.each<[AccountStatus, string]>([
  ["frozen", "account-frozen"],
  ["closed", "account-closed"],
])(
  "an entry on an account that is %s goes to suspense, same side, same amount",
  (status, reason) => {
    const books = open();
    record(books, { ...succeeded, paymentId: "stripe/acct_1/pi_0" });
    stop(books, chart.sales, status);
    record(books, succeeded);
    const transaction = posted(books)[1];
    expect(transaction?.suspended).toEqual([
      { entryIndex: 2, account: key("income:sales"), reason },
    ]);
    expect(textOf(transaction)).toEqual([
      "debit assets:stripe:clearing 9680",
      "debit expenses:fees:stripe 320",
      "credit liabilities:suspense 8400",
      "credit liabilities:tax 1600",
    ]);
    expect(transaction?.effectiveTime).toEqual(occurredTime);
    expect([...books.suspense.values()]).toEqual([
      {
        sequence: transaction?.sequence,
        entryIndex: 2,
        account: key("income:sales"),
        side: "credit",
        amountMinor: 8_400n,
        reason,
        version: 1n,
        releasedSequence: undefined,
        releasedVersion: undefined,
      },
    ]);
    expect(books.payments.get(paymentId)?.paidMinor).toBe(10_000n);
  },
);

test("an entry that would break a limit goes to suspense", () => {
  const books = open();
  record(books, { ...succeeded, paymentId: "stripe/acct_1/pi_0" });
  limit(books, chart.clearing("stripe"), { floorMinor: undefined, ceilingMinor: 10_000n });
  limit(books, chart.sales, { floorMinor: undefined, ceilingMinor: 16_800n });
  record(books, succeeded);
  expect(posted(books)[1]?.suspended).toEqual([
    { entryIndex: 0, account: key("assets:stripe:clearing"), reason: "above-ceiling" },
  ]);
  limit(books, chart.clearing("stripe"), { floorMinor: 9_000n, ceilingMinor: undefined });
  const refund = { refundId: "stripe/acct_1/re_1", amount: usd(700n) };
  record(books, { kind: "payment-refunded", paymentId, refund, total: undefined });
  expect(posted(books)[2]?.suspended).toEqual([
    { entryIndex: 1, account: key("assets:stripe:clearing"), reason: "below-floor" },
  ]);
});

test("all entries of a fact may stand in suspense", () => {
  const books = open();
  record(books, succeeded);
  stop(books, chart.refunds, "frozen");
  for (const code of books.accounts.keys()) stop(books, code.split(" ")[0]!, "frozen");
  record(books, { ...succeeded, paymentId: "stripe/acct_1/pi_2" });
  const transaction = posted(books)[1];
  expect(transaction?.suspended).toHaveLength(4);
  expect(new Set(transaction?.entries.map(({ account }) => account.accountCode))).toEqual(
    new Set(["liabilities:suspense"]),
  );
  expect([...books.suspense.values()].map(({ version }) => version)).toEqual([1n, 2n, 3n, 4n]);
});

test("two postings of one fact share what a limit leaves", () => {
  const books = open();
  record(books, succeeded);
  // The opening brings the disputed amount in, the end takes it out again.
  record(books, { ...succeeded, paymentId: "stripe/acct_1/pi_2" });
  const dispute = { paymentId, disputeId: "stripe/acct_1/dp_1", amount: usd(4_000n) };
  limit(books, chart.clearing("stripe"), { floorMinor: 19_360n - 4_000n, ceilingMinor: 19_360n });
  record(books, { kind: "dispute-closed", ...dispute, outcome: "won" });
  expect(posted(books).map(({ suspended }) => suspended)).toEqual(Array(4).fill(undefined));
});

test("what occurred in a closed period counts from its end on, its result in suspense", () => {
  const books = open();
  books.closedTime = { seconds: 1_700_000_400n, nanos: 0 };
  record(books, succeeded);
  const [transaction] = posted(books);
  expect(transaction).toMatchObject({ effectiveTime: books.closedTime, occurredTime });
  expect(transaction?.suspended).toEqual([
    { entryIndex: 1, account: key("expenses:fees:stripe"), reason: "period-closed" },
    { entryIndex: 2, account: key("income:sales"), reason: "period-closed" },
  ]);
  // Where they belong is open, so that they can be released.
  expect(books.accounts.has(accountName(key(chart.sales)))).toBe(true);
});

test("what occurred at the end of a period is in the next one", () => {
  const books = open();
  books.closedTime = { ...occurredTime, nanos: 0 };
  record(books, succeeded);
  expect(posted(books)[0]).not.toHaveProperty("suspended");
});

test("an account that is stopped says so before the period does", () => {
  const books = open();
  record(books, { ...succeeded, paymentId: "stripe/acct_1/pi_0" });
  books.closedTime = { seconds: 1_700_000_400n, nanos: 0 };
  stop(books, chart.sales, "frozen");
  record(books, succeeded);
  expect(posted(books)[1]?.suspended?.map(({ reason }) => reason)).toEqual([
    "period-closed",
    "account-frozen",
  ]);
});

test("what is said to occur years ahead counts when it is recorded", () => {
  const books = open();
  const ahead = { seconds: recordedTime.seconds + 6n * 366n * 86_400n, nanos: 0 };
  recordFact(books, succeeded, { occurredTime: ahead, metadata: [] });
  const [transaction] = posted(books);
  expect(transaction).toMatchObject({ effectiveTime: recordedTime, occurredTime: ahead });
  expect(transaction).not.toHaveProperty("suspended");
});

test("a total beyond int64 is refused whole, in suspense, too", () => {
  const books = open();
  record(books, { ...succeeded, paymentId: "stripe/acct_1/pi_0", amount: usd(2n ** 62n) });
  stop(books, chart.sales, "frozen");
  const before = books.sequence;
  const recorded = record(books, { ...succeeded, amount: usd(2n ** 62n) });
  expect(recorded).toMatchObject({ kind: "dead", reason: "refused" });
  expect(books.sequence).toBe(before);
  expect(books.suspense.size).toBe(0);
});

const money = fc.bigInt({ min: 1n, max: 900n }).map(usd);
const payment = fc.constantFrom("stripe/a/pi_1", "stripe/a/pi_2");
const id = fc.constantFrom("stripe/a/1", "stripe/a/2", "stripe/a/3");
/** One fact a name, so that no order makes one of two contradicting facts the first. */
const facts = fc
  .array(
    fc.oneof<fc.Arbitrary<PaymentFact>[]>(
      fc.record({
        kind: fc.constant("payment-refunded"),
        paymentId: payment,
        refund: fc.record({ refundId: id, amount: money }),
        total: fc.constant(undefined),
      }),
      fc.record({
        kind: fc.constant("payment-refunded"),
        paymentId: payment,
        refund: fc.constant(undefined),
        total: money,
      }),
      fc.record({
        kind: fc.constant("dispute-closed"),
        paymentId: payment,
        disputeId: id,
        amount: money,
        outcome: fc.constantFrom("won", "lost"),
      }),
      fc.record({ kind: fc.constant("payout-paid"), payoutId: id, amount: money }),
      fc.record({ kind: fc.constant("payout-failed"), payoutId: id, amount: money }),
    ),
    { maxLength: 12 },
  )
  .map((all) => [...new Map(all.map((fact) => [nameOf(fact), fact])).values()]);

const change = fc.oneof(
  fc.record({
    what: fc.constant("status" as const),
    code: fc.constantFrom(chart.sales, chart.refunds, chart.clearing("stripe"), chart.bank),
    status: fc.constantFrom<AccountStatus>("open", "frozen"),
  }),
  fc.record({ what: fc.constant("limit" as const), code: fc.constant(chart.clearing("stripe")) }),
  fc.record({ what: fc.constant("close" as const) }),
);

test("whatever the order, accounts and what they miss in suspense add up to the same", () => {
  const begin = ["stripe/a/pi_1", "stripe/a/pi_2"].map((of): PaymentFact => {
    return { ...succeeded, paymentId: of } as PaymentFact;
  });
  const run = fc.record({
    order: fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
    changes: fc.array(fc.tuple(fc.nat({ max: 40 }), change), { maxLength: 6 }),
  });
  fc.assert(
    fc.property(facts, run, run, (some, one, other) => {
      const all = [...begin, ...some, ...some.slice(0, 3)];
      expect(endOf(all, one)).toEqual(endOf(all, other));
    }),
    { numRuns: 400 },
  );
});

type Run = {
  order: readonly number[];
  changes: readonly (readonly [number, typeof change extends fc.Arbitrary<infer T> ? T : never])[];
};

/** The totals of payments, and of accounts with what stands for them in suspense. */
function endOf(all: readonly PaymentFact[], { order, changes }: Run) {
  const books = open();
  let waiting = all
    .map((fact, place) => ({ fact, place: order[place] ?? 0 }))
    .sort((a, b) => a.place - b.place)
    .map(({ fact }) => fact);
  for (let step = 0; waiting.length > 0; step++) {
    for (const [when, what] of changes) if (when === step) apply(books, what);
    const [fact, ...rest] = waiting;
    const recorded = record(books, fact!);
    expect(recorded.kind).not.toBe("dead");
    // What was parked comes again, at the end.
    waiting = recorded.kind === "parked" ? [...rest, fact!] : rest;
  }
  const totals = new Map<string, bigint>();
  const add = (code: string, minor: bigint) => totals.set(code, (totals.get(code) ?? 0n) + minor);
  for (const account of books.accounts.values()) {
    if (account.accountCode === chart.suspense) continue;
    add(account.accountCode, account.debitsMinor - account.creditsMinor);
  }
  let inSuspense = 0n;
  for (const { account, side, amountMinor } of books.suspense.values()) {
    add(account.accountCode, side === "debit" ? amountMinor : -amountMinor);
    inSuspense += side === "debit" ? amountMinor : -amountMinor;
  }
  const suspense = books.accounts.get(accountName(key(chart.suspense)));
  expect((suspense?.debitsMinor ?? 0n) - (suspense?.creditsMinor ?? 0n)).toBe(inSuspense);
  return {
    accounts: [...totals].filter(([, minor]) => minor !== 0n).sort(),
    payments: [...books.payments.values()].map(stateOf).sort(),
  };
}

function apply(books: Books, what: Run["changes"][number][1]): void {
  if (what.what === "status") stop(books, what.code, what.status);
  else if (what.what === "close") books.closedTime = recordedTime;
  else {
    const account = books.accounts.get(accountName(key(what.code)));
    const minor = account ? account.debitsMinor - account.creditsMinor : 0n;
    limit(books, what.code, { floorMinor: minor - 300n, ceilingMinor: minor + 300n });
  }
}

function stateOf(payment: Payment): string {
  const { paymentId: of, paidMinor, disputedMinor, lostMinor } = payment;
  return `${of} ${paidMinor} ${refundedMinor(payment)} ${disputedMinor} ${lostMinor}`;
}

function nameOf(fact: PaymentFact): string {
  if (fact.kind === "payout-paid" || fact.kind === "payout-failed") {
    // A payout has one amount, whatever became of it.
    return `payout ${fact.payoutId}`;
  }
  if (fact.kind === "dispute-closed") return `dispute ${fact.disputeId}`;
  if (fact.kind !== "payment-refunded") return "";
  return fact.refund
    ? `refund ${fact.refund.refundId}`
    : `${fact.paymentId} ${fact.total?.amountMinor}`;
}

function open(): Books {
  const books = createBooks("main", 0n, recordedTime);
  createLedger(books, "Main");
  registerAsset(books, "USD", 2);
  return books;
}

function record(books: Books, fact: PaymentFact, time: Time = occurredTime) {
  return recordFact(books, fact, { occurredTime: time, metadata: [] });
}

function stop(books: Books, code: string, status: AccountStatus): void {
  const account = books.accounts.get(accountName(key(code)));
  if (account && code !== chart.suspense) account.status = status;
}

function limit(books: Books, code: string, limits: Limits): void {
  const account = books.accounts.get(accountName(key(code)));
  if (account) account.limits = limits;
}

function posted(books: Books): Transaction[] {
  return books.written.facts.flatMap((fact) => {
    return fact.kind === "transaction-posted" ? [fact.transaction] : [];
  });
}

function textOf(transaction: Transaction | undefined): string[] {
  return (transaction?.entries ?? []).map(({ account, side, amountMinor }) => {
    return `${side} ${account.accountCode} ${amountMinor}`;
  });
}
