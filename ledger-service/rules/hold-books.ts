// Holds in the books: what they set aside is pending on their accounts, never more and never less.

import assert from "node:assert/strict";
import { accountName, addFact, type Books, nextSequence } from "./books.ts";
import type { AccountKey, Hold } from "./records.ts";
import { isBefore } from "./time.ts";

/** What is still set aside. Captures may exceed what was held, by the tolerance. */
export function remainingMinor({ status, heldMinor, capturedMinor, voidedMinor }: Hold): bigint {
  const left = heldMinor - capturedMinor - voidedMinor;
  return status === "open" && left > 0n ? left : 0n;
}

/** The hold as it is now. What it sets aside more, or less, than before becomes pending, or free. */
export function keepHold(books: Books, hold: Hold): void {
  const before = books.holds.get(hold.holdSequence);
  const stepMinor = remainingMinor(hold) - (before ? remainingMinor(before) : 0n);
  const debit = accountOf(books, hold.debitAccount);
  const credit = accountOf(books, hold.creditAccount);
  debit.debitsPendingMinor += stepMinor;
  credit.creditsPendingMinor += stepMinor;
  assert(debit.debitsPendingMinor >= 0n && credit.creditsPendingMinor >= 0n);
  books.written.changed.add(debit).add(credit);
  books.holds.set(hold.holdSequence, hold);
  books.written.holds.add(hold.holdSequence);
}

export function isDue({ status, expireTime }: Hold, { recordedTime }: Books): boolean {
  return status === "open" && expireTime !== undefined && !isBefore(recordedTime, expireTime);
}

/**
 * Ends every hold that was read and whose time is over: comes before anything is decided. Answers
 * how many there were.
 */
export function expireDueHolds(books: Books): number {
  const due = [...books.holds.values()].filter((hold) => isDue(hold, books)).sort(byTime);
  for (const hold of due) expireHold(books, hold);
  return due.length;
}

function byTime(a: Hold, b: Hold): number {
  assert(a.expireTime && b.expireTime);
  if (isBefore(a.expireTime, b.expireTime)) return -1;
  if (isBefore(b.expireTime, a.expireTime)) return 1;
  return a.holdSequence < b.holdSequence ? -1 : 1;
}

function expireHold(books: Books, hold: Hold): void {
  const amountMinor = remainingMinor(hold);
  const sequence = nextSequence(books);
  const voidedMinor = hold.voidedMinor + amountMinor;
  const expired: Hold = { ...hold, voidedMinor, status: "expired", sequence };
  keepHold(books, expired);
  addFact(books, { kind: "hold-expired", sequence, hold: expired, amountMinor });
}

function accountOf(books: Books, key: AccountKey) {
  const account = books.accounts.get(accountName(key));
  assert(account, `account ${accountName(key)} of a hold was not read`);
  return account;
}
