// The SQL of grants as they are made by hand, and as they are asked for.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import type { Statement } from "#mesh/database/statement.ts";
import type { Page } from "../requests/page.ts";
import type { Grant } from "./enrollment.ts";

export type GrantRow = Grant & {
  readonly grantId: string;
  readonly reason: string;
  readonly actor: string;
  readonly revokeReason: string;
  readonly createTime: Date;
  readonly updateTime: Date;
};

export type NewGrant = Omit<GrantRow, "revokeReason" | "updateTime" | "ledgerId" | "paymentId">;

/** Answers those that were not there: a source grants a course to a learner once. */
export async function insertGrants(tx: Tx, grants: readonly NewGrant[]): Promise<string[]> {
  if (grants.length === 0) return [];
  const rows = await tx<{ grantId: string }[]>`
    insert into enrollment_grant
      (grant_id, source, source_id, learner_id, course_id, order_id, state, source_version,
       start_time, expire_time, reason, actor, create_time, update_time)
    select *, ${grants.map(({ createTime }) => createTime)[0] ?? null}::timestamptz
    from unnest(
      ${grants.map(({ grantId }) => grantId)}::text[],
      ${grants.map(({ source }) => source)}::text[],
      ${grants.map(({ sourceId }) => sourceId)}::text[],
      ${grants.map(({ learnerId }) => learnerId)}::text[],
      ${grants.map(({ courseId }) => courseId)}::text[],
      ${grants.map(({ orderId }) => orderId)}::text[],
      ${grants.map(({ state }) => state)}::text[],
      ${grants.map(({ sourceVersion }) => sourceVersion)}::bigint[],
      ${grants.map(({ startTime }) => startTime)}::timestamptz[],
      ${grants.map(({ expireTime }) => expireTime)}::timestamptz[],
      ${grants.map(({ reason }) => reason)}::text[],
      ${grants.map(({ actor }) => actor)}::text[],
      ${grants.map(({ createTime }) => createTime)}::timestamptz[])
    on conflict (source, source_id, learner_id, course_id)
      where source <> 'payment' and state <> 'revoked' do nothing
    returning grant_id as "grantId"
  `;
  return rows.map(({ grantId }) => grantId);
}

export async function readGrant(sql: Pool | Tx, grantId: string): Promise<GrantRow | undefined> {
  const [row] = await sql<GrantRow[]>`
    select ${grantColumns(sql)} from enrollment_grant g where grant_id = ${grantId}
  `;
  return row;
}

/** Its enrollment is locked by the caller. */
export async function revokeGrant(
  tx: Tx,
  grantId: string,
  { reason, now }: { readonly reason: string; readonly now: Date },
): Promise<void> {
  await tx`
    update enrollment_grant
    set state = 'revoked', source_version = source_version + 1, revoke_reason = ${reason},
        update_time = ${now}
    where grant_id = ${grantId}
  `;
}

/** By id; one more than fit on the page. */
export async function listGrants(
  pool: Pool,
  filter: Statement<readonly object[]>,
  { size, after }: Page,
): Promise<GrantRow[]> {
  return pool<GrantRow[]>`
    select ${grantColumns(pool)} from enrollment_grant g
    where ${filter} and (${after ?? null}::text is null or grant_id > ${after ?? null})
    order by grant_id
    limit ${size + 1}
  `;
}

/** Those of these courses that are there. */
export async function readGrantableCourses(tx: Tx, courseIds: readonly string[]) {
  const rows = await tx<{ courseId: string }[]>`
    select course_id as "courseId" from course
    where course_id = any(${[...courseIds]}) and delete_time is null
  `;
  return new Set(rows.map(({ courseId }) => courseId));
}

/** Of the table under the name `g`. */
export function grantColumns(sql: Sql) {
  return sql`
    g.grant_id as "grantId", g.learner_id as "learnerId", g.course_id as "courseId", g.source,
    g.source_id as "sourceId", g.source_version as "sourceVersion", g.ledger_id as "ledgerId",
    g.payment_id as "paymentId", g.order_id as "orderId", g.state, g.start_time as "startTime",
    g.expire_time as "expireTime", g.reason, g.actor, g.revoke_reason as "revokeReason",
    g.create_time as "createTime", g.update_time as "updateTime"
  `;
}
