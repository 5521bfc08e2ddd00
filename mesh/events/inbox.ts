// Which messages a consumer has settled before. The rows are inserted first, in the SQL transaction
// of the effects: a copy that another process is handling waits here, and then finds it done.

import type { Tx } from "../database/pool.ts";
import { digestOf, type RawMessage } from "./raw-message.ts";

export type Arrival = "new" | "duplicate" | "conflict";

/** What of a message tells a repetition from another message under its id. */
export type ContentOf = (raw: RawMessage) => Uint8Array;

/** Says of each message whether it is new, a repetition, or another one under an id already used. */
export async function recordArrivals(
  tx: Tx,
  consumer: string,
  batch: readonly RawMessage[],
  contentOf: ContentOf,
): Promise<Arrival[]> {
  const digests = batch.map((raw) => digestOf(contentOf(raw)));
  const firstOf = new Map<string, number>();
  for (const [index, { messageId }] of batch.entries()) {
    if (!firstOf.has(messageId)) firstOf.set(messageId, index);
  }
  const firsts = [...firstOf.values()];
  const inserted = await insertRows(
    tx,
    consumer,
    firsts.map((index) => batch[index]!.messageId),
    firsts.map((index) => digests[index]!),
  );
  const known = firstOf.size === inserted.size ? new Map() : await readDigests(tx, consumer, batch);

  return batch.map(({ messageId }, index) => {
    const first = firstOf.get(messageId)!;
    if (index === first && inserted.has(messageId)) return "new";
    const settled = inserted.has(messageId) ? digests[first] : known.get(messageId);
    return settled === digests[index] ? "duplicate" : "conflict";
  });
}

/** What messages say may be read otherwise by a mended release: repetitions are told by that. */
export async function recordContents(
  tx: Tx,
  consumer: string,
  batch: readonly RawMessage[],
  contentOf: ContentOf,
): Promise<void> {
  await tx`
    update inbox set sha256 = decode(digest, 'hex')
    from unnest(
      ${batch.map(({ messageId }) => messageId)}::text[],
      ${batch.map((raw) => digestOf(contentOf(raw)))}::text[]
    ) as said (id, digest)
    where consumer = ${consumer} and message_id = id
  `;
}

/** As if they had never come: whoever reads the stream again finds them new. */
export async function forgetArrivals(
  tx: Tx,
  consumer: string,
  batch: readonly RawMessage[],
): Promise<void> {
  await tx`
    delete from inbox
    where consumer = ${consumer}
      and message_id = any (${batch.map(({ messageId }) => messageId)}::text[])
  `;
}

/** In the order of the ids, so that two batches that share messages cannot deadlock. */
async function insertRows(
  tx: Tx,
  consumer: string,
  messageIds: readonly string[],
  digests: readonly string[],
): Promise<Set<string>> {
  const rows = await tx<{ message_id: string }[]>`
    insert into inbox (consumer, message_id, sha256)
    select ${consumer}, arrived.message_id, decode(arrived.digest, 'hex')
    from unnest(${messageIds as string[]}::text[], ${digests as string[]}::text[])
      as arrived (message_id, digest)
    order by arrived.message_id
    on conflict (consumer, message_id) do nothing
    returning message_id
  `;
  return new Set(rows.map((row) => row.message_id));
}

async function readDigests(tx: Tx, consumer: string, batch: readonly RawMessage[]) {
  const rows = await tx<{ message_id: string; digest: string }[]>`
    select message_id, encode(sha256, 'hex') as digest
    from inbox
    where consumer = ${consumer}
      and message_id = any (${batch.map(({ messageId }) => messageId)}::text[])
  `;
  return new Map(rows.map(({ message_id, digest }) => [message_id, digest]));
}
