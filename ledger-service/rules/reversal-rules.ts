// Reversals: the opposite of a transaction that stands, once.

import { type Books, post } from "./books.ts";
import type { Accepted } from "./commands.ts";
import { decidePosting } from "./posting.ts";
import type { Draft, Entry } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type Reversal = {
  readonly kind: "reverse";
  readonly idempotencyKey: string;
  /** Of the transaction to reverse. */
  readonly sequence: bigint;
  readonly description: string;
};

export function decideReversal(books: Books, reversal: Reversal): Accepted | Refusal {
  const { sequence: original, idempotencyKey, description } = reversal;
  const reversible = books.transactions.get(original);
  if (!reversible) return { reason: "transaction-not-found", sequence: original };

  const entries = reversible.entries.map(opposite);
  const draft: Draft = {
    idempotencyKey,
    entries,
    description,
    metadata: [],
    effectiveTime: undefined,
    reversesSequence: original,
    payment: undefined,
  };
  const refusal = decidePosting(books, draft);
  if (refusal) return refusal;
  if (reversible.reversedBy !== undefined) {
    return { reason: "already-reversed", sequence: reversible.reversedBy };
  }
  const { sequence } = post(books, draft);
  return { sequence, touched: entries.map(({ account }) => account) };
}

export function opposite({ account, side, amountMinor }: Entry): Entry {
  return { account, side: side === "debit" ? "credit" : "debit", amountMinor };
}
