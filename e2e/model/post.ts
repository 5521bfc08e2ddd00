// Transactions in the model: the rules in their order, and what they write.

import {
  type Account,
  accountAt,
  availableOf,
  balanceOf,
  type Hold,
  highestOf,
  type Ledger,
  type Transaction,
  transactionsWith,
} from "./books.ts";
import {
  type Key,
  type Leg,
  type Note,
  nameOf,
  type Precondition,
  type Range,
  type Side,
  type Time,
} from "./operations.ts";
import type { Refusal } from "./refusals.ts";

export const int64Max = 2n ** 63n - 1n;
const second = 1_000_000_000n;
/** Five years, all of them leap years. */
export const ahead = 5n * 366n * 86_400n * second;

/** What a fact is written at. */
export type Moment = { readonly sequence: bigint; readonly recorded: Time };

/** A transaction that may be written, or be refused. */
export type Draft = Pick<
  Transaction,
  "key" | "legs" | "description" | "notes" | "reverses" | "reversesLegs"
> & {
  readonly effective: Time | undefined;
  readonly preconditions?: readonly Precondition[];
  /** What a capture gives back of what is pending. */
  readonly released?: { readonly hold: Readonly<Hold>; readonly amount: bigint };
  readonly hold?: Readonly<Hold>;
  readonly suspended?: Transaction["suspended"];
  readonly occurred?: Time | undefined;
  readonly releases?: Transaction["releases"];
  readonly payment?: Transaction["payment"];
};

/** Undefined: it may be written. */
export function refusePosting(ledger: Ledger, draft: Draft, now: Time): Refusal | undefined {
  const { legs, notes, effective, preconditions = [] } = draft;
  return (
    refuseMissing(ledger, legs) ??
    refuseUnknown(ledger, preconditions) ??
    refuseStopped(ledger, legs) ??
    refuseUnbalanced(legs) ??
    refuseOutOfRange(ledger, draft) ??
    refuseDuplicate(notes) ??
    refuseTime(ledger, effective ?? now, now) ??
    refusePreconditions(ledger, preconditions) ??
    refuseLimits(ledger, draft)
  );
}

type On = { readonly account: Key };

export function refuseMissing(ledger: Ledger, on: readonly On[]): Refusal | undefined {
  for (const { account } of on) {
    const { asset } = account;
    if (!ledger.assets.has(asset)) return { refused: "asset-not-found", asset };
  }
  return refuseUnknown(ledger, on);
}

function refuseUnknown(ledger: Ledger, on: readonly On[]): Refusal | undefined {
  for (const { account } of on) {
    if (!accountAt(ledger, account)) return { refused: "account-not-found", account };
  }
  return undefined;
}

export function refuseStopped(ledger: Ledger, on: readonly On[]): Refusal | undefined {
  for (const { account } of on) {
    const { status } = accountAt(ledger, account)!;
    if (status === "frozen") return { refused: "account-frozen", account };
    if (status === "closed") return { refused: "account-closed", account };
  }
  return undefined;
}

function refuseUnbalanced(legs: readonly Leg[]): Refusal | undefined {
  for (const asset of new Set(legs.map((leg) => leg.account.asset))) {
    const sum = (side: Side) =>
      legs
        .filter((leg) => leg.account.asset === asset && leg.side === side)
        .reduce((total, { amount }) => total + amount, 0n);
    const debits = sum("debit");
    const credits = sum("credit");
    if (debits === credits) continue;
    const told = debits <= int64Max && credits <= int64Max ? { debits, credits } : {};
    return { refused: "unbalanced", asset, ...told };
  }
  return undefined;
}

/** Leg by leg: the column of its account, with what is pending there, then the asset as a whole. */
function refuseOutOfRange(ledger: Ledger, { legs, released }: Draft): Refusal | undefined {
  const columns = new Map<string, bigint>();
  const assets = new Map<string, bigint>();
  for (const { account: key, side, amount } of legs) {
    const account = accountAt(ledger, key)!;
    const column = `${nameOf(key)} ${side}`;
    const before =
      side === "debit"
        ? account.debits + account.debitsPending
        : account.credits + account.creditsPending;
    const back = released && nameOf(released.hold[side]) === nameOf(key) ? released.amount : 0n;
    columns.set(column, (columns.get(column) ?? before - back) + amount);
    if (columns.get(column)! > int64Max) {
      return { refused: "amount-out-of-range", account: key, asset: key.asset };
    }
    if (side === "credit") continue;
    const posted = assets.get(key.asset) ?? ledger.assets.get(key.asset)!.debits;
    assets.set(key.asset, posted + amount);
    if (posted + amount > int64Max) return { refused: "amount-out-of-range", asset: key.asset };
  }
  return undefined;
}

