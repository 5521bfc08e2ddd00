// Suspense in the books: which entries of providers' facts stand there, and what took them away. An
// entry leaves by a release, or by reversals of the transaction that put it there, whichever takes
// the last of it; then it is over.

import assert from "node:assert/strict";
import { type Books, entryName } from "./books.ts";
import type { SuspenseItem, Transaction } from "./records.ts";
import type { Refusal } from "./refusals.ts";

/** Notes the entries of a transaction, just posted, that stand in suspense. */
export function keepSuspended(books: Books, transaction: Transaction): void {
  const { sequence, entries, suspended = [] } = transaction;
  for (const { entryIndex, account, reason } of suspended) {
    const { side, amountMinor } = entries[entryIndex] ?? {};
    assert(side && amountMinor, `transaction ${sequence} has no entry ${entryIndex}`);
    const item: SuspenseItem = {
      sequence,
      entryIndex,
      account,
      side,
      amountMinor,
      reason,
      version: versionOf(books, transaction, entryIndex),
      releasedSequence: undefined,
      releasedVersion: undefined,
    };
    keepItem(books, item);
  }
}

/** What took the last of it from suspense: an entry of the transaction that was posted last. */
export function keepReleased(
  books: Books,
  item: SuspenseItem,
  { transaction, entryIndex }: { transaction: Transaction; entryIndex: number },
): void {
  const releasedVersion = versionOf(books, transaction, entryIndex);
  keepItem(books, { ...item, releasedSequence: transaction.sequence, releasedVersion });
}

/** How much of it reversals took from suspense. */
export function reversedMinorOf(books: Books, { sequence, entryIndex }: SuspenseItem): bigint {
  const original = books.transactions.get(sequence);
  assert(original, `transaction ${sequence} was not read`);
  return original.reversedMinor?.[entryIndex] ?? 0n;
}

/** Entries that were released stand elsewhere: they are reversed there. */
export function findReleased(
  books: Books,
  sequence: bigint,
  parts: readonly { readonly entryIndex: number }[],
): Refusal | undefined {
  for (const { entryIndex } of parts) {
    const item = books.suspense.get(entryName({ sequence, entryIndex }));
    if (item?.releasedSequence === undefined) continue;
    return { reason: "suspense-released", sequence: item.releasedSequence };
  }
  return undefined;
}

/** Notes the entries in suspense that a reversal, just posted, took the last of. */
export function keepReversed(
  books: Books,
  reversal: Transaction,
  parts: readonly { readonly entryIndex: number }[],
): void {
  for (const [place, { entryIndex }] of parts.entries()) {
    const name = entryName({ sequence: reversal.reversesSequence, entryIndex });
    const item = books.suspense.get(name);
    if (!item || reversedMinorOf(books, item) < item.amountMinor) continue;
    keepReleased(books, item, { transaction: reversal, entryIndex: place });
  }
}

function keepItem(books: Books, item: SuspenseItem): void {
  const name = entryName(item);
  books.suspense.set(name, item);
  books.written.suspense.add(name);
}

/** Of an entry of the transaction that was posted last. */
function versionOf(books: Books, { sequence, entries }: Transaction, entryIndex: number): bigint {
  const written = books.written.entries.at(entryIndex - entries.length);
  assert(written?.sequence === sequence, `transaction ${sequence} is not the latest`);
  return written.version;
}
