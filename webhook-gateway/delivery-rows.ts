// Deliveries as operators ask for them. Lists go by the time of receiving, which never changes, and
// every filter has an index that ends in that order (0003_delivery_lists.sql).

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { DeliveryFlag, DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";

export type StoredDelivery = {
  readonly deliveryId: bigint;
  readonly webhookId: string;
  readonly endpointId: string;
  readonly provider: string;
  readonly providerAccount: string;
  readonly tenantId: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly receivedAt: Date;
  readonly outcome: DeliveryOutcome;
  readonly publishedEvents: readonly string[];
  readonly publishedDigests: readonly string[];
  readonly streamSequence: bigint;
  readonly flags: readonly DeliveryFlag[];
  readonly repeats: bigint;
  readonly reason: string;
};

/** As requests have it; empty texts and zeros select all. */
export type DeliveryFilter = {
  readonly endpointId: string;
  readonly eventType: string;
  readonly eventId: string;
  readonly outcome: DeliveryOutcome;
  readonly provider: string;
  readonly tenantId: string;
  readonly receivedFrom?: Timestamp | undefined;
  readonly receivedBefore?: Timestamp | undefined;
  readonly flag?: DeliveryFlag;
};

/** Where a list stands. */
export type Position = { readonly receivedAt: Date; readonly deliveryId: bigint };

/** Newest first. */
export function selectPage(
  pool: Pool,
  filter: DeliveryFilter,
  before: Position | undefined,
  limit: number,
): Promise<StoredDelivery[]> {
  const beyond = before
    ? pool`and (received_at, delivery_id) < (${before.receivedAt}, ${before.deliveryId})`
    : pool``;
  return pool<StoredDelivery[]>`
    select ${columns(pool)} from delivery
    where ${matches(pool, filter)} ${beyond}
    order by received_at desc, delivery_id desc
    limit ${limit}
  `;
}

/** Oldest first, up to the delivery that was the newest. */
export function selectOnwards(
  sql: Pool | Tx,
  filter: DeliveryFilter,
  {
    after,
    deliveryIdMax,
  }: { readonly after: Position | undefined; readonly deliveryIdMax: bigint },
  limit: number,
): Promise<StoredDelivery[]> {
  const beyond = after
    ? sql`and (received_at, delivery_id) > (${after.receivedAt}, ${after.deliveryId})`
    : sql``;
  return sql<StoredDelivery[]>`
    select ${columns(sql)} from delivery
    where ${matches(sql, filter)} and delivery_id <= ${deliveryIdMax} ${beyond}
    order by received_at, delivery_id
    limit ${limit}
  `;
}

export async function countDeliveries(
  sql: Pool | Tx,
  filter: DeliveryFilter,
  deliveryIdMax: bigint,
): Promise<bigint> {
  const [row] = await sql<{ count: bigint }[]>`
    select count(*) as count from delivery
    where ${matches(sql, filter)} and delivery_id <= ${deliveryIdMax}
  `;
  return row?.count ?? 0n;
}

export async function selectDelivery(
  sql: Pool | Tx,
  webhookId: string,
): Promise<StoredDelivery | undefined> {
  const rows = await sql<StoredDelivery[]>`
    select ${columns(sql)} from delivery where webhook_id = ${webhookId}
  `;
  return rows[0];
}

/** Until the SQL transaction ends they change for nobody else; in one order, so none deadlock. */
export function lockDeliveries(tx: Tx, webhookIds: readonly string[]): Promise<StoredDelivery[]> {
  return tx<StoredDelivery[]>`
    select ${columns(tx)} from delivery
    where webhook_id = any (${webhookIds}::text[])
    order by webhook_id
    for update
  `;
}

/** The condition that a filter makes, in only those words that its indexes know. */
function matches(sql: Sql, filter: DeliveryFilter) {
  const { endpointId, eventType, eventId, outcome, provider, tenantId, flag = 0 } = filter;
  const from = timeOf("received_from", filter.receivedFrom);
  const before = timeOf("received_before", filter.receivedBefore);
  return sql`true
    ${endpointId === "" ? sql`` : sql`and endpoint_id = ${endpointId}`}
    ${eventType === "" ? sql`` : sql`and event_type = ${eventType}`}
    ${eventId === "" ? sql`` : sql`and event_id <> '' and event_id = ${eventId}`}
    ${outcome === 0 ? sql`` : sql`and outcome = ${outcome}`}
    ${provider === "" ? sql`` : sql`and provider = ${provider}`}
    ${tenantId === "" ? sql`` : sql`and tenant_id <> '' and tenant_id = ${tenantId}`}
    ${flag === 0 ? sql`` : sql`and flags <> '{}' and ${flag}::int = any (flags)`}
    ${from === undefined ? sql`` : sql`and received_at >= ${from}`}
    ${before === undefined ? sql`` : sql`and received_at < ${before}`}
  `;
}

/** Refuses what no filter can mean, before anything is done about it. */
export function checkFilter({ receivedFrom, receivedBefore }: DeliveryFilter): void {
  timeOf("received_from", receivedFrom);
  timeOf("received_before", receivedBefore);
}

/** The first and the last second of the years 1 to 9999, as in protobuf. */
const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

function timeOf(field: string, time: Timestamp | undefined): Date | undefined {
  if (time === undefined) return undefined;
  if (time.seconds >= secondsMin && time.seconds <= secondsMax) return timestampDate(time);
  const problem = "must lie in the years 1 to 9999";
  throw refuseRequest(RequestRefusal.INVALID_FIELD, `${field} ${problem}`, [{ field, problem }]);
}

function columns(sql: Sql) {
  return sql`
    delivery_id as "deliveryId", webhook_id as "webhookId", endpoint_id as "endpointId", provider,
    provider_account as "providerAccount", tenant_id as "tenantId", event_type as "eventType",
    event_id as "eventId", received_at as "receivedAt", outcome,
    published_events as "publishedEvents", published_digests as "publishedDigests",
    stream_sequence as "streamSequence", flags, repeats, reason
  `;
}
