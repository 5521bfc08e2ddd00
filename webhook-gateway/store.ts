// The desk's SQL. One function a statement, and every one takes the SQL transaction
// it runs in.

import { DeliveryFlag, DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";

export type NewDelivery = {
  readonly webhookId: string;
  readonly endpointId: string;
  readonly provider: string;
  readonly providerAccount: string;
  readonly tenantId: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly unsignedEventId: string;
  readonly receivedAt: Date;
  readonly outcome: DeliveryOutcome;
  readonly publishedEvents: readonly string[];
  /** Of the events' bytes, in their order; see published-ids.ts. */
  readonly publishedDigests: readonly string[];
  readonly streamSequence: bigint;
  readonly flags: readonly DeliveryFlag[];
  readonly reason: string;
};

/** A webhook that is settled again keeps its first row, unless that says that it was given up. */
export async function insertDeliveries(tx: Tx, deliveries: readonly NewDelivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  await tx`
    insert into delivery (webhook_id, endpoint_id, provider, provider_account, tenant_id,
      event_type, event_id, unsigned_event_id, received_at, outcome, published_events,
      published_digests, stream_sequence, flags, reason)
    select webhook_id, endpoint_id, provider, provider_account, tenant_id, event_type, event_id,
      unsigned_event_id, received_at, outcome,
      array(select jsonb_array_elements_text(published_events::jsonb)),
      array(select jsonb_array_elements_text(published_digests::jsonb)), stream_sequence,
      array(select jsonb_array_elements_text(flags::jsonb)::int), reason
    from unnest(
      ${deliveries.map(({ webhookId }) => webhookId)}::text[],
      ${deliveries.map(({ endpointId }) => endpointId)}::text[],
      ${deliveries.map(({ provider }) => provider)}::text[],
      ${deliveries.map(({ providerAccount }) => providerAccount)}::text[],
      ${deliveries.map(({ tenantId }) => tenantId)}::text[],
      ${deliveries.map(({ eventType }) => eventType)}::text[],
      ${deliveries.map(({ eventId }) => eventId)}::text[],
      ${deliveries.map(({ unsignedEventId }) => unsignedEventId)}::text[],
      ${deliveries.map(({ receivedAt }) => receivedAt)}::timestamptz[],
      ${deliveries.map(({ outcome }) => outcome)}::int[],
      ${deliveries.map(({ publishedEvents }) => JSON.stringify(publishedEvents))}::text[],
      ${deliveries.map(({ publishedDigests }) => JSON.stringify(publishedDigests))}::text[],
      ${deliveries.map(({ streamSequence }) => streamSequence)}::bigint[],
      ${deliveries.map(({ flags }) => JSON.stringify(flags))}::text[],
      ${deliveries.map(({ reason }) => reason)}::text[]
    ) with ordinality as settled (webhook_id, endpoint_id, provider, provider_account, tenant_id,
      event_type, event_id, unsigned_event_id, received_at, outcome, published_events,
      published_digests, stream_sequence, flags, reason, position)
    order by position
    on conflict (webhook_id) do update
    set outcome = excluded.outcome, published_events = excluded.published_events,
      published_digests = excluded.published_digests, flags = excluded.flags,
      reason = excluded.reason
    where delivery.outcome = ${DeliveryOutcome.DEAD}
  `;
}

export type Repeat = {
  readonly webhookId: string;
  readonly unsignedEventId: string;
  readonly streamSequence: bigint;
};

/**
 * Each message counts once, also when the broker delivers it again: they come in the order of the
 * stream. Returns those that came under another unsigned id than the first.
 */
export async function countRepeats(tx: Tx, repeats: readonly Repeat[]): Promise<string[]> {
  if (repeats.length === 0) return [];
  const renamed = DeliveryFlag.RENAMED;
  const rows = await tx<{ webhook_id: string; renamed: boolean }[]>`
    with counted as (
      select delivery.webhook_id, count(*) as more, max(message.sequence) as last_sequence,
        bool_or(message.unsigned_event_id <> delivery.unsigned_event_id) as renamed
      from unnest(
        ${repeats.map(({ webhookId }) => webhookId)}::text[],
        ${repeats.map(({ unsignedEventId }) => unsignedEventId)}::text[],
        ${repeats.map(({ streamSequence }) => streamSequence)}::bigint[]
      ) as message (webhook_id, unsigned_event_id, sequence)
      join delivery on delivery.webhook_id = message.webhook_id
        and message.sequence > greatest(delivery.stream_sequence, delivery.last_repeat_sequence)
      group by delivery.webhook_id
    )
    update delivery
    set repeats = repeats + counted.more, last_repeat_sequence = counted.last_sequence,
      flags = case when counted.renamed and not ${renamed}::int = any (flags)
        then array(select unnest(flags || ${renamed}::int) order by 1) else flags end
    from counted
    where delivery.webhook_id = counted.webhook_id
    returning delivery.webhook_id, counted.renamed
  `;
  return rows.filter((row) => row.renamed).map((row) => row.webhook_id);
}

export type Confirmation = Pick<
  NewDelivery,
  "webhookId" | "outcome" | "publishedEvents" | "publishedDigests" | "flags" | "reason"
>;

/** What its provider said last; what was published stays published. */
export async function updateConfirmed(tx: Tx, confirmed: Confirmation): Promise<void> {
  const { webhookId, outcome, publishedEvents, publishedDigests, flags, reason } = confirmed;
  await tx`
    update delivery
    set outcome = ${outcome}, reason = ${reason},
      published_events = published_events || ${publishedEvents as string[]}::text[],
      published_digests = ${publishedDigests as string[]}::text[],
      flags = array(select distinct unnest(flags || ${flags as number[]}::int[]) order by 1)
    where webhook_id = ${webhookId}
      and (outcome <> ${DeliveryOutcome.PUBLISHED}
        or ${outcome}::int = ${DeliveryOutcome.PUBLISHED})
  `;
}
