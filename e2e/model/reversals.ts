// Reversals in the model: the opposite of a transaction, or of what is left of it, or of a part.

import type { Ledger, Transaction } from "./books.ts";
import { type Reverse, sorted } from "./operations.ts";
import type { Draft } from "./post.ts";
import type { Refusal } from "./refusals.ts";

type Part = { readonly index: number; readonly amount: bigint };

export function draftOfReversal(ledger: Ledger, asked: Reverse): Draft | Refusal {
  const original = ledger.transactions.get(asked.sequence);
  if (!original) return { refused: "transaction-not-found", sequence: asked.sequence };
  const left = leftOf(original);
  if (original.reversedBy !== undefined && left.every((amount) => amount === 0n)) {
    return { refused: "already-reversed", sequence: original.reversedBy };
  }
  for (const { index, amount: actual } of asked.parts) {
    const limit = left[index] ?? 0n;
    if (actual > limit) return { refused: "reversal-exceeded", index, limit, actual };
  }

  const rest = left.flatMap((amount, index): Part[] => (amount > 0n ? [{ index, amount }] : []));
  const parts = asked.parts.length > 0 ? asked.parts : rest;
  // An entry that was released from suspense stands elsewhere.
  for (const { index } of parts) {
    const released = original.suspended.find((one) => one.index === index)?.released;
    if (released !== undefined) return { refused: "suspense-released", sequence: released };
  }
  const isWhole = asked.parts.length === 0 && original.reversedBy === undefined;
  return {
    key: asked.key,
    legs: parts.map(({ index, amount }) => {
      const { account, side } = original.legs[index]!;
      return { account, side: side === "debit" ? "credit" : "debit", amount };
    }),
    description: asked.description,
    notes: sorted(asked.notes),
    effective: asked.effective,
    reverses: asked.sequence,
    reversesLegs: isWhole ? [] : parts.map(({ index }) => index),
  };
}

/** The original is reversed by what was just posted. */
export function keepReversal(
  ledger: Ledger,
  { sequence, reverses, reversesLegs, legs }: Transaction,
) {
  const original = ledger.transactions.get(reverses)!;
  original.reversedBy = sequence;
  for (const [place, { amount }] of legs.entries()) {
    const index = reversesLegs[place] ?? place;
    original.reversed[index] = original.reversed[index]! + amount;
    // What took the last of it from suspense has ended it.
    const item = original.suspended.find((one) => one.index === index);
    if (item && original.reversed[index] === original.legs[index]!.amount) item.released = sequence;
  }
}

function leftOf({ legs, reversed }: Transaction): bigint[] {
  return legs.map(({ amount }, place) => amount - reversed[place]!);
}
