// The index of transactions by their notes: what is written to it, and what it finds. Up to its
// position it is complete; beyond that, the journal is read.

import { createHash } from "node:crypto";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import type { Note } from "../rules/records.ts";
import type { PostedRow } from "./read.ts";
import { bigints, bytes, texts } from "./sql-arrays.ts";

export function noteDigest(value: string): Buffer {
  return createHash("sha256").update(value).digest().subarray(0, 16);
}

export type Behind = { readonly id: bigint; readonly left: bigint };

/** Ledgers with facts that the index has not looked at. */
export async function listBehind(pool: Pool): Promise<Behind[]> {
  return pool<Behind[]>`
    select id, head_sequence - coalesce(indexed_sequence, 0) as left
    from ledger left join note_position on ledger_id = id
    where head_sequence > coalesce(indexed_sequence, 0)
    order by id
  `;
}

/** Locks it; undefined: another process is at it. */
export async function lockNotePosition(tx: Tx, id: bigint): Promise<bigint | undefined> {
  await tx`
    insert into note_position (ledger_id, indexed_sequence) values (${id}, 0)
    on conflict (ledger_id) do nothing
  `;
  const [row] = await tx<{ position: bigint }[]>`
    select indexed_sequence as position from note_position
    where ledger_id = ${id} for update skip locked
  `;
  return row?.position;
}

/** Facts that are no transaction have no data here. */
export type Indexable = { readonly sequence: bigint; readonly data: Uint8Array | null };

export async function listIndexable(
  sql: Sql,
  id: bigint,
  { after, limit }: { readonly after: bigint; readonly limit: number },
): Promise<Indexable[]> {
  return sql<Indexable[]>`
    select sequence, case subject when ${TransactionPostedSchema.typeName} then data end as data
    from journal where ledger_id = ${id} and sequence > ${after}
    order by sequence limit ${limit}
  `;
}

export type NoteRow = Note & { readonly sequence: bigint };

export async function writeNotes(
  tx: Tx,
  id: bigint,
  { rows, position }: { readonly rows: readonly NoteRow[]; readonly position: bigint },
): Promise<void> {
  if (rows.length > 0) {
    await tx`
      insert into note (ledger_id, key, value_digest, sequence)
      select ${id}::bigint, row.* from unnest(
        ${texts(rows.map(({ key }) => key))}::text[],
        ${bytes(rows.map(({ value }) => noteDigest(value)))}::bytea[],
        ${bigints(rows.map(({ sequence }) => sequence))}::bigint[]) as row
      on conflict do nothing
    `;
  }
  await tx`update note_position set indexed_sequence = ${position} where ledger_id = ${id}`;
}

export async function readNotePosition(sql: Sql, id: bigint): Promise<bigint> {
  const [row] = await sql<{ position: bigint }[]>`
    select indexed_sequence as position from note_position where ledger_id = ${id}
  `;
  return row?.position ?? 0n;
}

export type NoteQuery = {
  readonly notes: readonly Note[];
  readonly after: bigint;
  readonly until: bigint;
  readonly limit: number;
};

export type NoteMatches = {
  readonly rows: readonly PostedRow[];
  /** Nothing between `after` and this was left out. */
  readonly scannedUntil: bigint;
};

/** Most transactions with the rarest of the notes that are looked at for the others. */
const scannedMax = 5_000;
const countedMax = 1_000;

/** Transactions with all of the notes; by digests, so their values are still to be compared. */
export async function findNoted(sql: Sql, id: bigint, query: NoteQuery): Promise<NoteMatches> {
  const { after, until, limit } = query;
  const [rarest, ...others] = await rarestFirst(sql, id, query);
  const both = others.map(({ key, value }) => {
    return sql`and exists (select from note other where other.ledger_id = ${id}
      and other.key = ${key} and other.value_digest = ${noteDigest(value)}
      and other.sequence = scanned.sequence)`;
  });
  const also = both.reduce((all, one) => sql`${all} ${one}`, sql``);
  type Found = { found: bigint | null; scanned: number; last: bigint | null; data: Uint8Array };
  const rows = await sql<Found[]>`
    with scanned as materialized (
      select sequence from note
      where ledger_id = ${id} and key = ${rarest?.key ?? ""}
        and value_digest = ${noteDigest(rarest?.value ?? "")}
        and sequence > ${after} and sequence <= ${until}
      order by sequence limit ${scannedMax}
    ), matched as (
      select sequence from scanned where true ${also} order by sequence limit ${limit}
    )
    select journal.sequence as found, data, ends.scanned, ends.last
    from (select count(*)::int as scanned, max(sequence) as last from scanned) ends
    left join (matched join journal on journal.ledger_id = ${id}
      and journal.sequence = matched.sequence) on true
    order by journal.sequence
  `;
  const matches = rows.flatMap(({ found, data }) => (found ? [{ sequence: found, data }] : []));
  const ends = rows[0];
  const isWhole = (ends?.scanned ?? 0) < scannedMax;
  const isFull = matches.length === limit;
  const scannedUntil = isFull ? matches.at(-1)!.sequence : isWhole ? until : (ends?.last ?? until);
  return { rows: matches, scannedUntil };
}

async function rarestFirst(sql: Sql, id: bigint, query: NoteQuery): Promise<readonly Note[]> {
  const { notes, after, until } = query;
  if (notes.length === 1) return notes;
  const rows = await sql<{ place: bigint; n: bigint }[]>`
    select place, (select count(*) from (
      select from note where ledger_id = ${id} and note.key = asked.key
        and note.value_digest = asked.digest and sequence > ${after} and sequence <= ${until}
      limit ${countedMax}) counted) as n
    from unnest(
      ${texts(notes.map(({ key }) => key))}::text[],
      ${bytes(notes.map(({ value }) => noteDigest(value)))}::bytea[])
      with ordinality as asked (key, digest, place)
    order by n, place
  `;
  return rows.map(({ place }) => notes[Number(place) - 1]!);
}
