import { expect, test } from "vitest";
import { accountName } from "./books.ts";
import type { AccountKind } from "./chart.ts";
import {
  availableMinor,
  findBrokenLimit,
  findLimitBrokenBy,
  highestMinor,
  noChange,
} from "./limits.ts";
import { type Account, type Entry, type Limits, noLimits } from "./records.ts";

test.each<[AccountKind, bigint, bigint]>([
  ["asset", 5n, 73n],
  ["expense", 5n, 73n],
  ["liability", -73n, -5n],
  ["equity", -73n, -5n],
  ["income", -73n, -5n],
])(
  "of %s, what holds may take is not available, and what they may add is counted on",
  (kind, available, highest) => {
    const totals = { kind, debitsMinor: 55n, creditsMinor: 20n };
    const pending = { debitsPendingMinor: 38n, creditsPendingMinor: 30n };
    expect(availableMinor({ ...totals, ...pending })).toBe(available);
    expect(highestMinor({ ...totals, ...pending })).toBe(highest);
  },
);

const bounded = { floorMinor: -10n, ceilingMinor: 20n };

test.each<[string, Partial<Account>, Partial<typeof noChange>, bigint | undefined]>([
  ["to the floor", {}, { debitsMinor: 10n }, undefined],
  ["below the floor", {}, { debitsMinor: 11n }, -11n],
  ["to the ceiling", {}, { creditsMinor: 20n }, undefined],
  ["above the ceiling", {}, { creditsMinor: 21n }, 21n],
  ["below the floor by a hold", {}, { debitsPendingMinor: 11n }, -11n],
  ["above the ceiling by a hold", {}, { creditsPendingMinor: 21n }, 21n],
  ["below what a hold left", { debitsPendingMinor: 8n }, { debitsMinor: 3n }, -11n],
  [
    "with what a capture gives back",
    { debitsPendingMinor: 8n },
    { debitsMinor: 8n, debitsPendingMinor: -8n },
    undefined,
  ],
  [
    "not above, because what takes does not add",
    { debitsPendingMinor: 8n },
    { creditsMinor: 20n },
    undefined,
  ],
])("a balance goes %s", (_, state, change, actualMinor) => {
  const account = open("liabilities:wallet", "liability", bounded, state);
  const refusal = findLimitBrokenBy(account, { ...noChange, ...change });
  if (actualMinor === undefined) {
    expect(refusal).toBeUndefined();
    return;
  }
  const below = actualMinor < 0n;
  expect(refusal).toEqual({
    reason: below ? "below-floor" : "above-ceiling",
    account: { accountCode: "liabilities:wallet", assetCode: "USD" },
    limitMinor: below ? -10n : 20n,
    actualMinor,
  });
});

test("an account that grows by debits is bounded the other way round", () => {
  const account = open("assets:cash", "asset", { floorMinor: 0n, ceilingMinor: 5n });
  expect(findLimitBrokenBy(account, { ...noChange, creditsMinor: 1n })).toMatchObject({
    reason: "below-floor",
    actualMinor: -1n,
  });
  expect(findLimitBrokenBy(account, { ...noChange, debitsMinor: 6n })).toMatchObject({
    reason: "above-ceiling",
    actualMinor: 6n,
  });
});

test("entries count together, not one by one", () => {
  const wallet = open("liabilities:wallet", "liability", { floorMinor: 0n, ceilingMinor: 5n });
  const accounts = new Map([[accountName(wallet), wallet]]);
  const up = leg("credit", 100n);
  const down = leg("debit", 96n);
  expect(findBrokenLimit(accounts, { entries: [up, down] })).toBeUndefined();
  expect(findBrokenLimit(accounts, { entries: [down, up] })).toBeUndefined();
  expect(findBrokenLimit(accounts, { entries: [down] })).toMatchObject({ actualMinor: -96n });
  expect(findBrokenLimit(accounts, { entries: [up, up, down] })).toMatchObject({
    actualMinor: 104n,
  });
});

test("of two accounts the first in the order of the entries is told", () => {
  const limits = { floorMinor: 0n, ceilingMinor: undefined };
  const first = open("liabilities:b", "liability", limits);
  const second = open("liabilities:a", "liability", limits);
  const accounts = new Map([first, second].map((account) => [accountName(account), account]));
  const entries = [leg("debit", 1n, "liabilities:b"), leg("debit", 1n, "liabilities:a")];
  expect(findBrokenLimit(accounts, { entries })).toMatchObject({
    account: { accountCode: "liabilities:b" },
  });
});

test("an account without limits holds whatever it is given", () => {
  const free = open("assets:cash", "asset", noLimits);
  const accounts = new Map([[accountName(free), free]]);
  const entries = [leg("credit", 2n ** 63n - 1n, "assets:cash")];
  expect(findBrokenLimit(accounts, { entries })).toBeUndefined();
});

function leg(side: Entry["side"], amountMinor: bigint, accountCode = "liabilities:wallet"): Entry {
  return { account: { accountCode, assetCode: "USD" }, side, amountMinor };
}

function open(
  accountCode: string,
  kind: AccountKind,
  limits: Limits,
  state: Partial<Account> = {},
): Account {
  return {
    accountCode,
    assetCode: "USD",
    kind,
    openedSequence: 1n,
    openTime: { seconds: 0n, nanos: 0 },
    debitsMinor: 0n,
    creditsMinor: 0n,
    debitsPendingMinor: 0n,
    creditsPendingMinor: 0n,
    version: 0n,
    sequence: 1n,
    effectiveTimeMax: undefined,
    status: "open",
    limits,
    metadata: [],
    changedSequence: 1n,
    ...state,
  };
}
