// The SQL of revisions. Rows are inserted and read; the database itself forbids
// everything else.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { Publication } from "./decide-publish.ts";

export type RevisionKey = { readonly courseId: string; readonly revision: number };

export type NewRevision = RevisionKey & {
  readonly title: string;
  readonly slug: string;
  readonly snapshot: Buffer;
  readonly sha256: Buffer;
  readonly outline: Buffer;
  readonly publishTime: Date;
  readonly author: string;
  readonly prerequisiteCourseIds: readonly string[];
};

export async function insertRevision(tx: Tx, revision: NewRevision): Promise<void> {
  await tx`
    insert into course_revision
      (course_id, revision, title, slug, snapshot, sha256, outline, publish_time, author,
       prerequisite_course_ids)
    values (${revision.courseId}, ${revision.revision}, ${revision.title}, ${revision.slug},
            ${revision.snapshot}, ${revision.sha256}, ${revision.outline},
            ${revision.publishTime}, ${revision.author},
            ${[...revision.prerequisiteCourseIds]}::text[])
  `;
}

export type RevisionLesson = {
  readonly lessonId: string;
  readonly freePreview: boolean;
  readonly prerequisiteLessonIds: readonly string[];
  readonly bytes: Buffer;
};

/** A statement's bytes are bounded by both: a lesson can be large, and there can be many. */
const rowsMax = 100;
const bytesMax = 8 * 1024 * 1024;

export async function insertRevisionLessons(
  tx: Tx,
  { courseId, revision }: RevisionKey,
  lessons: readonly RevisionLesson[],
): Promise<void> {
  for (let start = 0; start < lessons.length; ) {
    const rows = batchFrom(lessons, start);
    await tx`
      insert into revision_lesson
        (course_id, revision, lesson_id, free_preview, lesson, position, prerequisite_lesson_ids)
      select ${courseId}, ${revision}, lesson_id, free_preview, lesson, ${start} + position - 1,
             array(select jsonb_array_elements_text(prerequisites))
      from unnest(
        ${rows.map(({ lessonId }) => lessonId)}::text[],
        ${rows.map(({ freePreview }) => freePreview)}::boolean[],
        ${rows.map(({ bytes }) => bytes)}::bytea[],
        ${rows.map(({ prerequisiteLessonIds }) => JSON.stringify(prerequisiteLessonIds))}::jsonb[]
      ) with ordinality as row (lesson_id, free_preview, lesson, prerequisites, position)
    `;
    start += rows.length;
  }
}

/** One at least. */
function batchFrom(lessons: readonly RevisionLesson[], start: number): readonly RevisionLesson[] {
  let bytes = 0;
  let end = start;
  while (end < lessons.length && end - start < rowsMax) {
    bytes += lessons[end]?.bytes.length ?? 0;
    if (bytes > bytesMax && end > start) break;
    end++;
  }
  return lessons.slice(start, end);
}

/** Zero when the course has none. */
export async function readLastRevision(tx: Tx, courseId: string): Promise<number> {
  const [row] = await tx<{ last: number | null }[]>`
    select max(revision) as last from course_revision where course_id = ${courseId}
  `;
  return row?.last ?? 0;
}

export async function readPublication(
  tx: Tx,
  { courseId, revision }: RevisionKey,
): Promise<(Publication & { readonly author: string }) | undefined> {
  const [row] = await tx<(Publication & { author: string })[]>`
    select revision, encode(sha256, 'hex') as sha256, publish_time as "publishTime", author
    from course_revision
    where course_id = ${courseId} and revision = ${revision}
  `;
  return row;
}

export type RevisionRow = RevisionKey & {
  readonly slug: string;
  readonly defaultLocale: string;
  readonly snapshot: Buffer;
  readonly sha256: Buffer;
  readonly publishTime: Date;
};

export async function readRevisionRow(
  sql: Pool | Tx,
  { courseId, revision }: RevisionKey,
): Promise<RevisionRow | undefined> {
  const [row] = await sql<RevisionRow[]>`
    select r.course_id as "courseId", r.revision, c.slug, c.default_locale as "defaultLocale",
           r.snapshot, r.sha256, r.publish_time as "publishTime"
    from course_revision r
    join course c using (course_id)
    where r.course_id = ${courseId} and r.revision = ${revision}
  `;
  return row;
}

export type RevisionSummaryRow = Omit<RevisionRow, "snapshot"> & {
  readonly title: string;
  readonly author: string;
  readonly createTime: Date;
  readonly lessonCount: number;
};

/** Newest first; one more than fit on the page. */
export async function readRevisions(
  pool: Pool,
  courseId: string,
  { size, after }: Page,
): Promise<RevisionSummaryRow[]> {
  return pool<RevisionSummaryRow[]>`
    select r.course_id as "courseId", r.revision, c.slug, c.default_locale as "defaultLocale",
           r.title, r.sha256, r.publish_time as "publishTime", r.author,
           r.create_time as "createTime",
           (select count(*)::int from revision_lesson l
            where l.course_id = r.course_id and l.revision = r.revision) as "lessonCount"
    from course_revision r
    join course c using (course_id)
    where r.course_id = ${courseId}
      and (${after ?? null}::int is null or r.revision < ${after ?? null}::int)
    order by r.revision desc
    limit ${size + 1}
  `;
}
