// A batch: the one way in which anything is written to the books. Lock the heads of its ledgers →
// read → decide, one item after the other, in memory → write once. Requests of callers and events
// of providers both pass here, within a SQL transaction that the caller commits.

import { setImmediate as nextTurn } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import type { Tx } from "#mesh/database/pool.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import { encodeFact, type JournalRow } from "./journal.ts";
import { type Books, createBooks } from "./rules/books.ts";
import { expireDueHolds } from "./rules/hold-books.ts";
import { type Head, insertHeads, lockHeads, readHeads } from "./store/heads.ts";
import { createNeeds, type LoadedBooks, loadBooks, type Needs } from "./store/load.ts";
import { loadDueHolds } from "./store/load-holds.ts";
import { sendBooks, writeBooks } from "./store/write.ts";

export type BatchNeeds = Map<string, Needs>;

/** What a batch may ask of one ledger; everything it will look at must be named before. */
export function needsOf(needs: BatchNeeds, ledgerId: string): Needs {
  const known = needs.get(ledgerId);
  if (known) return known;
  const created = createNeeds();
  needs.set(ledgerId, created);
  return created;
}

export type BatchOptions<T> = {
  readonly needs: BatchNeeds;
  /** Ledgers that may come into being; the others of the batch are there or are not. */
  readonly creating: readonly string[];
  /** Decides on the books as the SQL transaction sees them: locks nothing, writes nothing. */
  readonly simulating?: boolean;
  /** For tests. */
  readonly dueHoldsMax?: number;
  readonly decide: Decide<T>;
};

/** Changes the books in memory. A ledger that does not exist has books of sequence zero. */
export type Decide<T> = (booksOf: (ledgerId: string) => Books) => T;

export type Batch<T> = {
  readonly decided: T;
  /** Facts that were written, and those behind the keys that were used before. */
  readonly journalOf: (ledgerId: string) => ReadonlyMap<bigint, JournalRow>;
};

export async function runBatch<T>(tx: Tx, options: BatchOptions<T>): Promise<Batch<T>> {
  const { decide, simulating = false } = options;
  if (simulating) return simulate(tx, options);
  const { decided, journalOf } = await runBatches(tx, { ...options, parts: [decide] });
  return { decided: decided[0]!, journalOf };
}

async function simulate<T>(tx: Tx, options: BatchOptions<T>): Promise<Batch<T>> {
  const loaded = await loadCurrent(tx, options);
  const decided = options.decide(booksIn(loaded));
  for (const books of loaded) showFacts(books);
  return { decided, journalOf: journalIn(loaded) };
}

/** Enough to be worth a statement, few enough that this process and the database both have work. */
export const batchSize = 250;

export type BatchesOptions<T> = Omit<BatchOptions<T>, "decide" | "simulating"> & {
  readonly parts: readonly Decide<T>[];
};

/**
 * Several batches in one SQL transaction, a link of the hash chain each: while the database writes
 * one of them, the next is decided and encoded here. All of them read what any of them needs.
 */
export async function runBatches<T>(
  tx: Tx,
  { parts, ...options }: BatchesOptions<T>,
): Promise<Batch<readonly T[]>> {
  // Each batch is a microsecond later than the one before it.
  let loaded = await loadCurrent(tx, options, parts.length);
  const journalOf = journalIn(loaded);
  const decided: T[] = [];
  const writing: Promise<void>[] = [];
  try {
    for (const decide of parts) {
      for (const { books } of loaded) expireDueHolds(books);
      decided.push(decide(booksIn(loaded)));
      const { written, next } = await sendBooks(tx, loaded);
      loaded = next;
      writing.push(written);
      // Should a later one throw, it may be before anybody waits for this one.
      written.catch(() => {});
      // What is sent leaves this process only when it comes to rest.
      if (writing.length < parts.length) await nextTurn();
    }
  } catch (error) {
    // Whoever comes after a statement that failed is only told that one has.
    await Promise.all(writing);
    throw error;
  }
  await Promise.all(writing);
  return { decided, journalOf };
}

function booksIn(loaded: readonly LoadedBooks[]): (ledgerId: string) => Books {
  const known = new Map(loaded.map(({ head, books }) => [head.ledgerId, books]));
  return (ledgerId) => known.get(ledgerId) ?? createBooks(ledgerId, 0n, { seconds: 0n, nanos: 0 });
}

function journalIn(loaded: readonly LoadedBooks[]): Batch<unknown>["journalOf"] {
  const known = new Map(loaded.map(({ head, journal }) => [head.ledgerId, journal]));
  return (ledgerId) => known.get(ledgerId) ?? new Map();
}

/** Holds that a batch expires at once; more are written down before, so many at a time. */
const dueHoldsMaxUsual = 5_000;

/** Books in which nothing is due: holds whose time is over have ended before all else. */
async function loadCurrent(
  tx: Tx,
  {
    needs,
    creating,
    simulating,
    dueHoldsMax = dueHoldsMaxUsual,
  }: Omit<BatchOptions<unknown>, "decide">,
  batches = 1,
): Promise<readonly LoadedBooks[]> {
  const ledgerIds = [...needs.keys()];
  for (;;) {
    const heads = simulating
      ? await readHeads(tx, ledgerIds)
      : await lockOrCreate(tx, ledgerIds, creating);
    if (heads.length === 0) return [];
    const ordered = heads.map(({ ledgerId }) => needsOf(needs, ledgerId));
    const loaded = await loadBooks(tx, heads, ordered);
    const more = await loadDueHolds(tx, loaded, { holdsMax: dueHoldsMax, batches });
    for (const { books } of loaded) expireDueHolds(books);
    if (!more) return loaded;
    if (simulating) {
      throw refuse(Code.Unavailable, "expired holds are still being written down, try again");
    }
    await writeBooks(tx, loaded);
  }
}

/** Facts as they would be written. */
function showFacts({ books, journal }: LoadedBooks): void {
  for (const fact of books.written.facts) journal.set(fact.sequence, encodeFact(books, fact));
}

async function lockOrCreate(
  tx: Tx,
  ledgerIds: readonly string[],
  creating: readonly string[],
): Promise<Head[]> {
  const heads = await lockHeads(tx, ledgerIds);
  const found = new Set(heads.map(({ ledgerId }) => ledgerId));
  const missing = creating.filter((ledgerId) => !found.has(ledgerId));
  if (missing.length === 0) return heads;
  // Two batches that create ledgers of each other's may collide here; then one of them runs again.
  await insertHeads(tx, missing);
  return [...heads, ...(await lockHeads(tx, missing))];
}
