// The SQL of what waits for its provider's word. Whoever asks holds a row by putting its next time
// off, not by a lock: an SQL transaction never stays open while a provider thinks, and who dies
// asking leaves the row to the next.

import assert from "node:assert/strict";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";

export type Unconfirmed = {
  readonly webhook: WebhookReceived;
  /** Of its own event, so that the answer stands in the same trace. */
  readonly traceparent?: string | undefined;
};

/**
 * A webhook that is here already is asked about anew, at once: the same bytes may come again
 * because what they point at has changed.
 */
export async function enqueue(tx: Tx, unconfirmed: readonly Unconfirmed[]): Promise<void> {
  // One row once a statement, of the same webhook the latest.
  const byId = new Map(unconfirmed.map((one) => [one.webhook.webhookId, one]));
  if (byId.size === 0) return;
  const rows = [...byId.values()].sort((a, b) =>
    a.webhook.webhookId < b.webhook.webhookId ? -1 : 1,
  );
  await tx`
    insert into confirmation (webhook_id, endpoint_id, provider, webhook, traceparent, received_at)
    select * from unnest(
      ${rows.map(({ webhook }) => webhook.webhookId)}::text[],
      ${rows.map(({ webhook }) => webhook.endpointId)}::text[],
      ${rows.map(({ webhook }) => webhook.provider)}::text[],
      ${rows.map(({ webhook }) => toBinary(WebhookReceivedSchema, webhook))}::bytea[],
      ${rows.map(({ traceparent }) => traceparent ?? "")}::text[],
      ${rows.map(({ webhook }) => receivedAt(webhook))}::timestamptz[]
    )
    on conflict (webhook_id) do update
    set endpoint_id = excluded.endpoint_id, webhook = excluded.webhook,
      traceparent = excluded.traceparent, arrivals = confirmation.arrivals + 1, failures = 0,
      next_ask_at = now(), stuck_at = null
  `;
}

function receivedAt({ receivedTime }: WebhookReceived): Date {
  assert(receivedTime, "a valid WebhookReceived has its received time");
  return timestampDate(receivedTime);
}

export type Waiting = {
  readonly webhookId: string;
  readonly webhook: WebhookReceived;
  readonly traceparent: string | undefined;
  readonly receivedAt: Date;
  readonly arrivals: bigint;
  readonly failures: number;
};

export type Claim = {
  /** Of those that can be asked about; the others wait untouched. */
  readonly endpointIds: readonly string[];
  readonly limit: number;
  readonly holdMs: number;
};

/** Those that are due, oldest first; nobody else gets them for so long. */
export async function claim(pool: Pool, { endpointIds, limit, holdMs }: Claim): Promise<Waiting[]> {
  const rows = await pool<(Omit<Waiting, "webhook"> & { webhook: Buffer })[]>`
    update confirmation
    set next_ask_at = now() + ${holdMs} * interval '1 millisecond'
    where webhook_id in (
      select webhook_id from confirmation
      where next_ask_at <= now() and endpoint_id = any (${endpointIds}::text[])
      order by next_ask_at
      limit ${limit}
      for update skip locked
    )
    returning webhook_id as "webhookId", webhook, traceparent, received_at as "receivedAt",
      arrivals, failures
  `;
  return rows.map((row) => ({
    ...row,
    webhook: fromBinary(WebhookReceivedSchema, row.webhook),
    traceparent: row.traceparent || undefined,
  }));
}

/** The provider's word is where it belongs. What came in since is asked about again. */
export async function finish(sql: Pool | Tx, { webhookId, arrivals }: Waiting): Promise<void> {
  await sql`
    with gone as (
      delete from confirmation where webhook_id = ${webhookId} and arrivals = ${arrivals}
      returning webhook_id
    )
    update confirmation
    set failures = 0, problem = '', stuck_at = null, next_ask_at = now()
    where webhook_id = ${webhookId} and webhook_id not in (select webhook_id from gone)
  `;
}

export type Postponement = {
  readonly problem: string;
  readonly afterMs: number;
  /** It failed for so long that a person has to look. */
  readonly stuck: boolean;
};

/** Unless it came again meanwhile, which puts it in front. */
export async function postpone(
  pool: Pool,
  { webhookId, arrivals }: Waiting,
  { problem, afterMs, stuck }: Postponement,
): Promise<void> {
  await pool`
    update confirmation
    set failures = failures + 1, problem = ${problem.slice(0, 255)},
      next_ask_at = now() + ${afterMs} * interval '1 millisecond',
      stuck_at = case when ${stuck}::boolean then coalesce(stuck_at, now()) end
    where webhook_id = ${webhookId} and arrivals = ${arrivals}
  `;
}

/** The provider knows no such thing, or there is nothing to ask: operators see which. */
export async function keepUnconfirmed(tx: Tx, waiting: Waiting, reason: string): Promise<void> {
  await finish(tx, waiting);
  await tx`
    update delivery set outcome = ${DeliveryOutcome.KEPT}, reason = ${reason}
    where webhook_id = ${waiting.webhookId} and outcome = ${DeliveryOutcome.UNCONFIRMED}
  `;
}

export type QueueLength = {
  readonly waiting: number;
  readonly stuck: number;
  readonly oldestSeconds: number;
};

export async function measureQueue(pool: Pool): Promise<QueueLength> {
  const [row] = await pool<QueueLength[]>`
    select count(*)::int as waiting, count(stuck_at)::int as stuck,
      coalesce(extract(epoch from now() - min(received_at)), 0)::float8 as "oldestSeconds"
    from confirmation
  `;
  return row ?? { waiting: 0, stuck: 0, oldestSeconds: 0 };
}
