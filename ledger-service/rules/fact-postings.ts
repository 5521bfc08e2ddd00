// How a provider's fact is posted. It has happened already, so what the posting rules would refuse a
// caller is written elsewhere: an entry on an account that takes none, or whose limit it would break,
// goes to suspense, same side and same amount; what occurred in a closed period counts from its end
// on, and there the entries on income and expenses, which would change another period's result, go
// to suspense, too.

import assert from "node:assert/strict";
import { accountName, type Books } from "./books.ts";
import { chart, chartKind } from "./chart.ts";
import { findBrokenLimit, isLimited } from "./limits.ts";
import type { Posting } from "./payment-facts.ts";
import { findOutOfRange, findWrongTime } from "./posting.ts";
import type { Draft, Entry, Note, SuspendedEntry, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type Circumstances = { readonly occurredTime: Time; readonly metadata: readonly Note[] };

type PlanningBooks = Pick<Books, "assets" | "accounts" | "recordedTime" | "closedTime">;

/** A refusal: a total would leave int64, whatever the account. */
export function planPostings(
  books: PlanningBooks,
  postings: readonly Posting[],
  { occurredTime, metadata }: Circumstances,
): { readonly drafts: readonly Draft[] } | Refusal {
  const { effectiveTime, isLate } = placeInTime(books, occurredTime);
  const drafts: Draft[] = [];
  const written: Entry[] = [];
  for (const posting of postings) {
    const { entries, suspended } = divert(books, posting.entries, { before: written, isLate });
    written.push(...entries);
    drafts.push({
      idempotencyKey: posting.key,
      entries,
      description: posting.description,
      metadata,
      effectiveTime,
      reversesSequence: 0n,
      payment: posting.payment,
      ...(suspended.length > 0 && { suspended }),
      ...(effectiveTime !== occurredTime && { occurredTime }),
    });
  }
  return findOutOfRange(books, written) ?? { drafts };
}

/** A time too far ahead is the provider's mistake: the fact counts when it is recorded. */
function placeInTime(books: PlanningBooks, occurredTime: Time) {
  const wrong = findWrongTime(books, occurredTime);
  if (wrong?.reason === "period-closed") return { effectiveTime: wrong.limitTime, isLate: true };
  return { effectiveTime: wrong ? books.recordedTime : occurredTime, isLate: false };
}

type Diverted = {
  readonly entries: readonly Entry[];
  readonly suspended: readonly SuspendedEntry[];
};

function divert(
  books: PlanningBooks,
  entries: readonly Entry[],
  { before, isLate }: { before: readonly Entry[]; isLate: boolean },
): Diverted {
  if (!isLate && entries.every((entry) => isUnbounded(books, entry))) {
    return { entries, suspended: [] };
  }
  const reasons = new Map<Entry, SuspendedEntry["reason"]>();
  for (const entry of entries) {
    const reason = reasonOf(books, entry, isLate);
    if (reason) reasons.set(entry, reason);
  }
  // What leaves an account may let another entry break a limit, so it is asked until none does.
  for (;;) {
    const placed = entries.map((entry) => (reasons.has(entry) ? inSuspense(entry) : entry));
    const broken = findBrokenLimit(books.accounts, { entries: [...before, ...placed] });
    if (!broken) return { entries: placed, suspended: suspendedOf(entries, reasons) };
    assert("account" in broken && broken.account, "an account's limit is broken");
    const name = accountName(broken.account);
    const breaking = entries.filter((entry) => {
      return accountName(entry.account) === name && !reasons.has(entry);
    });
    assert(breaking.length > 0, `the limits of ${name} were broken before`);
    for (const entry of breaking) reasons.set(entry, broken.reason);
  }
}

/** The usual account: it is open, and nothing bounds it. */
function isUnbounded({ accounts }: PlanningBooks, entry: Entry): boolean {
  const account = accounts.get(accountName(entry.account));
  return account === undefined || (account.status === "open" && !isLimited(account));
}

function reasonOf(
  { accounts }: PlanningBooks,
  { account: key }: Entry,
  isLate: boolean,
): SuspendedEntry["reason"] | undefined {
  const account = accounts.get(accountName(key));
  if (account?.status === "frozen") return "account-frozen";
  if (account?.status === "closed") return "account-closed";
  const kind = account?.kind ?? chartKind(key.accountCode);
  return isLate && (kind === "income" || kind === "expense") ? "period-closed" : undefined;
}

function inSuspense({ account, side, amountMinor }: Entry): Entry {
  const { assetCode } = account;
  return { account: { accountCode: chart.suspense, assetCode }, side, amountMinor };
}

function suspendedOf(
  entries: readonly Entry[],
  reasons: ReadonlyMap<Entry, SuspendedEntry["reason"]>,
): SuspendedEntry[] {
  return entries.flatMap((entry, entryIndex) => {
    const reason = reasons.get(entry);
    return reason ? [{ entryIndex, account: entry.account, reason }] : [];
  });
}
