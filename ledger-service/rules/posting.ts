// The posting rules: may these entries be written to these books? Refusals come in a fixed order,
// read downwards in `decidePosting`. Pure, so that every rule can be read and tested here.

import assert from "node:assert/strict";
import { accountName } from "./books.ts";
import { findBrokenLimit } from "./limits.ts";
import { findFailedPrecondition, findUnknownAccount, type Precondition } from "./preconditions.ts";
import type { Account, Asset, Entry, Note, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { isBefore } from "./time.ts";

export const int64Max = 2n ** 63n - 1n;

export type PostingBooks = {
  readonly assets: ReadonlyMap<string, Readonly<Asset>>;
  readonly accounts: ReadonlyMap<string, Readonly<Account>>;
  readonly recordedTime: Time;
  readonly closedTime: Time | undefined;
};

export type Posting = {
  readonly entries: readonly Entry[];
  readonly metadata: readonly Note[];
  /** Undefined: when it is recorded. */
  readonly effectiveTime: Time | undefined;
  /** What a capture gives back of the pending amounts, by account name. */
  readonly released?: ReadonlyMap<string, { debitsMinor: bigint; creditsMinor: bigint }>;
  readonly preconditions?: readonly Precondition[];
};

/** Undefined: the entries may be posted. */
export function decidePosting(books: PostingBooks, posting: Posting): Refusal | undefined {
  const { entries, metadata, effectiveTime, preconditions = [] } = posting;
  assert(entries.length > 0);
  for (const entry of entries) assert(entry.amountMinor > 0n && entry.amountMinor <= int64Max);
  return (
    findMissing(books, entries) ??
    findUnknownAccount(books.accounts, preconditions) ??
    findStopped(books, entries) ??
    findUnbalanced(entries) ??
    findOutOfRange(books, entries, posting.released) ??
    findDuplicate(metadata) ??
    findWrongTime(books, effectiveTime) ??
    findFailedPrecondition(books.accounts, preconditions) ??
    findBrokenLimit(books.accounts, posting)
  );
}

/** Effective times further ahead than this are taken for mistakes. */
const aheadSecondsMax = 5n * 366n * 86_400n;

/** Undefined: entries may count at that time. */
export function findWrongTime(
  { recordedTime, closedTime }: Pick<PostingBooks, "recordedTime" | "closedTime">,
  effectiveTime: Time | undefined,
): Refusal | undefined {
  const time = effectiveTime ?? recordedTime;
  const limitTime = { ...recordedTime, seconds: recordedTime.seconds + aheadSecondsMax };
  if (isBefore(limitTime, time)) return { reason: "effective-time-too-late", limitTime };
  if (closedTime && isBefore(time, closedTime)) {
    return { reason: "period-closed", limitTime: closedTime };
  }
  return undefined;
}

/** The first account, in the order of the entries, that takes no entries. */
export function findStopped(
  books: Pick<PostingBooks, "accounts">,
  entries: readonly { readonly account: Entry["account"] }[],
): Refusal | undefined {
  for (const { account } of entries) {
    const status = books.accounts.get(accountName(account))?.status;
    if (status === "frozen") return { reason: "account-frozen", account };
    if (status === "closed") return { reason: "account-closed", account };
  }
  return undefined;
}

/**
 * Undefined: every total stays within int64, with what is pending. Accounts that are not open yet
 * count as empty.
 */
export function findOutOfRange(
  books: Pick<PostingBooks, "assets" | "accounts">,
  entries: readonly Entry[],
  released: Posting["released"] = new Map(),
): Refusal | undefined {
  const totals = new Map<string, bigint>();
  for (const { account: key, side, amountMinor } of entries) {
    const column = `${accountName(key)} ${side}`;
    const account = books.accounts.get(accountName(key));
    const before = account ? columnOf(account, side) - givenBack(released, account, side) : 0n;
    const after = (totals.get(column) ?? before) + amountMinor;
    totals.set(column, after);
    const { assetCode } = key;
    if (after > int64Max) return { reason: "amount-out-of-range", account: key, assetCode };

    if (side === "credit") continue;
    const posted = books.assets.get(assetCode)?.postedMinor ?? 0n;
    const postedAfter = (totals.get(assetCode) ?? posted) + amountMinor;
    totals.set(assetCode, postedAfter);
    if (postedAfter > int64Max) {
      return { reason: "amount-out-of-range", account: undefined, assetCode };
    }
  }
  return undefined;
}

function columnOf(account: Readonly<Account>, side: Entry["side"]): bigint {
  return side === "debit"
    ? account.debitsMinor + account.debitsPendingMinor
    : account.creditsMinor + account.creditsPendingMinor;
}

function givenBack(
  released: NonNullable<Posting["released"]>,
  account: Readonly<Account>,
  side: Entry["side"],
): bigint {
  const part = released.get(accountName(account));
  return (side === "debit" ? part?.debitsMinor : part?.creditsMinor) ?? 0n;
}

export function findMissing(
  books: Pick<PostingBooks, "assets" | "accounts">,
  entries: readonly { readonly account: Entry["account"] }[],
): Refusal | undefined {
  for (const { account } of entries) {
    const { assetCode } = account;
    if (!books.assets.has(assetCode)) return { reason: "asset-not-found", assetCode };
  }
  for (const { account } of entries) {
    if (!books.accounts.has(accountName(account))) return { reason: "account-not-found", account };
  }
  return undefined;
}

/** The first asset, in the order of the entries, whose debits and credits differ. */
function findUnbalanced(entries: readonly Entry[]): Refusal | undefined {
  const totals = new Map<string, { debitsMinor: bigint; creditsMinor: bigint }>();
  for (const { account, side, amountMinor } of entries) {
    const total = totals.get(account.assetCode) ?? { debitsMinor: 0n, creditsMinor: 0n };
    if (side === "debit") total.debitsMinor += amountMinor;
    else total.creditsMinor += amountMinor;
    totals.set(account.assetCode, total);
  }
  for (const [assetCode, total] of totals) {
    if (total.debitsMinor !== total.creditsMinor)
      return { reason: "unbalanced", assetCode, ...total };
  }
  return undefined;
}

export function findDuplicate(metadata: readonly Note[]): Refusal | undefined {
  const keys = new Set<string>();
  for (const { key } of metadata) {
    if (keys.has(key)) return { reason: "metadata-duplicate", key };
    keys.add(key);
  }
  return undefined;
}
