// Events are written to the outbox in the SQL transaction that caused them, and relayed to the
// broker afterwards: neither can happen without the other.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { Tx } from "../database/pool.ts";
import { eventPolicy } from "../policy/policy.ts";
import { type EncodedEvent, encodeEvent } from "./event.ts";

export type AppendOptions = {
  /** Identity that publishes, for example `cms-service`. */
  readonly source: string;
  readonly time: Date;
  /**
   * Given for a fact that may be appended again, so that broker and consumers see one. Where the
   * policy says what the id is made of, it is that.
   */
  readonly messageId?: string;
  /** Of what caused the event; left out, of the span that runs now. */
  readonly traceparent?: string | undefined;
};

export async function appendEvent<D extends DescMessage>(
  tx: Tx,
  schema: D,
  event: MessageInitShape<D>,
  options: AppendOptions,
): Promise<void> {
  const isNamed = eventPolicy(schema).dedupeIdFields.length > 0;
  const messageId = options.messageId ?? (isNamed ? undefined : randomUUID());
  await appendEncoded(tx, [encodeEvent(schema, event, { ...options, messageId })]);
}

/** All of them in one statement; they are published in this order. */
export async function appendEncoded(tx: Tx, events: readonly EncodedEvent[]): Promise<void> {
  if (events.length === 0) return;
  for (const { dedupeId, messageId } of events) {
    assert(dedupeId === undefined, `the outbox keeps one id an event, ${messageId} has two`);
  }
  const column = (value: (event: EncodedEvent) => string) => events.map(value);
  await tx`
    insert into outbox (message_id, subject, stream, data, headers)
    select message_id, subject, stream, decode(data, 'hex'), headers::jsonb
    from unnest(
      ${column(({ messageId }) => messageId)}::text[],
      ${column(({ subject }) => subject)}::text[],
      ${column(({ stream }) => stream)}::text[],
      ${column(({ data }) => Buffer.from(data).toString("hex"))}::text[],
      ${column(({ headers }) => JSON.stringify(headers))}::text[]
    ) with ordinality as appended (message_id, subject, stream, data, headers, position)
    order by position
  `;
}
