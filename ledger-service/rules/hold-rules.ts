// Holds: money set aside on two accounts for a transaction that may follow. Refusals come in a fixed
// order, read downwards in each decision: the hold itself, its accounts, the amounts, the request.
// A hold whose time is over is none any more, whether or not that was written down: a batch expires
// what is due before it decides anything.

import assert from "node:assert/strict";
import { accountName, addFact, type Books, nextSequence, post } from "./books.ts";
import type { Accepted } from "./commands.ts";
import { keepHold, remainingMinor } from "./hold-books.ts";
import { findLimitBrokenBy, noChange } from "./limits.ts";
import { decidePosting, findDuplicate, findMissing, findStopped, int64Max } from "./posting.ts";
import type { Account, AccountKey, Entry, Hold, Note, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { isBefore, wholeMicros } from "./time.ts";

type OnHold = {
  readonly idempotencyKey: string;
  readonly holdSequence: bigint;
  readonly description: string;
};

type CreateHold = {
  readonly kind: "create-hold";
  readonly idempotencyKey: string;
  readonly debitAccount: AccountKey;
  readonly creditAccount: AccountKey;
  readonly amountMinor: bigint;
  readonly toleranceMinor: bigint;
  /** Undefined: it never expires. */
  readonly expiration: { readonly at: Time } | { readonly after: Span } | undefined;
  readonly description: string;
  readonly metadata: readonly Note[];
};

type Span = { readonly seconds: bigint; readonly nanos: number };

type IncreaseHold = OnHold & { readonly kind: "increase-hold"; readonly amountMinor: bigint };

type CaptureHold = OnHold & {
  readonly kind: "capture-hold";
  /** Zero: all that is left. */
  readonly amountMinor: bigint;
  readonly final: boolean;
  readonly metadata: readonly Note[];
  readonly effectiveTime: Time | undefined;
};

type VoidHold = OnHold & {
  readonly kind: "void-hold";
  /** Zero: all that is left. */
  readonly amountMinor: bigint;
};

export type HoldCommand = CreateHold | IncreaseHold | CaptureHold | VoidHold;

export function decideHoldCommand(books: Books, command: HoldCommand): Accepted | Refusal {
  if (command.kind === "create-hold") return decideCreate(books, command);
  const hold = books.holds.get(command.holdSequence);
  const refusal = findEnded(hold, command.holdSequence);
  if (refusal) return refusal;
  assert(hold);
  switch (command.kind) {
    case "increase-hold":
      return decideIncrease(books, hold, command);
    case "capture-hold":
      return decideCapture(books, hold, command);
    case "void-hold":
      return decideVoid(books, hold, command);
  }
}

function decideCreate(books: Books, command: CreateHold): Accepted | Refusal {
  const { debitAccount, creditAccount, amountMinor, toleranceMinor, metadata } = command;
  const expireTime = expireTimeOf(command.expiration, books.recordedTime);
  const sides = [{ account: debitAccount }, { account: creditAccount }];
  const refusal =
    findMissing(books, sides) ??
    findMismatch(command) ??
    findStopped(books, sides) ??
    findNoRoom(books, command, { heldMinor: 0n, amountMinor, toleranceMinor }) ??
    findDuplicate(metadata) ??
    findPast(books.recordedTime, expireTime) ??
    findBrokenLimit(books, command, amountMinor);
  if (refusal) return refusal;

  const sequence = nextSequence(books);
  const hold: Hold = {
    holdSequence: sequence,
    debitAccount,
    creditAccount,
    heldMinor: amountMinor,
    capturedMinor: 0n,
    voidedMinor: 0n,
    toleranceMinor,
    status: "open",
    expireTime,
    description: command.description,
    metadata,
    createTime: books.recordedTime,
    sequence,
  };
  keepHold(books, hold);
  const { idempotencyKey } = command;
  addFact(books, { kind: "hold-created", sequence, idempotencyKey, hold });
  return { sequence, touched: [debitAccount, creditAccount] };
}

function decideIncrease(books: Books, hold: Hold, command: IncreaseHold): Accepted | Refusal {
  const { amountMinor, idempotencyKey, description } = command;
  const refusal =
    findStopped(books, sidesOf(hold)) ??
    findNoRoom(books, hold, { ...hold, amountMinor }) ??
    findBrokenLimit(books, hold, amountMinor);
  if (refusal) return refusal;

  const sequence = nextSequence(books);
  const after = { ...hold, heldMinor: hold.heldMinor + amountMinor, sequence };
  keepHold(books, after);
  const fact = { sequence, idempotencyKey, hold: after, amountMinor, description };
  addFact(books, { kind: "hold-increased", ...fact });
  return { sequence, touched: [hold.debitAccount, hold.creditAccount] };
}

/** The transaction and what it does to the hold are one fact. */
function decideCapture(books: Books, hold: Hold, command: CaptureHold): Accepted | Refusal {
  const { idempotencyKey, description, metadata, effectiveTime } = command;
  const left = remainingMinor(hold);
  const amountMinor = command.amountMinor || left;
  const exceeded = findExceeded(hold, amountMinor, left + hold.toleranceMinor);
  if (exceeded) return exceeded;

  const after = afterCapture(hold, amountMinor, command.final);
  const givenBack = left - remainingMinor(after);
  const entries: Entry[] = [
    { account: hold.debitAccount, side: "debit", amountMinor },
    { account: hold.creditAccount, side: "credit", amountMinor },
  ];
  const released = new Map([
    [accountName(hold.debitAccount), { debitsMinor: givenBack, creditsMinor: 0n }],
    [accountName(hold.creditAccount), { debitsMinor: 0n, creditsMinor: givenBack }],
  ]);
  const refusal = decidePosting(books, { entries, metadata, effectiveTime, released });
  if (refusal) return refusal;

  const captured = { ...after, sequence: books.sequence + 1n };
  keepHold(books, captured);
  const { sequence } = post(books, {
    idempotencyKey,
    entries,
    description,
    metadata,
    effectiveTime,
    reversesSequence: 0n,
    payment: undefined,
    hold: captured,
  });
  assert.equal(sequence, captured.sequence);
  return { sequence, touched: [hold.debitAccount, hold.creditAccount] };
}

function afterCapture(hold: Hold, amountMinor: bigint, final: boolean): Hold {
  const left = remainingMinor(hold);
  const unused = final && amountMinor < left ? left - amountMinor : 0n;
  const ends = final || amountMinor >= left;
  return {
    ...hold,
    capturedMinor: hold.capturedMinor + amountMinor,
    voidedMinor: hold.voidedMinor + unused,
    status: ends ? "captured" : "open",
  };
}

function decideVoid(books: Books, hold: Hold, command: VoidHold): Accepted | Refusal {
  const { idempotencyKey, description } = command;
  const left = remainingMinor(hold);
  const amountMinor = command.amountMinor || left;
  const exceeded = findExceeded(hold, amountMinor, left);
  if (exceeded) return exceeded;

  const sequence = nextSequence(books);
  const ended = hold.capturedMinor > 0n ? "captured" : "voided";
  const after: Hold = {
    ...hold,
    voidedMinor: hold.voidedMinor + amountMinor,
    status: amountMinor === left ? ended : "open",
    sequence,
  };
  keepHold(books, after);
  const fact = { sequence, idempotencyKey, hold: after, amountMinor, description };
  addFact(books, { kind: "hold-voided", ...fact });
  return { sequence, touched: [hold.debitAccount, hold.creditAccount] };
}

function findEnded(hold: Hold | undefined, sequence: bigint): Refusal | undefined {
  if (!hold) return { reason: "hold-not-found", sequence };
  const { status, expireTime } = hold;
  if (status === "expired") {
    assert(expireTime, `hold ${sequence} has no time at which it expired`);
    return { reason: "hold-expired", sequence, limitTime: expireTime };
  }
  return status === "open" ? undefined : { reason: "hold-ended", sequence };
}

function findExceeded(hold: Hold, actualMinor: bigint, limitMinor: bigint): Refusal | undefined {
  if (actualMinor <= limitMinor) return undefined;
  return { reason: "hold-exceeded", sequence: hold.holdSequence, limitMinor, actualMinor };
}

type Sides = Pick<Hold, "debitAccount" | "creditAccount">;

function sidesOf({ debitAccount, creditAccount }: Sides): readonly { account: AccountKey }[] {
  return [{ account: debitAccount }, { account: creditAccount }];
}

function findMismatch({ debitAccount, creditAccount }: Sides): Refusal | undefined {
  const matches = debitAccount.assetCode === creditAccount.assetCode;
  return matches ? undefined : { reason: "asset-mismatch", account: creditAccount };
}

/** Undefined: what is posted and pending stays within int64, and so does what may be captured. */
function findNoRoom(
  books: Books,
  { debitAccount, creditAccount }: Sides,
  amounts: Pick<Hold, "heldMinor" | "toleranceMinor"> & { readonly amountMinor: bigint },
): Refusal | undefined {
  const { heldMinor, toleranceMinor, amountMinor } = amounts;
  const debit = accountOf(books, debitAccount);
  const credit = accountOf(books, creditAccount);
  const full = (account: AccountKey): Refusal => {
    return { reason: "amount-out-of-range", account, assetCode: account.assetCode };
  };
  const debits = debit.debitsMinor + debit.debitsPendingMinor + amountMinor;
  if (debits > int64Max) return full(debitAccount);
  const credits = credit.creditsMinor + credit.creditsPendingMinor + amountMinor;
  if (credits > int64Max) return full(creditAccount);
  return heldMinor + amountMinor + toleranceMinor > int64Max ? full(debitAccount) : undefined;
}

/** `limitTime` is the moment that it would not outlive. */
function findPast(recordedTime: Time, expireTime: Time | undefined): Refusal | undefined {
  if (!expireTime || isBefore(recordedTime, expireTime)) return undefined;
  return { reason: "expire-time-past", limitTime: recordedTime };
}

/** The first limit, debit account first, that does not allow what would be pending. */
function findBrokenLimit(
  books: Books,
  { debitAccount, creditAccount }: Sides,
  amountMinor: bigint,
): Refusal | undefined {
  const debit = { ...noChange, debitsPendingMinor: amountMinor };
  const credit = { ...noChange, creditsPendingMinor: amountMinor };
  return (
    findLimitBrokenBy(accountOf(books, debitAccount), debit) ??
    findLimitBrokenBy(accountOf(books, creditAccount), credit)
  );
}

function accountOf(books: Books, key: AccountKey): Account {
  const account = books.accounts.get(accountName(key));
  assert(account, `account ${accountName(key)} is not open`);
  return account;
}

/** In whole microseconds, as the database keeps it: what is due there is due here. */
function expireTimeOf(expiration: CreateHold["expiration"], recordedTime: Time): Time | undefined {
  if (!expiration) return undefined;
  if ("at" in expiration) return wholeMicros(expiration.at);
  const nanos = recordedTime.nanos + expiration.after.nanos;
  const carried = nanos >= 1_000_000_000;
  return wholeMicros({
    seconds: recordedTime.seconds + expiration.after.seconds + (carried ? 1n : 0n),
    nanos: carried ? nanos - 1_000_000_000 : nanos,
  });
}
