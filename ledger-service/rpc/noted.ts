// Transactions by their notes: from the index as far as it goes, then from the journal, so that a
// transaction is found as soon as it is posted. A page that took too much looking is a short one.

import type { Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { sortedNotes } from "../digest.ts";
import { decodeTransaction } from "../journal.ts";
import type { Note } from "../rules/records.ts";
import { findNoted, listIndexable, readNotePosition } from "../store/notes.ts";
import { refuseField } from "./commands-of.ts";
import { createPageToken, type PageFilter } from "./page-token.ts";

/** What is asked for, in one order; it cannot be asked for beside a payment. */
export function notedFilter(metadata: readonly Note[], paymentId: string): readonly Note[] {
  if (metadata.length > 0 && paymentId !== "") {
    refuseField("metadata", "cannot be asked for together with payment_id");
  }
  return sortedNotes(metadata.map(({ key, value }) => ({ key, value })));
}

/** Facts beyond the index that are read for one page. */
const tailMax = 2_000;

export type NotedOptions = {
  readonly notes: readonly Note[];
  readonly after: bigint;
  readonly size: number;
  readonly filter: PageFilter;
};

export async function listNoted(
  pool: Pool,
  id: bigint,
  { notes, after, size, filter }: NotedOptions,
): Promise<{ transactions: Transaction[]; nextPageToken: string }> {
  const position = await readNotePosition(pool, id);
  const limit = size + 1;
  const found: Transaction[] = [];
  let scannedUntil = after;
  if (after < position) {
    const matches = await findNoted(pool, id, { notes, after, until: position, limit });
    found.push(...matches.rows.map(({ data }) => decodeTransaction(data)).filter(hasAll(notes)));
    scannedUntil = matches.scannedUntil;
  }
  let isWhole = false;
  if (found.length < limit && scannedUntil >= position) {
    const tail = await listIndexable(pool, id, { after: scannedUntil, limit: tailMax });
    const posted = tail.flatMap(({ data }) => (data ? [decodeTransaction(data)] : []));
    found.push(...posted.filter(hasAll(notes)));
    scannedUntil = tail.at(-1)?.sequence ?? scannedUntil;
    isWhole = tail.length < tailMax;
  }
  const transactions = found.slice(0, size);
  const isCut = found.length > size;
  const next = isCut ? (transactions.at(-1)?.ledgerSequence ?? after) : scannedUntil;
  return { transactions, nextPageToken: isCut || !isWhole ? createPageToken(filter, next) : "" };
}

function hasAll(notes: readonly Note[]) {
  return ({ metadata }: Transaction) => {
    return notes.every(({ key, value }) => {
      return metadata.some((note) => note.key === key && note.value === value);
    });
  };
}
