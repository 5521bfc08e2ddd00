// Commands at random, few enough of each thing that they meet: accounts, keys and sequences repeat.

import fc from "fast-check";
import type { Command, KeyedCommand } from "../rules/commands.ts";
import type { AmountRange, Precondition } from "../rules/preconditions.ts";
import type { Entry } from "../rules/records.ts";
import type { ReversedPart } from "../rules/reversal-rules.ts";
import { opening, posting, reversal } from "./ledger.ts";

export const accountCodes = ["assets:a", "assets:b", "income:c"] as const;
const assetCodes = ["USD", "EUR", "XAU"] as const;
const big = 2n ** 62n;

const account = fc.record({
  accountCode: fc.constantFrom(...accountCodes),
  // Mostly one, or little would ever be posted.
  assetCode: fc.oneof(
    { weight: 12, arbitrary: fc.constant("USD" as const) },
    { weight: 1, arbitrary: fc.constantFrom(...assetCodes) },
  ),
});
const amount = fc.oneof(
  { weight: 12, arbitrary: fc.bigInt(1n, 5n) },
  { weight: 1, arbitrary: fc.constantFrom(big, big * 2n - 1n) },
);
const pair = fc.tuple(account, account, amount).map(([from, to, amountMinor]): Entry[] => [
  { account: from, side: "debit", amountMinor },
  { account: { ...to, assetCode: from.assetCode }, side: "credit", amountMinor },
]);
const crooked = fc.tuple(account, account, amount, amount).map(([from, to, a, b]): Entry[] => [
  { account: from, side: "debit", amountMinor: a },
  { account: to, side: "credit", amountMinor: b },
]);
const entries = fc.oneof(
  { weight: 6, arbitrary: fc.array(pair, { minLength: 1, maxLength: 3 }).map((it) => it.flat()) },
  { weight: 1, arbitrary: crooked },
);
const key = fc.integer({ min: 1, max: 30 }).map((n) => `key-${n}`);
const sequence = fc.bigInt(6n, 12n);

const bound = fc.option(fc.bigInt(-6n, 6n), { nil: undefined, freq: 2 });
const range: fc.Arbitrary<AmountRange> = fc.record({
  gteMinor: bound,
  lteMinor: bound,
  eqMinor: fc.option(fc.bigInt(-3n, 3n), { nil: undefined, freq: 2 }),
});
const precondition: fc.Arbitrary<Precondition> = fc.record({
  account,
  balance: fc.option(range, { nil: undefined }),
  available: fc.option(range, { nil: undefined, freq: 2 }),
  version: fc.option(fc.bigInt(0n, 4n), { nil: undefined, freq: 2 }),
});
const preconditions = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Precondition[]>([]) },
  { weight: 1, arbitrary: fc.array(precondition, { minLength: 1, maxLength: 3 }) },
);

const post = fc.tuple(key, entries, preconditions).map(([idempotencyKey, lines, guards]) => {
  return posting(idempotencyKey, lines, guards.length > 0 ? { preconditions: guards } : {});
});

const part: fc.Arbitrary<ReversedPart> = fc.record({
  entryIndex: fc.integer({ min: 0, max: 4 }),
  amountMinor: fc.bigInt(1n, 3n),
});
/** Two entries of the original as much, or anything. */
const parts = fc.oneof(
  { weight: 3, arbitrary: fc.constant<ReversedPart[]>([]) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 2 }), fc.bigInt(1n, 3n))
      .map(([n, amountMinor]) =>
        [2 * n, 2 * n + 1].map((entryIndex) => ({ entryIndex, amountMinor })),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.uniqueArray(part, { minLength: 1, selector: (it) => it.entryIndex }),
  },
);
const reverse = fc.tuple(key, sequence, parts).map(([idempotencyKey, of, some]) => {
  return reversal(idempotencyKey, of, some.length > 0 ? { parts: some } : {});
});

const setup: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(account, fc.constantFrom("asset" as const, "income" as const))
      .map(([{ accountCode, assetCode }, kind]) => opening(accountCode, kind, assetCode)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...assetCodes)
      .map((assetCode): Command => ({ kind: "register-asset", assetCode, scale: 2 })),
  },
  { weight: 1, arbitrary: fc.constant<Command>({ kind: "create-ledger", displayName: "x" }) },
);

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: post },
  { weight: 5, arbitrary: reverse },
  { weight: 4, arbitrary: setup },
);

/** Commands of a link group; some are the same request again. */
export const linkGroup: fc.Arbitrary<KeyedCommand[]> = fc
  .array(post, { minLength: 1, maxLength: 4 })
  .map((list) =>
    list.map(({ draft, preconditions: guards, idempotencyKey }) => {
      const more = { linkGroup: "g", ...(guards && { preconditions: guards }) };
      return posting(idempotencyKey, draft.entries, more);
    }),
  );

/** Books that can be posted to. */
export const openingCommands: readonly Command[] = [
  { kind: "create-ledger", displayName: "x" },
  { kind: "register-asset", assetCode: "USD", scale: 2 },
  { kind: "register-asset", assetCode: "EUR", scale: 2 },
  ...accountCodes.map((accountCode) => opening(accountCode, "asset")),
];
