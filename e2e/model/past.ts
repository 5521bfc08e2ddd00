// The past in the model: adds up every entry that counts, each time it is asked.

import { type Account, type Balance, type Entry, growsByDebits, type Ledger } from "./books.ts";
import { wholeMicros } from "./holds.ts";
import type { AsOf } from "./operations.ts";

/** Times count in microseconds. */
function counts({ sequence, effective }: AsOf) {
  return (entry: Entry) =>
    (sequence === 0n || entry.sequence <= sequence) &&
    (effective === undefined || wholeMicros(entry.effective) <= wholeMicros(effective));
}

export function entriesAsOf(account: Account, asOf: AsOf): Entry[] {
  return account.entries.filter(counts(asOf));
}

export function balanceAsOf(account: Account, asOf: AsOf): Balance {
  const { code, asset, kind, openedSequence } = account;
  const entries = entriesAsOf(account, asOf);
  let debits = 0n;
  let credits = 0n;
  let sequence = openedSequence;
  for (const entry of entries) {
    if (entry.side === "debit") debits += entry.amount;
    else credits += entry.amount;
    if (entry.sequence > sequence) sequence = entry.sequence;
  }
  const version = BigInt(entries.length);
  const pending = { debitsPending: undefined, creditsPending: undefined };
  return { code, asset, kind, debits, credits, version, sequence, ...pending };
}

export type Aggregate = {
  readonly prefix: string;
  readonly asset: string;
  accounts: bigint;
  debits: bigint;
  credits: bigint;
  /** Undefined: the accounts grow by different sides. */
  balance: bigint | undefined;
};

/** Of the accounts that were open by then, by code and asset. */
export function aggregate(
  ledger: Ledger,
  { prefix, depth, asset, asOf }: { prefix: string; depth: number; asset: string; asOf: AsOf },
): Aggregate[] {
  const sums = new Map<string, Aggregate & { readonly debitKinds: Set<boolean> }>();
  for (const account of ledger.accounts.values()) {
    const { code, openedSequence, kind } = account;
    const under = prefix === "" || code === prefix || code.startsWith(`${prefix}:`);
    if (!under || (asset !== "" && account.asset !== asset)) continue;
    if (asOf.sequence !== 0n && openedSequence > asOf.sequence) continue;
    const segments = prefix === "" ? 0 : prefix.split(":").length;
    const common = code
      .split(":")
      .slice(0, segments + depth)
      .join(":");
    const name = `${common} ${account.asset}`;
    const sum = sums.get(name) ?? {
      prefix: common,
      asset: account.asset,
      accounts: 0n,
      debits: 0n,
      credits: 0n,
      balance: 0n,
      debitKinds: new Set<boolean>(),
    };
    const { debits, credits } = balanceAsOf(account, asOf);
    sum.accounts += 1n;
    sum.debits += debits;
    sum.credits += credits;
    sum.debitKinds.add(growsByDebits(kind));
    sums.set(name, sum);
  }
  const inOrder = [...sums.values()].sort(
    (a, b) => compare(a.prefix, b.prefix) || compare(a.asset, b.asset),
  );
  return inOrder.map(({ debitKinds, ...sum }) => {
    const [byDebits] = debitKinds;
    const balance = byDebits ? sum.debits - sum.credits : sum.credits - sum.debits;
    return { ...sum, balance: debitKinds.size === 1 ? balance : undefined };
  });
}

/** Every account that was open by then. */
export function trialBalance(ledger: Ledger, asOf: AsOf): Balance[] {
  return [...ledger.accounts.values()]
    .filter(({ openedSequence }) => asOf.sequence === 0n || openedSequence <= asOf.sequence)
    .sort((a, b) => compare(a.code, b.code) || compare(a.asset, b.asset))
    .map((account) => balanceAsOf(account, asOf));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
