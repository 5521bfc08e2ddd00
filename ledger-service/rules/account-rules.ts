// What becomes of an account after it was opened: its notes, its limits, and whether it takes
// entries. Each change is one fact with the whole account in it. Refusals come in a fixed order:
// there is no such account, it was changed since, it is closed, it is reserved, then what stands
// against the change itself.

import assert from "node:assert/strict";
import { accountName, addFact, type Books, nextSequence } from "./books.ts";
import { chart } from "./chart.ts";
import type { Accepted, CreateAccount } from "./commands.ts";
import { availableMinor, balanceMinor, highestMinor } from "./limits.ts";
import { findDuplicate } from "./posting.ts";
import type { Account, AccountKey, Limits, Note } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type AccountUpdate = {
  readonly kind: "update-account";
  readonly idempotencyKey: string;
  readonly account: AccountKey;
  readonly change:
    | { readonly what: "metadata"; readonly metadata: readonly Note[] }
    | { readonly what: "limits"; readonly limits: Limits }
    | { readonly what: "freeze" | "unfreeze" | "close" };
  /** Zero: whatever it is. */
  readonly expectedChangedSequence: bigint;
  readonly description: string;
};

/** Undefined: an account may be opened with these limits and notes. */
export function findBadAccount(command: CreateAccount): Refusal | undefined {
  const { account, limits, metadata } = command;
  const limited = limits.floorMinor !== undefined || limits.ceilingMinor !== undefined;
  if (limited && isReserved(account)) return { reason: "account-reserved", account };
  const empty = { available: 0n, highest: 0n };
  return findDuplicate(metadata) ?? findBadLimits(account, limits, empty);
}

export function decideAccountUpdate(books: Books, update: AccountUpdate): Accepted | Refusal {
  const { account: key, change, idempotencyKey, description } = update;
  const account = books.accounts.get(accountName(key));
  if (!account) return { reason: "account-not-found", account: key };
  const refusal = findBadUpdate(account, update);
  if (refusal) return refusal;

  const sequence = nextSequence(books);
  account.changedSequence = sequence;
  books.written.changed.add(account);
  switch (change.what) {
    case "metadata":
      account.metadata = change.metadata;
      books.written.noted.add(account);
      break;
    case "limits":
      account.limits = change.limits;
      break;
    default:
      account.status = statusAfter[change.what];
  }
  assert(account.metadata, `the notes of ${accountName(key)} were read`);
  const written = { ...account };
  addFact(books, {
    kind: "account-updated",
    sequence,
    idempotencyKey,
    account: written,
    description,
  });
  return { sequence, touched: [key] };
}

const statusAfter = { freeze: "frozen", unfreeze: "open", close: "closed" } as const;

function findBadUpdate(account: Readonly<Account>, update: AccountUpdate): Refusal | undefined {
  const { account: key, change, expectedChangedSequence } = update;
  const { status, changedSequence, debitsPendingMinor, creditsPendingMinor } = account;
  if (expectedChangedSequence !== 0n && expectedChangedSequence !== changedSequence) {
    return { reason: "account-changed", account: key, sequence: changedSequence };
  }
  if (status === "closed") return { reason: "account-closed", account: key };
  if (isReserved(key) && change.what !== "metadata") {
    return { reason: "account-reserved", account: key };
  }
  switch (change.what) {
    case "metadata":
      return findDuplicate(change.metadata);
    case "limits": {
      const available = availableMinor(account);
      const now = { available, highest: highestMinor(account) };
      return findBadLimits(key, change.limits, now);
    }
    case "freeze":
      return status === "frozen" ? { reason: "account-frozen", account: key } : undefined;
    case "unfreeze":
      return status === "frozen" ? undefined : { reason: "account-not-frozen", account: key };
    case "close": {
      const actualMinor = balanceMinor(account.kind, account.debitsMinor, account.creditsMinor);
      const held = debitsPendingMinor > 0n || creditsPendingMinor > 0n;
      if (actualMinor === 0n && !held) return undefined;
      return { reason: "account-not-empty", account: key, actualMinor };
    }
  }
}

/** What fits nowhere else must have a place to go. */
function isReserved({ accountCode }: AccountKey): boolean {
  return accountCode === chart.suspense;
}

/**
 * Limits that are broken already would never be told from those that hold. A floor above a ceiling
 * is broken by every balance, hence here, too.
 */
function findBadLimits(
  account: AccountKey,
  { floorMinor, ceilingMinor }: Limits,
  now: { available: bigint; highest: bigint },
): Refusal | undefined {
  const broken = (limitMinor: bigint, actualMinor: bigint): Refusal => {
    return { reason: "limits-violated", account, limitMinor, actualMinor };
  };
  if (floorMinor !== undefined && now.available < floorMinor) {
    return broken(floorMinor, now.available);
  }
  if (ceilingMinor !== undefined && now.highest > ceilingMinor) {
    return broken(ceilingMinor, now.highest);
  }
  return undefined;
}
