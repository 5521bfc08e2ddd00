// What callers remember of a ledger: enough to ask for something that is there, or was a moment ago.

import type { Answer } from "./ask.ts";
import type { Key, Keyed, Post } from "./operations.ts";

const recentMax = 60;

export type Memory = {
  readonly ledgerId: string;
  /** Highest sequence that was ever told. */
  seen: bigint;
  /** Numbers keys, and accounts that come and go. */
  next: number;
  readonly transactions: { readonly sequence: bigint; readonly amounts: readonly bigint[] }[];
  readonly holds: { readonly sequence: bigint; readonly amount: bigint }[];
  /** Requests that were answered. */
  readonly asked: Keyed[];
  readonly brief: Key[];
  readonly changed: { readonly account: Key; readonly sequence: bigint }[];
  readonly balances: {
    readonly account: Key;
    readonly balance: bigint;
    readonly version: bigint;
  }[];
  readonly payments: { readonly key: string }[];
  readonly suspended: {
    readonly sequence: bigint;
    readonly index: number;
    readonly asset: string;
  }[];
};

export function createMemory(ledgerId: string): Memory {
  return {
    ledgerId,
    seen: 0n,
    next: 0,
    transactions: [],
    holds: [],
    asked: [],
    brief: [],
    changed: [],
    balances: [],
    payments: [],
    suspended: [],
  };
}

export function remember<T>(list: T[], one: T): void {
  list.push(one);
  if (list.length > recentMax) list.shift();
}

/** Transactions that were asked for, and belong to no link group. */
export function lonePosts({ asked }: Memory): Post[] {
  return asked.flatMap((one) => (one.kind === "post" && one.group === "" ? [one] : []));
}

export function see(memory: Memory, sequence: bigint): void {
  if (sequence > memory.seen) memory.seen = sequence;
}

export function learn(memory: Memory, asked: Keyed, answer: Answer): void {
  remember(memory.asked, asked);
  if (answer.kind === "refused") return;
  const { thing, balances } = answer;
  for (const { accountCode, assetCode, balanceMinor, version } of balances) {
    const account = { code: accountCode, asset: assetCode };
    remember(memory.balances, { account, balance: balanceMinor, version });
  }
  switch (thing?.$typeName) {
    case "bursar.ledger.v1.Transaction": {
      const { ledgerSequence: sequence, entries } = thing;
      see(memory, sequence);
      if (asked.kind === "post" && asked.group !== "" && entries.length > 2) return;
      const amounts = entries.map(({ amountMinor }) => amountMinor);
      remember(memory.transactions, { sequence, amounts });
      return;
    }
    case "bursar.ledger.v1.Hold": {
      see(memory, thing.ledgerSequence);
      const { holdSequence: sequence, heldMinor: amount } = thing;
      if (asked.kind === "create-hold") remember(memory.holds, { sequence, amount });
      return;
    }
    case "bursar.ledger.v1.Account": {
      const { accountCode: code, assetCode: asset, changedSequence } = thing;
      see(memory, changedSequence);
      remember(memory.changed, { account: { code, asset }, sequence: changedSequence });
      return;
    }
    case "bursar.ledger.v1.Period":
      see(memory, thing.closedSequence);
  }
}
