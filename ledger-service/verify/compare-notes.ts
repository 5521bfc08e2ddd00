// Compares the index of notes with the notes of transactions. It is made in the background: what is
// beyond its position is not in it yet.

import { noteDigest } from "../store/notes.ts";
import { bigints, bytes, integers, texts } from "../store/sql-arrays.ts";
import type { Comparison } from "./compare-rows.ts";
import type { ExpectedTransaction } from "./expected.ts";

const countedMax = 100_000n;

export async function compareIndexedNotes(
  { tx, findings, counts, id, notesUntil }: Comparison,
  transactions: readonly ExpectedTransaction[],
): Promise<void> {
  const notes = transactions
    .filter(({ sequence }) => sequence <= notesUntil)
    .flatMap(({ sequence, notes: of }) => of.map(({ key, value }) => ({ sequence, key, value })));
  if (notes.length === 0) return;
  const rows = await tx<{ place: number }[]>`
    select place
    from unnest(
      ${texts(notes.map(({ key }) => key))}::text[],
      ${bytes(notes.map(({ value }) => noteDigest(value)))}::bytea[],
      ${bigints(notes.map(({ sequence }) => sequence))}::bigint[],
      ${integers(notes.keys())}::int[]) as asked (key, value_digest, sequence, place)
    join note using (key, value_digest, sequence)
    where ledger_id = ${id}
  `;
  counts.notes += BigInt(notes.length);
  const found = new Set(rows.map(({ place }) => place));
  for (const [place, { sequence, key }] of notes.entries()) {
    if (found.has(place)) continue;
    findings.add("note", sequence, `note ${key} of transaction ${sequence} is not in its index`);
  }
}

/** Some at a time: no statement takes longer than the database allows. */
export async function countIndexedNotes({ tx, id, findings, counts }: Comparison): Promise<void> {
  let count = 0n;
  let after = { key: "", digest: new Uint8Array() as Uint8Array, sequence: 0n };
  for (;;) {
    const rows = await tx<{ n: bigint; key: string; digest: Uint8Array; sequence: bigint }[]>`
      select row_number() over () as n, key, value_digest as digest, sequence from (
        select key, value_digest, sequence from note
        where ledger_id = ${id} and (key, value_digest, sequence)
          > (${after.key}, ${after.digest}::bytea, ${after.sequence}::bigint)
        order by key, value_digest, sequence limit ${countedMax}) page
      order by n desc limit 1
    `;
    const last = rows[0];
    count += last?.n ?? 0n;
    if (!last || last.n < countedMax) break;
    after = last;
  }
  if (count === counts.notes) return;
  const both = `${count} in their index, but ${counts.notes} by the journal`;
  findings.add("note", 0n, `there are ${both}: notes of transactions`);
}
