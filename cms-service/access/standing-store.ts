// The SQL of enrollments and of the grants they are summed up from, whatever
// their source. Who changes grants locks their enrollments first, by key, so
// that the sum is always of all of them.

import type { Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import type { Enrollment, EnrollmentChange, EnrollmentKey, Grant } from "./enrollment.ts";
import type { PaymentKey } from "./payment.ts";

/** By key. Makes those that are missing: what does not exist cannot be locked. */
export async function lockEnrollments(
  tx: Tx,
  keys: readonly EnrollmentKey[],
): Promise<Enrollment[]> {
  const [learnerIds, courseIds] = columnsOf(keys);
  await tx`
    insert into enrollment (learner_id, course_id)
    select distinct learner_id, course_id
    from unnest(${learnerIds}::text[], ${courseIds}::text[]) as key (learner_id, course_id)
    order by learner_id, course_id
    on conflict (learner_id, course_id) do nothing
  `;
  return tx<Enrollment[]>`
    select learner_id as "learnerId", course_id as "courseId", state, lapse_time as "lapseTime"
    from enrollment
    where (learner_id, course_id) in (
      select * from unnest(${learnerIds}::text[], ${courseIds}::text[]))
    order by learner_id, course_id
    for update
  `;
}

/** Those that run out last come first. */
export async function readGrants(tx: Tx, keys: readonly EnrollmentKey[]): Promise<Grant[]> {
  const [learnerIds, courseIds] = columnsOf(keys);
  return tx<Grant[]>`
    select ${termsColumns(tx)} from enrollment_grant
    where (learner_id, course_id) in (
      select * from unnest(${learnerIds}::text[], ${courseIds}::text[]))
    order by expire_time desc nulls first, grant_id
  `;
}

function termsColumns(sql: Sql) {
  return sql`
    learner_id as "learnerId", course_id as "courseId", source, source_id as "sourceId",
    source_version as "sourceVersion", ledger_id as "ledgerId", payment_id as "paymentId",
    order_id as "orderId", state, start_time as "startTime", expire_time as "expireTime"
  `;
}

/** Where the grants of the payments are. */
export async function readEnrollmentKeys(
  tx: Tx,
  payments: readonly PaymentKey[],
): Promise<EnrollmentKey[]> {
  if (payments.length === 0) return [];
  return tx<EnrollmentKey[]>`
    select distinct learner_id as "learnerId", course_id as "courseId" from enrollment_grant
    where (ledger_id, payment_id) in (
      select * from unnest(${payments.map(({ ledgerId }) => ledgerId)}::text[],
                           ${payments.map(({ paymentId }) => paymentId)}::text[]))
  `;
}

export async function updateEnrollments(
  tx: Tx,
  changes: readonly EnrollmentChange[],
  now: Date,
): Promise<void> {
  if (changes.length === 0) return;
  const [learnerIds, courseIds] = columnsOf(changes);
  await tx`
    update enrollment set state = new.state, lapse_time = new.lapse_time,
      change_time = case when enrollment.state = new.state then change_time else ${now} end
    from unnest(${learnerIds}::text[], ${courseIds}::text[],
                ${changes.map(({ state }) => state)}::text[],
                ${changes.map(({ lapseTime }) => lapseTime)}::timestamptz[])
      as new (learner_id, course_id, state, lapse_time)
    where enrollment.learner_id = new.learner_id and enrollment.course_id = new.course_id
  `;
}

/** Enrollments that the clock has moved, but for those that somebody else has locked. */
export async function lockLapsed(tx: Tx, max: number) {
  const rows = await tx<(Enrollment & { now: Date })[]>`
    select learner_id as "learnerId", course_id as "courseId", state, lapse_time as "lapseTime",
           now() as now
    from enrollment
    where lapse_time <= now()
    order by lapse_time
    limit ${max}
    for update skip locked
  `;
  return { enrollments: rows, now: rows[0]?.now ?? new Date() };
}

function columnsOf(keys: readonly EnrollmentKey[]): [learnerIds: string[], courseIds: string[]] {
  return [keys.map(({ learnerId }) => learnerId), keys.map(({ courseId }) => courseId)];
}
