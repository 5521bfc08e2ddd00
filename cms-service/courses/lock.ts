// The lock of a course: every change of its tree or its life waits here for the
// one before.

import type { Tx } from "#mesh/database/pool.ts";
import { notFound } from "../requests/refusal.ts";

export type LockedCourse = {
  readonly courseId: string;
  readonly version: bigint;
  readonly ownVersion: bigint;
  readonly defaultLocale: string;
  readonly publishedRevision: number | null;
  readonly scheduledRevision: number | null;
  readonly scheduledTime: Date | null;
  readonly unpublishTime: Date | null;
  readonly archiveTime: Date | null;
};

/** Throws a refusal when there is no such course, or it was deleted. */
export async function lockCourse(tx: Tx, courseId: string): Promise<LockedCourse> {
  const [row] = await tx<LockedCourse[]>`
    select course_id as "courseId", version, own_version as "ownVersion",
           default_locale as "defaultLocale",
           published_revision as "publishedRevision", scheduled_revision as "scheduledRevision",
           scheduled_time as "scheduledTime", unpublish_time as "unpublishTime",
           archive_time as "archiveTime"
    from course where course_id = ${courseId} and delete_time is null
    for update
  `;
  if (!row) throw notFound("COURSE_NOT_FOUND", courseId);
  return row;
}
