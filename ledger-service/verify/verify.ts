// Checks a ledger against its own journal: reads every fact from the first, recomputes the hash chain,
// and rebuilds the books from nothing but the facts. What the tables say must be exactly that. It
// reads one snapshot, in order, and keeps accounts, assets and open holds in memory, nothing else.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { JournalRow } from "../journal.ts";
import { readNotePosition } from "../store/notes.ts";
import { type Head, walkJournal } from "./chain.ts";
import { compareCounts } from "./compare-counts.ts";
import { compareLate } from "./compare-late.ts";
import { compareNames } from "./compare-names.ts";
import { compareIndexedNotes, countIndexedNotes } from "./compare-notes.ts";
import { comparePayments } from "./compare-payments.ts";
import { compareReversals } from "./compare-reversals.ts";
import { type Comparison, compareOpened, compareRows, createCounts } from "./compare-rows.ts";
import { compareState } from "./compare-state.ts";
import { compareKeys, compareTransactions } from "./compare-transactions.ts";
import { createFindings, type Divergence } from "./findings.ts";
import { createReplay, type Replay } from "./replay.ts";

const problemsMax = 100;
/** Rows of transactions that are compared at once. */
const entriesMax = 4_000;

/** Everything that is wrong, a sentence each; empty when the books are sound. */
export async function verifyLedger(pool: Pool, ledgerId: string): Promise<string[]> {
  const verified = await verifyBooks(pool, ledgerId, { divergencesMax: problemsMax });
  if (!verified) return [`ledger ${ledgerId} does not exist`];
  return verified.divergences.map(({ problem }) => `ledger ${ledgerId}: ${problem}`);
}

export type Progress = { readonly verifiedSequence: bigint; readonly headSequence: bigint };

export type VerifyOptions = {
  /** It ends when it has found so many, with those of the lowest sequences. */
  readonly divergencesMax: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
};

export type Verified = {
  readonly headSequence: bigint;
  /** Recomputed; empty where the end was not reached. */
  readonly headHash: Uint8Array;
  readonly divergences: readonly Divergence[];
};

/** Undefined: there is no such ledger. */
export async function verifyBooks(
  pool: Pool,
  ledgerId: string,
  options: VerifyOptions,
): Promise<Verified | undefined> {
  return pool.begin("isolation level repeatable read read only", async (tx) => {
    const [head] = await tx<Head[]>`
      select id, ledger_code as "ledgerId", head_sequence as sequence, head_hash as hash
      from ledger where ledger_code = ${ledgerId} and head_sequence > 0
    `;
    return head && verifyHead(tx, head, options);
  });
}

async function verifyHead(tx: Tx, head: Head, options: VerifyOptions): Promise<Verified> {
  const { id, ledgerId, sequence: headSequence } = head;
  const findings = createFindings(options.divergencesMax);
  const replay = createReplay(ledgerId, findings);
  const notesUntil = await readNotePosition(tx, id);
  const comparison: Comparison = { tx, id, findings, counts: createCounts(), notesUntil };
  const verifiedUp = (verifiedSequence: bigint) => {
    options.signal?.throwIfAborted();
    options.onProgress?.({ verifiedSequence, headSequence });
  };
  const walk = walkJournal(tx, head, findings);
  let reached = 0n;
  for (;;) {
    const step = await walk.next();
    if (step.done) {
      const { hash } = step.value;
      if (!findings.enough()) await compareState(comparison, replay.books, step.value);
      if (!findings.enough()) await compareCounts(comparison, reached);
      if (!findings.enough()) await countIndexedNotes(comparison);
      if (!findings.enough()) await compareLate(comparison, replay.books);
      if (!findings.enough()) await compareNames(comparison);
      verifiedUp(reached);
      return { headSequence, headHash: hash, divergences: findings.sorted() };
    }
    const { rows, midBatch } = step.value;
    // What is wrong with the bytes shows in the hash of their batch, which is told first.
    const found = findings.enough();
    if (!found) await compareFacts(comparison, replay, rows);
    reached = rows.at(-1)?.sequence ?? reached;
    if (findings.enough() && !midBatch) {
      return { headSequence, headHash: new Uint8Array(), divergences: findings.sorted() };
    }
    verifiedUp(reached);
  }
}

/** A few at a time where they have very many entries. */
async function compareFacts(
  comparison: Comparison,
  replay: Replay,
  rows: readonly JournalRow[],
): Promise<void> {
  let first = rows[0]?.sequence;
  for (const [place, row] of rows.entries()) {
    replay.apply(row);
    const isLast = place === rows.length - 1;
    if (!isLast && replay.books.expected.entries.length < entriesMax) continue;
    const expected = replay.take();
    const { transactions } = expected;
    const range = { first: first ?? row.sequence, last: row.sequence };
    await compareOpened(comparison, expected.opened);
    // Sent one behind the other without waiting: one round trip.
    await Promise.all([
      compareRows(comparison, expected),
      compareTransactions(comparison, range, transactions).then((paymentSequences) => {
        return comparePayments(comparison, transactions, paymentSequences);
      }),
      compareKeys(comparison, expected),
      compareReversals(comparison, replay.books, transactions),
      compareIndexedNotes(comparison, transactions),
    ]);
    first = row.sequence + 1n;
  }
}
