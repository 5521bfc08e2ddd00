// Events that came before what they depend on. They wait in the database under the key of what is
// missing until the SQL transaction that creates it takes them out (release.ts).

import type { Tx } from "../database/pool.ts";
import type { RawMessage } from "./raw-message.ts";

/**
 * Whoever parks under a key, or creates what it names, locks it first: otherwise one could look for
 * the predecessor, and the other for those who wait, each before the other has committed.
 */
export async function lockKeys(tx: Tx, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  // Always in the same order, so that two SQL transactions cannot wait for each other.
  const sorted = [...new Set(keys)].sort();
  await tx`
    select pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || key, 0))
    from unnest(${sorted}::text[]) with ordinality as wanted (key, position)
    order by position
  `;
}

type Waiting = { readonly raw: RawMessage; readonly waitsFor: string };

/** An event that is replayed while it waits goes on waiting, once. */
export async function park(tx: Tx, consumer: string, rows: readonly Waiting[]): Promise<void> {
  if (rows.length === 0) return;
  const column = (value: (row: Waiting) => string) => rows.map(value);
  await tx`
    insert into parked
      (consumer, message_id, waits_for, subject, stream, stream_sequence, data, headers)
    select ${consumer}, message_id, waits_for, subject, stream, stream_sequence,
      decode(data, 'hex'), headers::jsonb
    from unnest(
      ${column(({ raw }) => raw.messageId)}::text[],
      ${column(({ waitsFor }) => waitsFor)}::text[],
      ${column(({ raw }) => raw.subject)}::text[],
      ${column(({ raw }) => raw.stream)}::text[],
      ${column(({ raw }) => String(raw.streamSequence))}::bigint[],
      ${column(({ raw }) => Buffer.from(raw.data).toString("hex"))}::text[],
      ${column(({ raw }) => JSON.stringify(raw.headers))}::text[]
    ) with ordinality
      as waiting (message_id, waits_for, subject, stream, stream_sequence, data, headers, position)
    order by position
    on conflict (consumer, message_id) do update set waits_for = excluded.waits_for
  `;
}

/** Takes out what waits for these keys, oldest first. */
export async function takeParked(
  tx: Tx,
  consumer: string,
  keys: readonly string[],
): Promise<RawMessage[]> {
  const rows = await tx<Row[]>`
    delete from parked
    where consumer = ${consumer} and waits_for = any (${[...new Set(keys)]}::text[])
    returning parked_id as "parkedId", message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", data, headers
  `;
  return oldestFirst(rows);
}

/** As `takeParked`, so many at most. What somebody else is just taking is left to them. */
export async function takeOldestParked(
  tx: Tx,
  consumer: string,
  keys: readonly string[],
  countMax: number,
): Promise<RawMessage[]> {
  if (keys.length === 0) return [];
  const rows = await tx<Row[]>`
    delete from parked
    where parked_id in (
      select parked_id from parked
      where consumer = ${consumer} and waits_for = any (${keys as string[]}::text[])
      order by parked_id
      limit ${countMax}
      for update skip locked
    )
    returning parked_id as "parkedId", message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", data, headers
  `;
  return oldestFirst(rows);
}

type Row = Omit<RawMessage, "deliveryCount"> & { readonly parkedId: bigint };

function oldestFirst(rows: readonly Row[]): RawMessage[] {
  return rows
    .toSorted((a, b) => (a.parkedId < b.parkedId ? -1 : 1))
    .map(({ parkedId: _, ...raw }): RawMessage => ({ ...raw, deliveryCount: 1 }));
}
