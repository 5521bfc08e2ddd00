// Events that came before what they depend on. They wait in the database under the key of what is
// missing, and the SQL transaction that creates it handles them in the same breath.

import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import type { Tx } from "../database/pool.ts";
import type { HandleBatch, Verdict } from "./consume.ts";
import { type Death, writeDeadLetters } from "./dead-letters.ts";
import { createDecoder, type Decoded, type RawMessage } from "./event.ts";

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

export type ReleaseOptions<D extends DescMessage> = {
  readonly consumer: string;
  readonly events: readonly D[];
  readonly arrived: readonly string[];
  readonly handle: HandleBatch<D>;
};

/** Handles what waited for these keys, and what waited for that, in the caller's SQL transaction. */
export async function releaseParked<D extends DescMessage>(
  tx: Tx,
  options: ReleaseOptions<D>,
): Promise<void> {
  await release(tx, { ...options, decode: createDecoder(options.events) });
}

/** More rounds than any chain of predecessors has. */
const roundsMax = 100;
const releaseBatchMax = 500;

export type Settling<D extends DescMessage> = {
  readonly consumer: string;
  readonly decode: (raw: RawMessage) => Decoded<D>;
  readonly handle: HandleBatch<D>;
};

/** What became of each event that was released. */
export async function release<D extends DescMessage>(
  tx: Tx,
  options: Settling<D> & { readonly arrived: readonly string[] },
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let keys = options.arrived;
  for (let round = 0; keys.length > 0; round++) {
    assert(round < roundsMax, `parked events release each other without end: ${keys.join(", ")}`);
    const waiting = await takeParked(tx, options.consumer, keys);
    const arrived: string[] = [];
    for (let from = 0; from < waiting.length; from += releaseBatchMax) {
      const settled = await settle(tx, options, waiting.slice(from, from + releaseBatchMax));
      verdicts.push(...settled.verdicts);
      arrived.push(...settled.arrived);
    }
    keys = arrived;
  }
  return verdicts;
}

/** Decodes, has the valid events handled, and writes down what waits and what is given up. */
export async function settle<D extends DescMessage>(
  tx: Tx,
  { consumer, decode, handle }: Settling<D>,
  batch: readonly RawMessage[],
): Promise<{ verdicts: readonly Verdict[]; arrived: readonly string[] }> {
  const decoded = batch.map(decode);
  const events = decoded.flatMap((item) => (item.kind === "event" ? [item.event] : []));
  const handled = events.length > 0 ? await handle(tx, events) : { verdicts: [], arrived: [] };
  assert.equal(handled.verdicts.length, events.length, `${consumer} must judge every event once`);

  const ofEvents = handled.verdicts.values();
  const verdicts = decoded.map((item) => (item.kind === "dead" ? item : ofEvents.next().value!));
  await park(tx, consumer, batch, verdicts);
  const deaths = batch.flatMap((raw, index): Death[] => {
    const verdict = verdicts[index]!;
    return verdict.kind === "dead" ? [{ raw, ...verdict }] : [];
  });
  await writeDeadLetters(tx, consumer, deaths);
  return { verdicts, arrived: handled.arrived };
}

/** An event that is replayed while it waits goes on waiting, once. */
async function park(
  tx: Tx,
  consumer: string,
  batch: readonly RawMessage[],
  verdicts: readonly Verdict[],
): Promise<void> {
  const rows = batch.flatMap((raw, index) => {
    const verdict = verdicts[index]!;
    return verdict.kind === "parked" ? [{ raw, waitsFor: verdict.waitsFor }] : [];
  });
  if (rows.length === 0) return;
  const column = (value: (row: { raw: RawMessage; waitsFor: string }) => string) => rows.map(value);
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

async function takeParked(tx: Tx, consumer: string, keys: readonly string[]) {
  const rows = await tx<(Omit<RawMessage, "deliveryCount"> & { parkedId: bigint })[]>`
    delete from parked
    where consumer = ${consumer} and waits_for = any (${[...new Set(keys)]}::text[])
    returning parked_id as "parkedId", message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", data, headers
  `;
  const oldestFirst = [...rows].sort((a, b) => (a.parkedId < b.parkedId ? -1 : 1));
  return oldestFirst.map(({ parkedId: _, ...raw }): RawMessage => ({ ...raw, deliveryCount: 1 }));
}
