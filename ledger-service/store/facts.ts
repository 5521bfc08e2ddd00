// Reads of the journal itself, as it was written.

import type { Sql } from "#mesh/database/sql.ts";
import type { JournalRow } from "../journal.ts";
import type { Time } from "../rules/records.ts";
import { bigints, timeOfMicros } from "./sql-arrays.ts";

/** The next facts after a sequence, in order. */
export async function listFacts(
  sql: Sql,
  id: bigint,
  options: { readonly after: bigint; readonly until?: bigint | undefined; readonly limit: number },
): Promise<JournalRow[]> {
  const { after, until = null, limit } = options;
  return sql<JournalRow[]>`
    select sequence, subject, data from journal
    where ledger_id = ${id} and sequence > ${after}
      and sequence <= coalesce(${until}::bigint, 9223372036854775807)
    order by sequence limit ${limit}
  `;
}

export type BatchRow = {
  readonly firstSequence: bigint;
  readonly lastSequence: bigint;
  readonly recordedTime: Time;
  readonly algorithm: string;
  readonly formatVersion: number;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
};

/** A fact with the batch that it was committed in. */
export type BatchedFact = JournalRow & { readonly batch: BatchRow };

export async function readBatchedFacts(
  sql: Sql,
  id: bigint,
  sequences: readonly bigint[],
): Promise<Map<bigint, BatchedFact>> {
  type Stored = JournalRow & Omit<BatchRow, "recordedTime"> & { readonly recordedMicros: bigint };
  const rows = await sql<Stored[]>`
    select sequence, subject, data, first_sequence as "firstSequence",
      last_sequence as "lastSequence", algorithm, format_version as "formatVersion",
      previous_hash as "previousHash", hash,
      (extract(epoch from recorded_time) * 1000000)::bigint as "recordedMicros"
    from journal
    cross join lateral (
      select * from batch
      where batch.ledger_id = journal.ledger_id and first_sequence <= journal.sequence
      order by first_sequence desc limit 1
    ) written
    where journal.ledger_id = ${id} and sequence = any(${bigints(sequences)}::bigint[])
  `;
  return new Map(
    rows.map(({ sequence, subject, data, recordedMicros, ...batch }) => {
      const recordedTime = timeOfMicros(recordedMicros);
      return [sequence, { sequence, subject, data, batch: { ...batch, recordedTime } }];
    }),
  );
}
