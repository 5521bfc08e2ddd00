// The desk's side of the quarantine: rows from the stream, for as long as they are kept.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { WebhookQuarantinedSchema } from "#gen/bursar/quarantine/v1/quarantine_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { ConsumerDefinition } from "#mesh/events/consumer-definition.ts";

export type QuarantinedRow = {
  readonly position: bigint;
  readonly quarantineId: string;
  readonly endpointId: string;
  readonly provider: string;
  readonly tenantId: string;
  readonly reason: string;
  readonly receivedAt: Date;
  readonly expiresAt: Date;
};

export type SealedRow = QuarantinedRow & { readonly sealed: Uint8Array };

const quarantineEvents = [WebhookQuarantinedSchema] as const;

export const quarantineConsumer: ConsumerDefinition<typeof quarantineEvents> = {
  consumer: "gateway-QUARANTINE",
  stream: "QUARANTINE",
  events: quarantineEvents,
  async handle(tx, batch) {
    await insert(
      tx,
      batch.map(({ message }) => ({
        ...message,
        receivedAt: timestampDate(message.receivedTime!),
        expiresAt: timestampDate(message.expireTime!),
      })),
    );
    return { verdicts: batch.map(() => ({ kind: "handled" })), arrived: [] };
  },
};

type NewRow = Omit<QuarantinedRow, "position"> & { readonly sealedRequest: Uint8Array };

/** One that has expired on its way is not written. */
async function insert(tx: Tx, rows: readonly NewRow[]): Promise<void> {
  await tx`
    insert into quarantined (quarantine_id, endpoint_id, provider, tenant_id, reason, received_at,
      expires_at, sealed_request)
    select * from unnest(
      ${rows.map(({ quarantineId }) => quarantineId)}::text[],
      ${rows.map(({ endpointId }) => endpointId)}::text[],
      ${rows.map(({ provider }) => provider)}::text[],
      ${rows.map(({ tenantId }) => tenantId)}::text[],
      ${rows.map(({ reason }) => reason)}::text[],
      ${rows.map(({ receivedAt }) => receivedAt)}::timestamptz[],
      ${rows.map(({ expiresAt }) => expiresAt)}::timestamptz[],
      ${rows.map(({ sealedRequest }) => sealedRequest)}::bytea[]
    ) as it (quarantine_id, endpoint_id, provider, tenant_id, reason, received_at, expires_at,
      sealed)
    where expires_at > now()
    on conflict (quarantine_id) do nothing
  `;
}

export type QuarantineFilter = { readonly endpointId: string; readonly reason: string };

/** Newest first. */
export function selectQuarantined(
  pool: Pool,
  { endpointId, reason }: QuarantineFilter,
  before: bigint | undefined,
  limit: number,
): Promise<QuarantinedRow[]> {
  return pool<QuarantinedRow[]>`
    select position, quarantine_id as "quarantineId", endpoint_id as "endpointId", provider,
      tenant_id as "tenantId", reason, received_at as "receivedAt", expires_at as "expiresAt"
    from quarantined
    where expires_at > now()
      ${endpointId === "" ? pool`` : pool`and endpoint_id = ${endpointId}`}
      ${reason === "" ? pool`` : pool`and reason = ${reason}`}
      ${before === undefined ? pool`` : pool`and position < ${before}`}
    order by position desc
    limit ${limit}
  `;
}

export type Selection = { readonly quarantineId: string; readonly endpointId: string };

/** Oldest first, after a position. */
export function selectSealed(
  pool: Pool,
  selection: Selection,
  after: bigint,
  limit: number,
): Promise<SealedRow[]> {
  return pool<SealedRow[]>`
    select position, quarantine_id as "quarantineId", endpoint_id as "endpointId", provider,
      tenant_id as "tenantId", reason, received_at as "receivedAt", expires_at as "expiresAt",
      sealed_request as sealed
    from quarantined
    where ${selected(pool, selection)} and position > ${after}
    order by position
    limit ${limit}
  `;
}

export async function countSealed(
  pool: Pool,
  selection: Selection,
  after: bigint,
): Promise<number> {
  const [row] = await pool<{ count: number }[]>`
    select count(*)::int as count from quarantined
    where ${selected(pool, selection)} and position > ${after}
  `;
  return row?.count ?? 0;
}

function selected(pool: Pool, { quarantineId, endpointId }: Selection) {
  return pool`expires_at > now()
    ${quarantineId === "" ? pool`` : pool`and quarantine_id = ${quarantineId}`}
    ${endpointId === "" ? pool`` : pool`and endpoint_id = ${endpointId}`}
  `;
}

export async function deleteQuarantined(pool: Pool, quarantineId: string): Promise<void> {
  await pool`delete from quarantined where quarantine_id = ${quarantineId}`;
}

/** Some of what has expired; how many. */
export async function deleteExpired(pool: Pool, limit: number): Promise<number> {
  const { count } = await pool`
    delete from quarantined where position in (
      select position from quarantined where expires_at <= now() order by expires_at limit ${limit}
    )
  `;
  return count;
}
