// Holds in the model: money that is set aside on two accounts until it is captured, given back, or
// its time is over.

import { accountAt, addPending, type Hold, type Ledger, remainingOf } from "./books.ts";
import {
  type CaptureHold,
  type CreateHold,
  type Key,
  nameOf,
  sorted,
  type Time,
} from "./operations.ts";
import {
  type Draft,
  int64Max,
  type Moment,
  refuseBroken,
  refuseDuplicate,
  refuseMissing,
  refuseStopped,
} from "./post.ts";
import type { Refusal } from "./refusals.ts";

/** The database knows no time finer than a microsecond. */
export function wholeMicros(time: Time): Time {
  return time - (((time % 1_000n) + 1_000n) % 1_000n);
}

export function expireTimeOf({ expiration }: CreateHold, now: Time): Time | undefined {
  if (!expiration) return undefined;
  return wholeMicros("at" in expiration ? expiration.at : now + expiration.after);
}

export function refuseHold(ledger: Ledger, asked: CreateHold, now: Time): Refusal | undefined {
  const { debit, credit, amount, tolerance, notes } = asked;
  const sides = [{ account: debit }, { account: credit }];
  const expire = expireTimeOf(asked, now);
  const past: Refusal = { refused: "expire-time-past", limitTime: now };
  return (
    refuseMissing(ledger, sides) ??
    (debit.asset === credit.asset ? undefined : { refused: "asset-mismatch", account: credit }) ??
    refuseStopped(ledger, sides) ??
    refuseRoom(ledger, asked, amount, amount + tolerance) ??
    refuseDuplicate(notes) ??
    (expire !== undefined && expire <= now ? past : undefined) ??
    refuseSettingAside(ledger, asked, amount)
  );
}

export function createHold(
  ledger: Ledger,
  asked: CreateHold,
  { sequence, recorded }: Moment,
): Hold {
  const { debit, credit, amount, tolerance, description } = asked;
  const hold: Hold = {
    sequence,
    debit,
    credit,
    tolerance,
    expire: expireTimeOf(asked, recorded),
    description,
    notes: sorted(asked.notes),
    created: recorded,
    held: amount,
    captured: 0n,
    voided: 0n,
    status: "open",
    changedSequence: sequence,
  };
  ledger.holds.set(sequence, hold);
  if (hold.expire !== undefined) ledger.waiting.add(hold);
  addPending(ledger, hold, amount);
  return hold;
}

/** Undefined: the hold is there, and open. */
export function refuseEnded(ledger: Ledger, sequence: bigint): Refusal | undefined {
  const hold = ledger.holds.get(sequence);
  if (!hold) return { refused: "hold-not-found", sequence };
  if (hold.status === "open") return undefined;
  if (hold.status !== "expired") return { refused: "hold-ended", sequence };
  return { refused: "hold-expired", sequence, limitTime: hold.expire! };
}

export function refuseIncrease(ledger: Ledger, hold: Hold, amount: bigint): Refusal | undefined {
  return (
    refuseStopped(ledger, [{ account: hold.debit }, { account: hold.credit }]) ??
    refuseRoom(ledger, hold, amount, hold.held + amount + hold.tolerance) ??
    refuseSettingAside(ledger, hold, amount)
  );
}

export function increaseHold(ledger: Ledger, hold: Hold, amount: bigint, at: Moment): void {
  hold.held += amount;
  hold.changedSequence = at.sequence;
  addPending(ledger, hold, amount);
}

export function refuseExceeding(hold: Hold, actual: bigint, limit: bigint): Refusal | undefined {
  if (actual <= limit) return undefined;
  return { refused: "hold-exceeded", sequence: hold.sequence, limit, actual };
}

/** The transaction that a capture would be; its hold is the one after it. */
export function draftOfCapture(hold: Hold, asked: CaptureHold, sequence: bigint): Draft {
  const left = remainingOf(hold);
  const amount = asked.amount === 0n ? left : asked.amount;
  const after = { ...hold, captured: hold.captured + amount, changedSequence: sequence };
  if (asked.final || amount >= left) {
    after.status = "captured";
    if (amount < left) after.voided += left - amount;
  }
  return {
    key: asked.key,
    legs: [
      { account: hold.debit, side: "debit", amount },
      { account: hold.credit, side: "credit", amount },
    ],
    description: asked.description,
    notes: sorted(asked.notes),
    effective: asked.effective,
    reverses: 0n,
    reversesLegs: [],
    released: { hold, amount: left - remainingOf(after) },
    hold: after,
  };
}

/** The hold as it is after a capture or a void; what it no longer sets aside is free. */
export function changeHold(ledger: Ledger, hold: Hold, after: Partial<Hold>): void {
  const before = remainingOf(hold);
  Object.assign(hold, after);
  if (hold.status !== "open") ledger.waiting.delete(hold);
  addPending(ledger, hold, remainingOf(hold) - before);
}

export function voidHold(ledger: Ledger, hold: Hold, amount: bigint, at: Moment): void {
  const ended = hold.captured > 0n ? "captured" : "voided";
  changeHold(ledger, hold, {
    voided: hold.voided + amount,
    status: amount === remainingOf(hold) ? ended : "open",
    changedSequence: at.sequence,
  });
}

export function expireHold(ledger: Ledger, hold: Hold, at: Moment): bigint {
  const amount = remainingOf(hold);
  changeHold(ledger, hold, {
    voided: hold.voided + amount,
    status: "expired",
    changedSequence: at.sequence,
  });
  return amount;
}

/** Open holds whose time is over. */
export function dueHolds(ledger: Ledger, now: Time): Hold[] {
  return [...ledger.waiting].filter(({ expire }) => expire! <= now);
}

/** Those of them that stand on one of the accounts. */
export function dueHoldsOn(ledger: Ledger, accounts: readonly Key[], now: Time): Hold[] {
  const names = new Set(accounts.map(nameOf));
  return dueHolds(ledger, now).filter(({ debit, credit }) => {
    return names.has(nameOf(debit)) || names.has(nameOf(credit));
  });
}

/** A hold that was only thought to be over. */
export function bringBack(ledger: Ledger, hold: Hold, before: Readonly<Hold>): void {
  changeHold(ledger, hold, before);
  ledger.waiting.add(hold);
}

type Sides = { readonly debit: Key; readonly credit: Key };

/** What is posted and pending stays within int64, and so does all that may be captured. */
function refuseRoom(
  ledger: Ledger,
  { debit, credit }: Sides,
  amount: bigint,
  whole: bigint,
): Refusal | undefined {
  const paying = accountAt(ledger, debit)!;
  const receiving = accountAt(ledger, credit)!;
  const full = (account: Key): Refusal => {
    return { refused: "amount-out-of-range", account, asset: account.asset };
  };
  if (paying.debits + paying.debitsPending + amount > int64Max) return full(debit);
  if (receiving.credits + receiving.creditsPending + amount > int64Max) return full(credit);
  return whole > int64Max ? full(debit) : undefined;
}

function refuseSettingAside(
  ledger: Ledger,
  { debit, credit }: Sides,
  amount: bigint,
): Refusal | undefined {
  const paying = accountAt(ledger, debit)!;
  const receiving = accountAt(ledger, credit)!;
  return (
    refuseBroken({ ...paying, debitsPending: paying.debitsPending + amount }) ??
    refuseBroken({ ...receiving, creditsPending: receiving.creditsPending + amount })
  );
}
