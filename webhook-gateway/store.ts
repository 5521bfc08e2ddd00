// The desk's SQL. One function a statement; what writes takes the SQL transaction
// it runs in.

import { DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";

export type DeliveryRow = {
  readonly deliveryId: bigint;
  readonly webhookId: string;
  readonly endpointId: string;
  readonly provider: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly receivedAt: Date;
  readonly outcome: DeliveryOutcome;
  readonly publishedEvents: readonly string[];
  readonly streamSequence: bigint;
};

export type NewDelivery = Omit<DeliveryRow, "deliveryId">;

/** A webhook that is settled again keeps its first row, unless that says that it was given up. */
export async function insertDeliveries(tx: Tx, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  await tx`
    insert into delivery (webhook_id, endpoint_id, provider, event_type, event_id, received_at,
      outcome, published_events, stream_sequence)
    select webhook_id, endpoint_id, provider, event_type, event_id, received_at, outcome,
      array(select jsonb_array_elements_text(published_events::jsonb)), stream_sequence
    from unnest(
      ${deliveries.map(({ webhookId }) => webhookId)}::text[],
      ${deliveries.map(({ endpointId }) => endpointId)}::text[],
      ${deliveries.map(({ provider }) => provider)}::text[],
      ${deliveries.map(({ eventType }) => eventType)}::text[],
      ${deliveries.map(({ eventId }) => eventId)}::text[],
      ${deliveries.map(({ receivedAt }) => receivedAt)}::timestamptz[],
      ${deliveries.map(({ outcome }) => outcome)}::int[],
      ${deliveries.map(({ publishedEvents }) => JSON.stringify(publishedEvents))}::text[],
      ${deliveries.map(({ streamSequence }) => streamSequence)}::bigint[]
    ) with ordinality as settled (webhook_id, endpoint_id, provider, event_type, event_id,
      received_at, outcome, published_events, stream_sequence, position)
    order by position
    on conflict (webhook_id) do update
    set outcome = excluded.outcome, published_events = excluded.published_events
    where delivery.outcome = ${DeliveryOutcome.DEAD}
  `;
}

export type DeliveryFilter = {
  readonly endpointId: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly outcome: DeliveryOutcome;
  /** Only rows before this one. */
  readonly beforeId: bigint | undefined;
};

/** Newest first. Empty texts and zero filter nothing. */
export function selectDeliveries(
  pool: Pool,
  { endpointId, eventType, eventId, outcome, beforeId }: DeliveryFilter,
  limit: number,
): Promise<DeliveryRow[]> {
  return pool<DeliveryRow[]>`
    select ${columns(pool)} from delivery
    where true
      ${beforeId === undefined ? pool`` : pool`and delivery_id < ${beforeId}`}
      ${endpointId === "" ? pool`` : pool`and endpoint_id = ${endpointId}`}
      ${eventType === "" ? pool`` : pool`and event_type = ${eventType}`}
      ${eventId === "" ? pool`` : pool`and event_id = ${eventId}`}
      ${outcome === 0 ? pool`` : pool`and outcome = ${outcome}`}
    order by delivery_id desc
    limit ${limit}
  `;
}

export async function selectDelivery(
  pool: Pool,
  webhookId: string,
): Promise<DeliveryRow | undefined> {
  const rows = await pool<DeliveryRow[]>`
    select ${columns(pool)} from delivery where webhook_id = ${webhookId}
  `;
  return rows[0];
}

function columns(pool: Pool) {
  return pool`
    delivery_id as "deliveryId", webhook_id as "webhookId", endpoint_id as "endpointId", provider,
    event_type as "eventType", event_id as "eventId", received_at as "receivedAt", outcome,
    published_events as "publishedEvents", stream_sequence as "streamSequence"
  `;
}
