// Reversals: the opposite of a transaction that stands, or of some of it. Every entry is reversed at
// most as far as it goes, however many reversals share it.

import { type Books, post } from "./books.ts";
import type { Accepted } from "./commands.ts";
import { decidePosting } from "./posting.ts";
import type { Draft, Entry, Note, Reversible, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { findReleased, keepReversed } from "./suspense-books.ts";

/** How much of one of the original's entries. */
export type ReversedPart = { readonly entryIndex: number; readonly amountMinor: bigint };

export type Reversal = {
  readonly kind: "reverse";
  readonly idempotencyKey: string;
  /** Of the transaction to reverse. */
  readonly sequence: bigint;
  readonly description: string;
  /** Each entry at most once; none: all that is left. */
  readonly parts?: readonly ReversedPart[];
  /** Sorted by key. */
  readonly metadata?: readonly Note[];
  /** Undefined: when it is recorded. */
  readonly effectiveTime?: Time | undefined;
};

export function decideReversal(books: Books, reversal: Reversal): Accepted | Refusal {
  const { sequence: original, idempotencyKey, description, parts: asked = [] } = reversal;
  const reversible = books.transactions.get(original);
  if (!reversible) return { reason: "transaction-not-found", sequence: original };

  const left = leftOf(reversible);
  const parts = asked.length > 0 ? asked : left.filter(({ amountMinor }) => amountMinor > 0n);
  const standing = findStanding(reversible, left, parts) ?? findReleased(books, original, parts);
  if (standing) return standing;

  const isWhole = asked.length === 0 && reversible.reversedBy === undefined;
  const entries = parts.map(({ entryIndex, amountMinor }) => {
    return { ...opposite(reversible.entries[entryIndex]!), amountMinor };
  });
  const draft: Draft = {
    idempotencyKey,
    entries,
    description,
    metadata: reversal.metadata ?? [],
    effectiveTime: reversal.effectiveTime,
    reversesSequence: original,
    ...(!isWhole && { reversesEntries: parts.map(({ entryIndex }) => entryIndex) }),
    payment: undefined,
  };
  const refusal = decidePosting(books, draft);
  if (refusal) return refusal;
  const transaction = post(books, draft);
  keepReversed(books, transaction, parts);
  return { sequence: transaction.sequence, touched: entries.map(({ account }) => account) };
}

/** What earlier reversals leave no room for. */
function findStanding(
  { reversedBy }: Reversible,
  left: readonly ReversedPart[],
  parts: readonly ReversedPart[],
): Refusal | undefined {
  const isOver = left.every(({ amountMinor }) => amountMinor === 0n);
  if (isOver && reversedBy !== undefined)
    return { reason: "already-reversed", sequence: reversedBy };
  for (const { entryIndex: index, amountMinor: actualMinor } of parts) {
    // An entry that the original does not have leaves nothing to reverse.
    const limitMinor = left[index]?.amountMinor ?? 0n;
    if (actualMinor > limitMinor) {
      return { reason: "reversal-exceeded", index, limitMinor, actualMinor };
    }
  }
  return undefined;
}

/** What may still be reversed, of every entry in turn. */
function leftOf({ entries, reversedMinor }: Reversible): ReversedPart[] {
  return entries.map(({ amountMinor }, entryIndex) => {
    return { entryIndex, amountMinor: amountMinor - (reversedMinor?.[entryIndex] ?? 0n) };
  });
}

export function opposite({ account, side, amountMinor }: Entry): Entry {
  return { account, side: side === "debit" ? "credit" : "debit", amountMinor };
}
