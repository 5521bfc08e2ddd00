import { expect, test } from "vitest";
import { accountName } from "./books.ts";
import { decidePosting, int64Max, type Posting, type PostingBooks } from "./posting.ts";
import type { Precondition } from "./preconditions.ts";
import { type Account, type Asset, type Entry, type Note, noLimits } from "./records.ts";
import type { Refusal } from "./refusals.ts";

test("a balanced transaction may be posted", () => {
  const entries = [debit("assets:cash", 30n), credit("income:sales", 30n)];
  expect(decide(books, entries, [])).toBeUndefined();
});

test("a transaction in two assets may be posted when each is balanced", () => {
  const entries = [
    debit("assets:cash", 30n),
    credit("income:sales", 30n),
    debit("assets:cash", 7n, "EUR"),
    credit("income:sales", 7n, "EUR"),
  ];
  expect(decide(books, entries, [])).toBeUndefined();
});

// One row a rule, in the order in which the rules are checked: each row breaks the rules below it, too.
const duplicated = { metadata: [note("a"), note("a")] };
const late = { ...duplicated, effectiveTime: { seconds: 10n ** 10n, nanos: 0 } };
const early = { effectiveTime: { seconds: 1n, nanos: 0 } };
const failing = { preconditions: [versioned("assets:cash", 7n)] };
const unknown = { preconditions: [versioned("assets:nobody", 0n)] };
const overdraft = [credit("assets:bounded", 6n), debit("assets:full", 6n)];
test.each<[Refusal["reason"], Entry[], Partial<Posting>]>([
  [
    "asset-not-found",
    [debit("assets:nobody", 2n), debit("assets:cash", 1n, "XAU"), debit("assets:frozen", 1n)],
    { ...late, ...unknown },
  ],
  [
    "account-not-found",
    [debit("assets:frozen", 1n), debit("assets:nobody", 2n)],
    { ...late, ...failing },
  ],
  ["account-not-found", [debit("assets:frozen", 1n)], { ...late, ...unknown }],
  [
    "account-frozen",
    [debit("assets:frozen", 1n), debit("assets:closed", 1n), debit("assets:full", int64Max)],
    { ...late, ...failing },
  ],
  [
    "account-closed",
    [debit("assets:closed", 1n), debit("assets:frozen", 1n), debit("assets:full", int64Max)],
    { ...late, ...failing },
  ],
  [
    "unbalanced",
    [debit("assets:full", int64Max), credit("income:sales", 1n)],
    { ...late, ...failing },
  ],
  ["amount-out-of-range", overdraft, { ...late, ...failing }],
  ["metadata-duplicate", overdraft.map(smaller), { ...late, ...failing }],
  ["effective-time-too-late", overdraft.map(smaller), { ...late, metadata: [], ...failing }],
  ["period-closed", overdraft.map(smaller), { ...early, ...failing }],
  ["precondition-failed", overdraft.map(smaller), failing],
  ["below-floor", overdraft.map(smaller), {}],
  ["above-ceiling", overdraft.map(smaller).map(turned), {}],
])("refuses: %s", (reason, entries, more) => {
  const posting = { entries, metadata: [], effectiveTime: undefined, ...more };
  expect(decidePosting(books, posting)).toMatchObject({ reason });
});

function smaller(entry: Entry): Entry {
  return { ...entry, amountMinor: 4n };
}

function turned(entry: Entry): Entry {
  const account = { ...entry.account };
  if (account.accountCode === "assets:full") account.accountCode = "income:sales";
  return { ...entry, account, side: entry.side === "debit" ? "credit" : "debit" };
}

function versioned(accountCode: string, version: bigint): Precondition {
  const account = { accountCode, assetCode: "USD" };
  return { account, balance: undefined, available: undefined, version };
}

