// The head rows of ledgers. Whoever writes to a ledger locks its row first and holds it to the
// commit: that is what makes a ledger's sequence dense and in the order of commitment.

import type { Tx } from "#mesh/database/pool.ts";
import type { Time } from "../rules/records.ts";
import { texts, timeOfMicros } from "./sql-arrays.ts";

export type Head = {
  /** The row's own number, by which the other tables name the ledger. */
  readonly id: bigint;
  readonly ledgerId: string;
  readonly displayName: string;
  /** Zero: no fact is written yet, the row is only there to be locked. */
  readonly sequence: bigint;
  readonly hash: Uint8Array;
  /** Of the latest batch, in microseconds of the Unix epoch. */
  readonly recordedMicros: bigint;
  /** End of the last closed period. */
  readonly closedMicros: bigint | null;
};

/** Locks in the order of the ids, so that two batches cannot wait for each other. */
export async function lockHeads(tx: Tx, ledgerIds: readonly string[]): Promise<Head[]> {
  // Alone in its statement: what is read after the wait must be read by a later one, because
  // waiting for a lock does not refresh what its statement sees.
  return tx<Head[]>`${headsOf(tx, ledgerIds)} for update`;
}

/** For those who write nothing. */
export async function readHeads(tx: Tx, ledgerIds: readonly string[]): Promise<Head[]> {
  return tx<Head[]>`${headsOf(tx, ledgerIds)}`;
}

function headsOf(tx: Tx, ledgerIds: readonly string[]) {
  return tx`
    select id, ledger_code as "ledgerId", display_name as "displayName",
      head_sequence as sequence, head_hash as hash,
      case when head_sequence = 0 then 0
        else (extract(epoch from recorded_time) * 1000000)::bigint
      end as "recordedMicros",
      (extract(epoch from closed_time) * 1000000)::bigint as "closedMicros"
    from ledger
    where ledger_code = any(${texts(ledgerIds)}::text[])
    order by ledger_code
  `;
}

/** Rows to lock for ledgers that nobody has written to yet. They count as absent until someone has. */
export async function insertHeads(tx: Tx, ledgerIds: readonly string[]): Promise<void> {
  await tx`
    insert into ledger (ledger_code)
    select code from unnest(${texts(ledgerIds)}::text[]) as missing (code) order by code
    on conflict (ledger_code) do nothing
  `;
}

/** The database's clock, moved on where it would not be later than the ledger's last batch. */
export function recordedTimeAfter({ recordedMicros }: Head, clockMicros: bigint): Time {
  return timeOfMicros(clockMicros > recordedMicros ? clockMicros : recordedMicros + 1n);
}

export async function readClock(tx: Tx): Promise<bigint> {
  const [row] = await tx<{ micros: bigint }[]>`
    select (extract(epoch from clock_timestamp()) * 1000000)::bigint as micros
  `;
  return row?.micros ?? 0n;
}
