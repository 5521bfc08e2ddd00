// The SQL of statistics. Every process adds its sums to the same rows, in the order of their
// keys, so that two that flush at once never wait for each other in a circle.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { HourDelta, StatisticsDeltas } from "./collect.ts";
import { type EndpointState, mergeState, stateAtFirst } from "./merge.ts";

/** All or nothing; where the connection is lost while it commits, what it held may count twice. */
export async function writeStatistics(pool: Pool, deltas: StatisticsDeltas): Promise<void> {
  await inTransaction(pool, async (tx) => {
    await addHours(tx, deltas.hours);
    const byId = new Map(deltas.states.map((state) => [state.endpointId, state]));
    const ids = [...byId.keys()].sort();
    await tx`
      insert into endpoint_state (endpoint_id, failures_in_a_row)
      select id, 0 from unnest(${ids}::text[]) as it (id) order by id
      on conflict do nothing
    `;
    const rows = await selectStates(tx, ids);
    for (const id of ids) {
      const state = mergeState(rows.get(id) ?? stateAtFirst, byId.get(id)!);
      await tx`
        update endpoint_state
        set last_acked_at = ${state.lastAckedAt}, last_failed_at = ${state.lastFailedAt},
          failures_in_a_row = ${state.failuresInARow}, failing_since = ${state.failingSince}
        where endpoint_id = ${id}
      `;
    }
  });
}

async function addHours(tx: Tx, hours: readonly HourDelta[]): Promise<void> {
  if (hours.length === 0) return;
  await tx`
    insert into endpoint_hour (endpoint_id, hour, kind, reason, count)
    select endpoint_id, hour, kind, reason, count
    from unnest(
      ${hours.map(({ endpointId }) => endpointId)}::text[],
      ${hours.map(({ hour }) => new Date(hour))}::timestamptz[],
      ${hours.map(({ kind }) => kind)}::text[],
      ${hours.map(({ reason }) => reason)}::text[],
      ${hours.map(({ count }) => count)}::bigint[]
    ) as it (endpoint_id, hour, kind, reason, count)
    order by endpoint_id, hour, kind, reason
    on conflict (endpoint_id, hour, kind, reason) do update
    set count = endpoint_hour.count + excluded.count
  `;
}

async function selectStates(tx: Tx, ids: readonly string[]) {
  const rows = await tx<(EndpointState & { endpointId: string; failures: bigint })[]>`
    select endpoint_id as "endpointId", last_acked_at as "lastAckedAt",
      last_failed_at as "lastFailedAt", failures_in_a_row as failures,
      failing_since as "failingSince"
    from endpoint_state
    where endpoint_id = any (${ids}::text[])
    order by endpoint_id
    for update
  `;
  return new Map(
    rows.map((row) => [row.endpointId, { ...row, failuresInARow: Number(row.failures) }]),
  );
}

export async function readStates(pool: Pool): Promise<Map<string, EndpointState>> {
  const rows = await pool<(EndpointState & { endpointId: string; failures: bigint })[]>`
    select endpoint_id as "endpointId", last_acked_at as "lastAckedAt",
      last_failed_at as "lastFailedAt", failures_in_a_row as failures,
      failing_since as "failingSince"
    from endpoint_state
  `;
  return new Map(
    rows.map((row) => [row.endpointId, { ...row, failuresInARow: Number(row.failures) }]),
  );
}

export type Counted = {
  readonly endpointId: string;
  readonly kind: HourDelta["kind"];
  readonly reason: string;
  readonly count: bigint;
};

/** Most frequent first. */
export function readCounts(pool: Pool, endpointId: string, hours: number): Promise<Counted[]> {
  return pool<Counted[]>`
    select endpoint_id as "endpointId", kind, reason, sum(count)::bigint as count
    from endpoint_hour
    where hour > now() - ${hours} * interval '1 hour'
      ${endpointId === "" ? pool`` : pool`and endpoint_id = ${endpointId}`}
    group by endpoint_id, kind, reason
    order by count desc, reason
  `;
}

/** Some of what is older than anybody may ask for; how many. */
export async function deleteOldHours(pool: Pool, limit: number): Promise<number> {
  const { count } = await pool`
    delete from endpoint_hour where ctid in (
      select ctid from endpoint_hour where hour < now() - interval '30 days' limit ${limit}
    )
  `;
  return count;
}
