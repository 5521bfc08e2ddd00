// The SQL of replays. One function a statement.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type DeliveryFilter,
  DeliveryFilterSchema,
  ReplayState,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { AnyRow, Statement } from "#mesh/database/statement.ts";
import type { Position } from "../delivery-rows.ts";

export type ReplayRow = {
  readonly replayId: bigint;
  readonly requestId: string;
  readonly filter: DeliveryFilter;
  readonly state: ReplayState;
  readonly deliveryIdMax: bigint;
  /** Null until it begins. */
  readonly selected: bigint | null;
  readonly handled: bigint;
  readonly changed: bigint;
  readonly missing: bigint;
  readonly givenUp: bigint;
  readonly position: Position | undefined;
  readonly createdAt: Date;
  readonly endedAt: Date | null;
};

/** What a step adds. */
export type Tally = {
  readonly handled: number;
  readonly changed: number;
  readonly missing: number;
  readonly givenUp: number;
};

/** The replay of this request id, whether this call or an earlier one made it. */
export async function insertReplay(
  tx: Tx,
  requestId: string,
  filter: DeliveryFilter,
): Promise<ReplayRow> {
  await tx`
    insert into replay (request_id, filter, state, delivery_id_max)
    values (${requestId}, ${encodeFilter(filter)}, ${ReplayState.RUNNING},
      coalesce((select max(delivery_id) from delivery), 0))
    on conflict (request_id) do nothing
  `;
  const rows = await select(tx, tx`where request_id = ${requestId}`);
  return rows[0]!;
}

/** Equal filters have equal bytes: every field is known and stands in its order. */
export function encodeFilter(filter: DeliveryFilter): Uint8Array {
  const known = create(DeliveryFilterSchema, filter);
  return toBinary(DeliveryFilterSchema, known, { writeUnknownFields: false });
}

export async function selectReplay(sql: Pool | Tx, replayId: bigint) {
  const [row] = await select(sql, sql`where replay_id = ${replayId}`);
  return row;
}

/** Newest first. */
export function selectReplays(pool: Pool, before: bigint | undefined, limit: number) {
  const beyond = before === undefined ? pool`` : pool`where replay_id < ${before}`;
  return select(pool, pool`${beyond} order by replay_id desc limit ${limit}`);
}

/** The one whose turn it is. */
export async function selectRunning(pool: Pool) {
  const [row] = await select(pool, pool`where state = 1 order by replay_id limit 1`);
  return row;
}

export async function begin(pool: Pool, replayId: bigint, selected: bigint): Promise<void> {
  await pool`update replay set selected = ${selected} where replay_id = ${replayId}`;
}

/** Another process went on with the replay: a lead whose session was lost is nobody's to keep. */
export class Overtaken extends Error {
  override name = "Overtaken";
}

/** From where the replay was found, or not at all: then nothing is counted twice. */
export async function advance(
  tx: Tx,
  { replayId, position }: Pick<ReplayRow, "replayId" | "position">,
  { receivedAt, deliveryId }: Position,
  { handled, changed, missing, givenUp }: Tally,
): Promise<void> {
  const { count } = await tx`
    update replay
    set position_received_at = ${receivedAt}, position_delivery_id = ${deliveryId},
      handled = handled + ${handled}, changed = changed + ${changed},
      missing = missing + ${missing}, given_up = given_up + ${givenUp}
    where replay_id = ${replayId}
      and position_delivery_id is not distinct from ${position?.deliveryId ?? null}::bigint
  `;
  if (count === 0) throw new Overtaken(`another process goes on with replay ${replayId}`);
}

/** One that has ended stays as it is. */
export async function end(pool: Pool, replayId: bigint, state: ReplayState): Promise<void> {
  await pool`
    update replay set state = ${state}, ended_at = now()
    where replay_id = ${replayId} and state = ${ReplayState.RUNNING}
  `;
}

type Stored = Omit<ReplayRow, "filter" | "position"> & {
  readonly filter: Buffer;
  readonly positionReceivedAt: Date | null;
  readonly positionDeliveryId: bigint | null;
};

async function select(sql: Pool | Tx, which: Statement<AnyRow[]>): Promise<ReplayRow[]> {
  const rows = await sql<Stored[]>`
    select replay_id as "replayId", request_id as "requestId", filter, state,
      delivery_id_max as "deliveryIdMax", selected, handled, changed, missing,
      given_up as "givenUp", position_received_at as "positionReceivedAt",
      position_delivery_id as "positionDeliveryId", created_at as "createdAt",
      ended_at as "endedAt"
    from replay ${which}
  `;
  return rows.map(({ positionReceivedAt, positionDeliveryId, ...row }) => ({
    ...row,
    filter: fromBinary(DeliveryFilterSchema, row.filter),
    position:
      positionReceivedAt !== null && positionDeliveryId !== null
        ? { receivedAt: positionReceivedAt, deliveryId: positionDeliveryId }
        : undefined,
  }));
}
