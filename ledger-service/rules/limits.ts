// Balances and what bounds them: the balance of an account in the direction in which it grows, what
// of it is available while holds are open, and the floor and ceiling that its owner has set. Limits
// that stand are never broken: who sets them is refused while they are.

import { accountName } from "./books.ts";
import type { AccountKind } from "./chart.ts";
import type { Account, Entry } from "./records.ts";
import type { Refusal } from "./refusals.ts";

type Totals = Pick<
  Account,
  "kind" | "debitsMinor" | "creditsMinor" | "debitsPendingMinor" | "creditsPendingMinor"
>;

export function growsByDebits(kind: AccountKind): boolean {
  return kind === "asset" || kind === "expense";
}

export function balanceMinor(kind: AccountKind, debitsMinor: bigint, creditsMinor: bigint): bigint {
  return growsByDebits(kind) ? debitsMinor - creditsMinor : creditsMinor - debitsMinor;
}

/** The balance less what holds may still take from it. */
export function availableMinor(totals: Totals): bigint {
  const { kind, debitsMinor, creditsMinor, debitsPendingMinor, creditsPendingMinor } = totals;
  const pendingMinor = growsByDebits(kind) ? creditsPendingMinor : debitsPendingMinor;
  return balanceMinor(kind, debitsMinor, creditsMinor) - pendingMinor;
}

/** The balance with what holds may still add to it. */
export function highestMinor(totals: Totals): bigint {
  const { kind, debitsMinor, creditsMinor, debitsPendingMinor, creditsPendingMinor } = totals;
  const pendingMinor = growsByDebits(kind) ? debitsPendingMinor : creditsPendingMinor;
  return balanceMinor(kind, debitsMinor, creditsMinor) + pendingMinor;
}

/** What happens to an account's totals; each may be negative. */
export type Change = {
  debitsMinor: bigint;
  creditsMinor: bigint;
  debitsPendingMinor: bigint;
  creditsPendingMinor: bigint;
};

export const noChange: Readonly<Change> = {
  debitsMinor: 0n,
  creditsMinor: 0n,
  debitsPendingMinor: 0n,
  creditsPendingMinor: 0n,
};

/** The first limit, in the order of the entries, that they would break. */
export function findBrokenLimit(
  accounts: ReadonlyMap<string, Readonly<Account>>,
  posting: {
    readonly entries: readonly Entry[];
    readonly released?: ReadonlyMap<string, { debitsMinor: bigint; creditsMinor: bigint }>;
  },
): Refusal | undefined {
  const changes = new Map<Readonly<Account>, Change>();
  for (const { account: key, side, amountMinor } of posting.entries) {
    const name = accountName(key);
    const account = accounts.get(name);
    if (!account || !isLimited(account)) continue;
    const released = posting.released?.get(name);
    const change = changes.get(account) ?? {
      ...noChange,
      debitsPendingMinor: -(released?.debitsMinor ?? 0n),
      creditsPendingMinor: -(released?.creditsMinor ?? 0n),
    };
    if (side === "debit") change.debitsMinor += amountMinor;
    else change.creditsMinor += amountMinor;
    changes.set(account, change);
  }
  for (const [account, change] of changes) {
    const refusal = findLimitBrokenBy(account, change);
    if (refusal) return refusal;
  }
  return undefined;
}

/** Undefined: the account's limits allow the change. */
export function findLimitBrokenBy(
  account: Readonly<Account>,
  change: Readonly<Change>,
): Refusal | undefined {
  const { accountCode, assetCode, limits } = account;
  const after = {
    kind: account.kind,
    debitsMinor: account.debitsMinor + change.debitsMinor,
    creditsMinor: account.creditsMinor + change.creditsMinor,
    debitsPendingMinor: account.debitsPendingMinor + change.debitsPendingMinor,
    creditsPendingMinor: account.creditsPendingMinor + change.creditsPendingMinor,
  };
  const key = { accountCode, assetCode };
  const available = availableMinor(after);
  const { floorMinor, ceilingMinor } = limits;
  if (floorMinor !== undefined && available < floorMinor) {
    const broken = { account: key, limitMinor: floorMinor, actualMinor: available };
    return { reason: "below-floor", ...broken };
  }
  const highest = highestMinor(after);
  if (ceilingMinor !== undefined && highest > ceilingMinor) {
    const broken = { account: key, limitMinor: ceilingMinor, actualMinor: highest };
    return { reason: "above-ceiling", ...broken };
  }
  return undefined;
}

export function isLimited({ limits }: Readonly<Account>): boolean {
  return limits.floorMinor !== undefined || limits.ceilingMinor !== undefined;
}
