// What of the journal is still to be published. Dense sequences need no outbox: what is above a
// ledger's published position is its backlog, and no gap can fill up later.

import assert from "node:assert/strict";
import type { Session } from "#mesh/database/pool.ts";
import { type EncodedEvent, wrapEvent } from "#mesh/events/event.ts";
import { ledgerEvents } from "../journal.ts";

export type Backlog = {
  readonly id: bigint;
  readonly ledgerId: string;
  readonly published: bigint;
  readonly head: bigint;
};

export type BacklogRow = {
  readonly sequence: bigint;
  readonly subject: string;
  readonly data: Uint8Array;
  /** Of what caused the fact; null where nobody's trace did. */
  readonly traceparent: string | null;
  readonly time: Date;
};

const source = "ledger-service";
const schemaOf = new Map(ledgerEvents.map((schema) => [schema.typeName as string, schema]));

export async function readBacklogs(session: Session): Promise<Backlog[]> {
  return session<Backlog[]>`
    select id, ledger_code as "ledgerId", coalesce(published_sequence, 0) as published,
      head_sequence as head
    from ledger left join relay_position on ledger_id = id
    where head_sequence > coalesce(published_sequence, 0)
    order by id
  `;
}

/** Its oldest facts. */
export async function readRows(
  session: Session,
  { id, published }: Backlog,
  rowsMax: number,
): Promise<BacklogRow[]> {
  return session<BacklogRow[]>`
    select sequence, subject, data, traceparent, written.recorded_time as time
    from journal
    cross join lateral (
      select recorded_time from batch
      where batch.ledger_id = journal.ledger_id and first_sequence <= journal.sequence
      order by first_sequence desc limit 1
    ) written
    where journal.ledger_id = ${id} and sequence > ${published}
    order by sequence
    limit ${rowsMax}
  `;
}

export function eventOf({ ledgerId }: Backlog, row: BacklogRow): EncodedEvent {
  const schema = schemaOf.get(row.subject);
  assert(schema, `the journal holds ${row.subject}, which is no event of the ledger`);
  const messageId = `${ledgerId}/${row.sequence}`;
  const traceparent = row.traceparent ?? undefined;
  const { time } = row;
  return wrapEvent(schema, row.data, { messageId, source, time, traceparent, key: ledgerId });
}

export async function notePosition(session: Session, id: bigint, sequence: bigint): Promise<void> {
  await session`
    insert into relay_position (ledger_id, published_sequence) values (${id}, ${sequence})
    on conflict (ledger_id) do update set published_sequence = excluded.published_sequence
  `;
}

/** Facts of all ledgers that were published, each at least once. */
export async function countPublished(session: Session): Promise<bigint> {
  const [row] = await session<{ published: bigint }[]>`
    select coalesce(sum(published_sequence), 0)::bigint as published from relay_position
  `;
  return row?.published ?? 0n;
}

/** Everything is to be published again. */
export async function forgetPositions(session: Session): Promise<void> {
  await session`update relay_position set published_sequence = 0`;
}
