// Messages that were given up, kept with their exact bytes. Written in the SQL transaction that
// settles the message, before the broker is told.

import {
  type DeadLetterReason,
  DeadLetterReasonSchema,
} from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Tx } from "../database/pool.ts";
import { digestOf, type RawMessage, storable } from "./raw-message.ts";

export type Death = {
  readonly raw: RawMessage;
  readonly reason: DeadLetterReason;
  readonly detail: string;
};

/** Who gave up an event that the broker refuses. */
export const outboxConsumer = "outbox";

const detailLengthMax = 2_000;

/** As a row or an answer holds it. */
export function boundDetail(detail: string): string {
  return storable(detail).slice(0, detailLengthMax);
}

/** `INVALID` and the like, for labels and logs. */
export function reasonName(reason: DeadLetterReason): string {
  return DeadLetterReasonSchema.value[reason]?.localName ?? String(reason);
}

/** A message that is given up again leaves no second row; the one there is back in sight. */
export async function writeDeadLetters(
  tx: Tx,
  consumer: string,
  deaths: readonly Death[],
): Promise<void> {
  if (deaths.length === 0) return;
  const rows = [...new Map(deaths.map((death) => [keyOf(death), death])).values()];
  const column = (value: (death: Death) => string) => rows.map(value);
  await tx`
    insert into dead_letter
      (consumer, message_id, sha256, subject, stream, stream_sequence,
       reason, detail, data, headers)
    select ${consumer}, message_id, decode(digest, 'hex'), subject, stream, stream_sequence,
      reason, detail, decode(data, 'hex'), headers::jsonb
    from unnest(
      ${column(({ raw }) => raw.messageId)}::text[],
      ${column(({ raw }) => digestOf(raw.data))}::text[],
      ${column(({ raw }) => raw.subject)}::text[],
      ${column(({ raw }) => raw.stream)}::text[],
      ${column(({ raw }) => String(raw.streamSequence))}::bigint[],
      ${column(({ reason }) => String(reason))}::int[],
      ${column(({ detail }) => boundDetail(detail))}::text[],
      ${column(({ raw }) => Buffer.from(raw.data).toString("hex"))}::text[],
      ${column(({ raw }) => JSON.stringify(raw.headers))}::text[]
    ) as dead (message_id, digest, subject, stream, stream_sequence, reason, detail, data, headers)
    on conflict (consumer, message_id, sha256) do update
    set reason = excluded.reason, detail = excluded.detail, dead_at = now(), resolved_at = null
    where dead_letter.resolved_at is not null
  `;
}

function keyOf({ raw }: Death): string {
  return `${raw.messageId} ${digestOf(raw.data)}`;
}
