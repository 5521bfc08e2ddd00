// The SQL of enrollments as they are asked for. An enrollment that never opened
// anything is not there.

import type { Pool } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { Enrollment, EnrollmentState, Grant } from "./enrollment.ts";

/** The hot path: one row by its primary key. */
export async function readState(
  pool: Pool,
  learnerId: string,
  courseId: string,
): Promise<EnrollmentState> {
  const [row] = await pool<{ state: EnrollmentState }[]>`
    select state from enrollment where learner_id = ${learnerId} and course_id = ${courseId}
  `;
  return row?.state ?? "none";
}

export type GrantRow = Grant & {
  readonly grantId: string;
  readonly createTime: Date;
  readonly updateTime: Date;
};

export type GrantedEnrollment = Enrollment & {
  readonly createTime: Date;
  readonly grants: readonly GrantRow[];
};

export async function readEnrollment(
  pool: Pool,
  learnerId: string,
  courseId: string,
): Promise<GrantedEnrollment | undefined> {
  const rows = await pool<EnrollmentRow[]>`
    select e.learner_id as "learnerId", e.course_id as "courseId", e.state as "enrollmentState",
           e.create_time as "enrollTime", g.grant_id as "grantId", g.ledger_id as "ledgerId",
           g.payment_id as "paymentId", g.order_id as "orderId", g.state,
           g.source_version as "sourceVersion", g.create_time as "createTime",
           g.update_time as "updateTime"
    from enrollment e
    join enrollment_grant g using (learner_id, course_id)
    where learner_id = ${learnerId} and course_id = ${courseId} and e.state <> 'none'
    order by g.create_time, g.grant_id
  `;
  return withGrants(rows)[0];
}

/** By course; one more than fit on the page. */
export async function readEnrollments(
  pool: Pool,
  learnerId: string,
  { size, after }: Page,
): Promise<GrantedEnrollment[]> {
  const rows = await pool<EnrollmentRow[]>`
    select e.learner_id as "learnerId", e.course_id as "courseId", e.state as "enrollmentState",
           e.create_time as "enrollTime", g.grant_id as "grantId", g.ledger_id as "ledgerId",
           g.payment_id as "paymentId", g.order_id as "orderId", g.state,
           g.source_version as "sourceVersion", g.create_time as "createTime",
           g.update_time as "updateTime"
    from (
      select learner_id, course_id, state, create_time from enrollment
      where learner_id = ${learnerId} and state <> 'none'
        and (${after ?? null}::text is null or course_id > ${after ?? null})
      order by course_id
      limit ${size + 1}
    ) e
    join enrollment_grant g using (learner_id, course_id)
    order by e.course_id, g.create_time, g.grant_id
  `;
  return withGrants(rows);
}

type EnrollmentRow = GrantRow & {
  readonly enrollmentState: EnrollmentState;
  readonly enrollTime: Date;
};

function withGrants(rows: readonly EnrollmentRow[]): GrantedEnrollment[] {
  const rowsByCourse = Map.groupBy(rows, ({ courseId }) => courseId);
  return [...rowsByCourse.values()].flatMap((grants) => {
    const [first] = grants;
    if (!first) return [];
    const { learnerId, courseId, enrollmentState: state, enrollTime: createTime } = first;
    return [{ learnerId, courseId, state, createTime, grants }];
  });
}
