// The small world in which requests meet each other: a few accounts with bounds, some that freeze,
// one that does not exist, amounts at the edge of int64.

import type { Chance } from "../chance.ts";
import type { CreateAccount, Key, Kind, Leg, Limits, Named, Note, Time } from "./operations.ts";

export const none: Limits = { floor: undefined, ceiling: undefined };
export const most = 2n ** 63n - 1n;
export const second = 1_000_000_000n;
export const day = 86_400n * second;

const kinds: Readonly<Record<string, Kind>> = {
  assets: "asset",
  liabilities: "liability",
  equity: "equity",
  income: "income",
  expenses: "expense",
};

export const assets = ["USD", "EUR"] as const;
const plain = [
  "assets:cash",
  "assets:bank",
  "equity:capital",
  "income:sales",
  "expenses:fees:stripe",
];
const charted = ["assets:stripe:clearing", "liabilities:tax", "liabilities:suspense"];
export const wallets = [1, 2, 3, 4, 5, 6].map((n) => `liabilities:wallets:${n}`);
const tills = ["assets:tills:1", "assets:tills:2"];

export function kindOf(code: string): Kind {
  return kinds[code.split(":", 1)[0]!]!;
}

/** What every ledger starts with. */
export function firstRequests(name: string): Named[] {
  return [
    { kind: "create-ledger", name },
    ...assets.map((asset): Named => ({ kind: "register-asset", asset, scale: 2 })),
    ...assets.flatMap((asset) => [
      ...[...plain, ...charted].map((code) => opening({ code, asset }, none)),
      ...wallets.map((code, place) => {
        const ceiling = place < 3 ? 20_000n : undefined;
        return opening({ code, asset }, { floor: 0n, ceiling });
      }),
      ...tills.map((code) => opening({ code, asset }, { floor: -500n, ceiling: 50_000n })),
    ]),
  ];
}

export function opening(account: Key, limits: Limits, notes: readonly Note[] = []): CreateAccount {
  return { kind: "create-account", account, accountKind: kindOf(account.code), limits, notes };
}

export function assetOf(chance: Chance): string {
  return chance.below(3) === 0 ? "EUR" : "USD";
}

/** An account that is there, if nobody closed it. */
export function accountIn(chance: Chance, asset: string): Key {
  const of = chance.below(10);
  const code = of < 4 ? chance.pick(wallets) : of < 6 ? chance.pick(tills) : chance.pick(plain);
  return { code, asset };
}

export function strange(chance: Chance): Key {
  return chance.pick([
    { code: "assets:nobody", asset: "USD" },
    { code: "assets:cash", asset: "XAU" },
  ]);
}

export function amountIn(chance: Chance): bigint {
  const of = chance.below(20);
  return BigInt(of === 0 ? 1 + chance.below(60_000) : 1 + chance.below(of < 10 ? 100 : 2_000));
}

/** Two legs or more, balanced, in one asset. */
export function legsIn(chance: Chance, asset: string, accounts: () => Key): Leg[] {
  const amount = amountIn(chance);
  const debit = accounts();
  const credit = accounts();
  if (chance.below(4) > 0 || amount < 3n) {
    return [
      { account: debit, side: "debit", amount },
      { account: credit, side: "credit", amount },
    ];
  }
  const part = 1n + BigInt(chance.below(Number(amount - 1n)));
  return [
    { account: debit, side: "debit", amount },
    { account: credit, side: "credit", amount: part },
    { account: accountIn(chance, asset), side: "credit", amount: amount - part },
  ];
}

/** Assets whose accounts are soon full: each is used for a while. */
export function hugeAsset(round: number): string {
  return `HUGE${round}`;
}

export const hugeCodes = ["assets:vault", "equity:vault"] as const;

export function hugeAmount(chance: Chance): bigint {
  return chance.pick([most, most - 1n, 2n ** 62n, 2n ** 62n, 2n ** 61n, 1n, 7n]);
}

/** The wire has no larger amount. */
export function sendable(amount: bigint): bigint {
  return amount > most ? most : amount;
}

export function notesIn(chance: Chance): Note[] {
  const of = chance.below(12);
  if (of === 11) return [reference(chance)];
  if (of > 3) return [];
  const notes = ["order", "batch", "a.b-c_d"].slice(0, 1 + of).map((key) => {
    return { key, value: chance.pick(["", "1", "zwölf", "x".repeat(50)]) };
  });
  return chance.below(12) === 0 ? [...notes, { key: "order", value: "again" }] : notes;
}

/** One of many notes by which transactions are looked up. */
export function reference(chance: Chance): Note {
  return { key: "ref", value: String(chance.below(200)) };
}

/** With a fraction of a second that the database does not keep, now and then. */
export function timeIn(chance: Chance, from: Time, span: Time): Time {
  const whole = from + (span * BigInt(chance.below(1_000_000))) / 1_000_000n;
  return chance.below(3) === 0 ? whole : whole - (whole % second);
}