/** Looks at them sorted, as they are kept. */
export function refuseDuplicate(notes: readonly Note[]): Refusal | undefined {
  const twice = notes
    .map(({ key }) => key)
    .sort((a, b) => (a < b ? -1 : 1))
    .find((key, place, keys) => keys[place - 1] === key);
  return twice === undefined ? undefined : { refused: "metadata-duplicate", noteKey: twice };
}

function refuseTime(ledger: Ledger, effective: Time, now: Time): Refusal | undefined {
  if (effective > now + ahead) {
    return { refused: "effective-time-too-late", limitTime: now + ahead };
  }
  if (ledger.closed !== undefined && effective < ledger.closed) {
    return { refused: "period-closed", limitTime: ledger.closed };
  }
  return undefined;
}

function refusePreconditions(
  ledger: Ledger,
  preconditions: readonly Precondition[],
): Refusal | undefined {
  for (const [index, { account: key, balance, available, version }] of preconditions.entries()) {
    const account = accountAt(ledger, key)!;
    const is = (actual: bigint): Refusal => {
      return { refused: "precondition-failed", index, account: key, actual };
    };
    if (!allows(balance, balanceOf(account))) return is(balanceOf(account));
    if (!allows(available, availableOf(account))) return is(availableOf(account));
    const entries = BigInt(account.entries.length);
    if (version !== undefined && version !== entries) return is(entries);
  }
  return undefined;
}

function allows(range: Range | undefined, value: bigint): boolean {
  const { gte, lte, eq } = range ?? {};
  if (gte !== undefined && value < gte) return false;
  if (lte !== undefined && value > lte) return false;
  return eq === undefined || value === eq;
}

/** Of the accounts in the order of the legs: as they would stand after all of them. */
function refuseLimits(ledger: Ledger, { legs, released }: Draft): Refusal | undefined {
  for (const name of new Set(legs.map(({ account }) => nameOf(account)))) {
    const after = { ...ledger.accounts.get(name)! };
    for (const { account, side, amount } of legs) {
      if (nameOf(account) !== name) continue;
      if (side === "debit") after.debits += amount;
      else after.credits += amount;
    }
    if (released && nameOf(released.hold.debit) === name) after.debitsPending -= released.amount;
    if (released && nameOf(released.hold.credit) === name) after.creditsPending -= released.amount;
    const refusal = refuseBroken(after);
    if (refusal) return refusal;
  }
  return undefined;
}

/** An account as it would stand. */
export function refuseBroken(after: Readonly<Account>): Refusal | undefined {
  const { code, asset, limits } = after;
  const account = { code, asset };
  const available = availableOf(after);
  if (limits.floor !== undefined && available < limits.floor) {
    return { refused: "below-floor", account, limit: limits.floor, actual: available };
  }
  const highest = highestOf(after);
  if (limits.ceiling !== undefined && highest > limits.ceiling) {
    return { refused: "above-ceiling", account, limit: limits.ceiling, actual: highest };
  }
  return undefined;
}

/** Writes what was not refused. */
export function post(ledger: Ledger, draft: Draft, { sequence, recorded }: Moment): Transaction {
  const effective = draft.effective ?? recorded;
  for (const { account: key, side, amount } of draft.legs) {
    const account = accountAt(ledger, key)!;
    if (side === "debit") account.debits += amount;
    else account.credits += amount;
    if (side === "debit") ledger.assets.get(key.asset)!.debits += amount;
    account.sequence = sequence;
    const version = BigInt(account.entries.length) + 1n;
    account.entries.push({ sequence, version, side, amount, effective });
  }
  const transaction: Transaction = {
    sequence,
    key: draft.key,
    legs: draft.legs,
    description: draft.description,
    notes: draft.notes,
    effective,
    recorded,
    reverses: draft.reverses,
    reversesLegs: draft.reversesLegs,
    hold: draft.hold && { ...draft.hold },
    suspended: draft.suspended ?? [],
    occurred: draft.occurred,
    releases: draft.releases,
    payment: draft.payment,
    reversed: draft.legs.map(() => 0n),
    reversedBy: undefined,
  };
  ledger.transactions.set(sequence, transaction);
  for (const note of transaction.notes) transactionsWith(ledger, note).push(transaction);
  return transaction;
}

/** Takes the latest transaction back, as if it had never been written. */
export function unpost(ledger: Ledger, { sequence, legs, notes }: Transaction): void {
  for (const { account: key, side, amount } of legs) {
    const account = accountAt(ledger, key)!;
    if (side === "debit") account.debits -= amount;
    else account.credits -= amount;
    if (side === "debit") ledger.assets.get(key.asset)!.debits -= amount;
    account.entries.pop();
    account.sequence = account.entries.at(-1)?.sequence ?? account.openedSequence;
  }
  ledger.transactions.delete(sequence);
  for (const note of notes) transactionsWith(ledger, note).pop();
}
