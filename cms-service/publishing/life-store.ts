// The SQL of a course's life: where its pointers stand, what was done to them, and
// what has come due. The clock is the database's, as it is for what learners see.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { CourseLife, LogEntry, LogKind } from "./life.ts";

export type LifeNow = { readonly life: CourseLife; readonly now: Date };

/** The course is locked: what is read here stays so. */
export async function readLife(tx: Tx, courseId: string): Promise<LifeNow | undefined> {
  const [row] = await tx<(CourseLife & { readonly now: Date })[]>`
    select published_revision as "publishedRevision", scheduled_revision as "scheduledRevision",
           scheduled_time as "scheduledTime", unpublish_time as "unpublishTime",
           archive_time as "archiveTime",
           date_trunc('milliseconds', clock_timestamp()) as now
    from course where course_id = ${courseId}
  `;
  if (!row) return undefined;
  const { now, ...life } = row;
  return { life, now };
}

/** The draft stays as it is, and so does its version. */
export async function writeLife(tx: Tx, courseId: string, life: CourseLife): Promise<void> {
  await tx`
    update course
    set published_revision = ${life.publishedRevision},
        scheduled_revision = ${life.scheduledRevision},
        scheduled_time = ${life.scheduledTime},
        unpublish_time = ${life.unpublishTime},
        archive_time = ${life.archiveTime}
    where course_id = ${courseId}
  `;
}

export async function insertPublication(
  tx: Tx,
  courseId: string,
  { kind, fromRevision, toRevision, effectiveTime }: LogEntry,
  actor: string,
): Promise<void> {
  await tx`
    insert into course_publication
      (course_id, kind, from_revision, to_revision, actor, effective_time)
    values (${courseId}, ${kind}, ${fromRevision}, ${toRevision}, ${actor}, ${effectiveTime})
  `;
}

export type PublicationRow = {
  readonly publicationId: bigint;
  readonly kind: LogKind;
  readonly fromRevision: number | null;
  readonly toRevision: number | null;
  readonly actor: string;
  readonly effectiveTime: Date;
  readonly recordTime: Date;
};

/** Newest first; one more than fit on the page. */
export async function readPublications(
  pool: Pool,
  courseId: string,
  { size, after }: Page,
): Promise<PublicationRow[]> {
  return pool<PublicationRow[]>`
    select publication_id as "publicationId", kind, from_revision as "fromRevision",
           to_revision as "toRevision", actor, effective_time as "effectiveTime",
           record_time as "recordTime"
    from course_publication
    where course_id = ${courseId}
      and (${after ?? null}::bigint is null or publication_id < ${after ?? null}::bigint)
    order by publication_id desc
    limit ${size + 1}
  `;
}

/** Those that have been due longest. */
export async function readDue(pool: Pool, max: number): Promise<string[]> {
  const rows = await pool<{ courseId: string }[]>`
    select course_id as "courseId" from course
    where scheduled_time <= now() and delete_time is null
    order by scheduled_time, course_id
    limit ${max}
  `;
  return rows.map(({ courseId }) => courseId);
}

/** False when it is due no more, or somebody else has it locked. */
export async function lockDue(tx: Tx, courseId: string): Promise<boolean> {
  const rows = await tx`
    select from course
    where course_id = ${courseId} and scheduled_time <= now() and delete_time is null
    for update skip locked
  `;
  return rows.length === 1;
}

export type Overdue = { readonly count: number; readonly oldestSeconds: number };

export async function readOverdue(pool: Pool): Promise<Overdue> {
  const [row] = await pool<Overdue[]>`
    select count(*)::int as count,
           coalesce(extract(epoch from now() - min(scheduled_time)), 0)::float8 as "oldestSeconds"
    from course where scheduled_time <= now() and delete_time is null
  `;
  return row ?? { count: 0, oldestSeconds: 0 };
}
