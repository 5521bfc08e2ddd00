// Compares how much of each entry is reversed with what the reversals say. Each row knows the latest
// reversal of its transaction: where the journal comes to that, all of them are added up again.

import type { Entry } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { decodeTransaction } from "../journal.ts";
import { bigints } from "../store/sql-arrays.ts";
import { nameOf, type ReplayedBooks, signed } from "./books.ts";
import type { Comparison } from "./compare-rows.ts";
import type { ExpectedTransaction } from "./expected.ts";
import { compareRow, type Row } from "./findings.ts";

type ReversedRow = Row & {
  readonly sequence: bigint;
  readonly entry_index: number;
  readonly reversed_by: bigint;
};

export async function compareReversals(
  comparison: Comparison,
  books: ReplayedBooks,
  transactions: readonly ExpectedTransaction[],
): Promise<void> {
  const { tx, id, findings } = comparison;
  const reversals = transactions.filter(({ reverses }) => reverses !== 0n);
  if (reversals.length === 0) return;
  const originals = bigints(reversals.map(({ reverses }) => reverses));
  const rows = await tx<ReversedRow[]>`
    select sequence, entry_index, account_id, amount_minor, reversed_minor, reversed_by
    from reversed_entry
    where ledger_id = ${id} and sequence = any(${originals}::bigint[])
    order by sequence, entry_index
  `;
  const stored = Map.groupBy(rows, ({ sequence }) => sequence);
  for (const { sequence, reverses } of reversals) {
    const known = stored.get(reverses) ?? [];
    const latest = known.reduce(
      (last, row) => (row.reversed_by > last ? row.reversed_by : last),
      0n,
    );
    if (latest > sequence) continue;
    if (latest < sequence) {
      const both = `${latest || "none"} in its table, but ${sequence} by the journal`;
      const problem = `the latest reversal of transaction ${reverses} is ${both}`;
      findings.add("transaction", sequence, problem);
      continue;
    }
    await compareReversed(comparison, books, { reverses, sequence, rows: known });
  }
}

async function compareReversed(
  { tx, id, findings, counts }: Comparison,
  { accounts }: ReplayedBooks,
  of: { reverses: bigint; sequence: bigint; rows: readonly ReversedRow[] },
): Promise<void> {
  const { reverses, sequence, rows } = of;
  const facts = await tx<{ sequence: bigint; data: Uint8Array }[]>`
    select sequence, data from journal
    where ledger_id = ${id} and (sequence = ${reverses} or sequence in (
      select reversal.sequence from transaction reversal
      where reversal.ledger_id = ${id} and reverses_sequence = ${reverses}
        and reversal.sequence <= ${sequence}))
    order by sequence
  `;
  const [original, ...reversals] = facts.map(({ data }) => decodeTransaction(data));
  const entries: readonly Entry[] = original?.entries ?? [];
  const reversed = entries.map(() => 0n);
  for (const { entries: parts, reversesEntries } of reversals) {
    for (const [place, { amountMinor }] of parts.entries()) {
      // A whole one reverses every entry, in their order.
      const index = reversesEntries.length > 0 ? (reversesEntries[place] ?? -1) : place;
      reversed[index] = (reversed[index] ?? 0n) + amountMinor;
    }
  }
  const stored = new Map(rows.map((row) => [row.entry_index, row]));
  for (const [index, entry] of entries.entries()) {
    counts.reversedEntries += 1n;
    const name = `reversed entry ${index} of transaction ${reverses}`;
    compareRow(
      findings,
      { projection: "transaction", sequence, name },
      {
        account_id: accounts.get(nameOf(entry.account))?.accountId ?? null,
        amount_minor: signed(entry),
        reversed_minor: reversed[index] ?? 0n,
        reversed_by: sequence,
      },
      stored.get(index),
    );
  }
}