test("an unbalanced asset is named with both of its sums", () => {
  const entries = [
    debit("assets:cash", 5n, "EUR"),
    credit("income:sales", 5n, "EUR"),
    debit("assets:cash", 2n),
    credit("income:sales", 1n),
  ];
  const refusal = { reason: "unbalanced", assetCode: "USD", debitsMinor: 2n, creditsMinor: 1n };
  expect(decide(books, entries, [])).toEqual(refusal);
});

test("two assets do not balance each other", () => {
  const entries = [debit("assets:cash", 5n), credit("income:sales", 5n, "EUR")];
  expect(decide(books, entries, [])).toMatchObject({ reason: "unbalanced" });
});

test("an account may be filled to the last unit of int64, and no further", () => {
  const fill = (amountMinor: bigint) => [
    debit("assets:full", amountMinor),
    credit("income:sales", amountMinor),
  ];
  expect(decide(books, fill(5n), [])).toBeUndefined();
  expect(decide(books, fill(6n), [])).toEqual({
    reason: "amount-out-of-range",
    account: { accountCode: "assets:full", assetCode: "USD" },
    assetCode: "USD",
  });
});

test("the total of an asset stays within int64 even where every account would", () => {
  const almost = { ...usd, postedMinor: int64Max - 4n };
  const entries = [debit("assets:cash", 5n), credit("income:sales", 5n)];
  const full = { ...books, assets: new Map([["USD", almost]]) };
  expect(decide(full, entries, [])).toEqual({
    reason: "amount-out-of-range",
    account: undefined,
    assetCode: "USD",
  });
});

test("the order of the entries does not change whether they are accepted", () => {
  const entries = [credit("assets:full", 5n), debit("assets:full", 5n), debit("assets:cash", 1n)];
  const first = decide(books, entries, [])?.reason;
  expect(decide(books, entries.toReversed(), [])?.reason).toBe(first);
});

const usd: Asset = { assetCode: "USD", scale: 2, registeredSequence: 2n, postedMinor: 0n };
const eur: Asset = { ...usd, assetCode: "EUR" };

const books: PostingBooks = {
  assets: new Map([usd, eur].map((asset) => [asset.assetCode, asset])),
  accounts: new Map(
    [
      account("assets:cash", 0n),
      account("income:sales", 0n),
      account("assets:full", int64Max - 5n),
      account("assets:cash", 0n, "EUR"),
      account("income:sales", 0n, "EUR"),
      { ...account("assets:frozen", 0n), status: "frozen" as const },
      { ...account("assets:closed", 0n), status: "closed" as const },
      { ...account("assets:bounded", 0n), limits: { floorMinor: 0n, ceilingMinor: 3n } },
    ].map((it) => [accountName(it), it]),
  ),
  recordedTime: { seconds: 1_000_000n, nanos: 0 },
  closedTime: { seconds: 1_000n, nanos: 0 },
};

function account(accountCode: string, debitsMinor: bigint, assetCode = "USD"): Account {
  return {
    accountCode,
    assetCode,
    kind: "asset",
    openedSequence: 3n,
    openTime: { seconds: 0n, nanos: 0 },
    debitsMinor,
    creditsMinor: 0n,
    creditsPendingMinor: 0n,
    debitsPendingMinor: 0n,
    version: 0n,
    sequence: 3n,
    effectiveTimeMax: undefined,
    status: "open",
    limits: noLimits,
    metadata: undefined,
    changedSequence: 3n,
  };
}

function debit(accountCode: string, amountMinor: bigint, assetCode = "USD"): Entry {
  return { account: { accountCode, assetCode }, side: "debit", amountMinor };
}

function credit(accountCode: string, amountMinor: bigint, assetCode = "USD"): Entry {
  return { account: { accountCode, assetCode }, side: "credit", amountMinor };
}

function note(key: string): Note {
  return { key, value: "" };
}

function decide(books: PostingBooks, entries: readonly Entry[], metadata: readonly Note[]) {
  return decidePosting(books, { entries, metadata, effectiveTime: undefined });
}
