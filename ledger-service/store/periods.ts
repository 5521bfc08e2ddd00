// Closed periods in the database.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Period } from "../rules/records.ts";
import type { OfLedger } from "./insert.ts";
import { bigints, texts, timeOfMicros, times } from "./sql-arrays.ts";

export function insertPeriods(tx: Tx, rows: readonly OfLedger<Period>[]) {
  return tx`
    insert into period (ledger_id, closed_sequence, end_time, close_time, description)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.closedSequence))}::bigint[],
      ${times(rows.map((row) => row.endTime))}::timestamptz[],
      ${times(rows.map((row) => row.closeTime))}::timestamptz[],
      ${texts(rows.map((row) => row.description))}::text[])
  `;
}

/** Latest first, those that were closed before a sequence. */
export async function listPeriods(
  pool: Pool,
  ledgerId: bigint,
  { before, limit }: { before: bigint; limit: number },
): Promise<Period[]> {
  const rows = await pool<
    {
      closedSequence: bigint;
      endMicros: bigint;
      closeMicros: bigint;
      description: string;
    }[]
  >`
    select closed_sequence as "closedSequence", description,
      (extract(epoch from end_time) * 1000000)::bigint as "endMicros",
      (extract(epoch from close_time) * 1000000)::bigint as "closeMicros"
    from period
    where ledger_id = ${ledgerId} and closed_sequence < ${before}
    order by closed_sequence desc
    limit ${limit}
  `;
  return rows.map(({ endMicros, closeMicros, ...row }) => {
    return { ...row, endTime: timeOfMicros(endMicros), closeTime: timeOfMicros(closeMicros) };
  });
}
