// The SQL of enrollments as they are asked for. An enrollment that never opened
// anything is not there.

import type { Pool } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import { type GrantRow, grantColumns } from "./grant-store.ts";

export type GrantedEnrollment = {
  readonly learnerId: string;
  readonly courseId: string;
  readonly createTime: Date;
  readonly grants: readonly GrantRow[];
  /** The moment that all of it is of. */
  readonly now: Date;
};

export async function readEnrollment(
  pool: Pool,
  learnerId: string,
  courseId: string,
): Promise<GrantedEnrollment | undefined> {
  const rows = await pool<EnrollmentRow[]>`
    select ${grantColumns(pool)}, e.create_time as "enrollTime", now() as now
    from enrollment e
    join enrollment_grant g using (learner_id, course_id)
    where learner_id = ${learnerId} and course_id = ${courseId} and ${hasOpened(pool)}
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
    select ${grantColumns(pool)}, e.create_time as "enrollTime", now() as now
    from (
      select learner_id, course_id, create_time from enrollment e
      where learner_id = ${learnerId} and ${hasOpened(pool)}
        and (${after ?? null}::text is null or course_id > ${after ?? null})
      order by course_id
      limit ${size + 1}
    ) e
    join enrollment_grant g using (learner_id, course_id)
    order by e.course_id, g.create_time, g.grant_id
  `;
  return withGrants(rows);
}

/** Of the grants, not of what was told last: the two need not be of one moment. */
function hasOpened(pool: Pool) {
  return pool`exists (
    select from enrollment_grant opened
    where opened.learner_id = e.learner_id and opened.course_id = e.course_id
      and opened.state <> 'void')`;
}

type EnrollmentRow = GrantRow & { readonly enrollTime: Date; readonly now: Date };

function withGrants(rows: readonly EnrollmentRow[]): GrantedEnrollment[] {
  const rowsByCourse = Map.groupBy(rows, ({ courseId }) => courseId);
  return [...rowsByCourse.values()].flatMap((held) => {
    const [first] = held;
    if (!first) return [];
    const { learnerId, courseId, enrollTime: createTime, now } = first;
    const grants = held.map(({ enrollTime: _enrollTime, now: _now, ...grant }) => grant);
    return [{ learnerId, courseId, createTime, grants, now }];
  });
}
