// The SQL of publications. Rows are inserted and read; the database itself
// forbids everything else.

import type { Tx } from "#mesh/database/pool.ts";
import type { Publication } from "./rules.ts";

export type Revision = {
  readonly courseId: string;
  readonly revision: number;
  readonly title: string;
  readonly slug: string;
  readonly snapshot: Buffer;
  readonly sha256: Buffer;
  readonly outline: Buffer;
  readonly publishTime: Date;
};

/** The revision that learners see. */
export async function readPublished(
  tx: Tx,
  courseId: string,
): Promise<(Publication & { readonly publishTime: Date }) | undefined> {
  const [row] = await tx<(Publication & { publishTime: Date })[]>`
    select r.revision, encode(r.sha256, 'hex') as sha256, r.publish_time as "publishTime"
    from course c
    join course_revision r on r.course_id = c.course_id and r.revision = c.published_revision
    where c.course_id = ${courseId}
  `;
  return row;
}

export async function insertRevision(tx: Tx, revision: Revision): Promise<void> {
  await tx`
    insert into course_revision
      (course_id, revision, title, slug, snapshot, sha256, outline, publish_time)
    values (${revision.courseId}, ${revision.revision}, ${revision.title}, ${revision.slug},
            ${revision.snapshot}, ${revision.sha256}, ${revision.outline},
            ${revision.publishTime})
  `;
}

export type RevisionLesson = {
  readonly lessonId: string;
  readonly freePreview: boolean;
  readonly bytes: Buffer;
};

/** A statement's bytes are bounded: a lesson is up to a quarter of a megabyte, twice that as text. */
const rowsMax = 100;

export async function insertRevisionLessons(
  tx: Tx,
  { courseId, revision }: Pick<Revision, "courseId" | "revision">,
  lessons: readonly RevisionLesson[],
): Promise<void> {
  for (let start = 0; start < lessons.length; start += rowsMax) {
    const rows = lessons.slice(start, start + rowsMax);
    await tx`
      insert into revision_lesson (course_id, revision, lesson_id, free_preview, lesson)
      select ${courseId}, ${revision}, * from unnest(
        ${rows.map(({ lessonId }) => lessonId)}::text[],
        ${rows.map(({ freePreview }) => freePreview)}::boolean[],
        ${rows.map(({ bytes }) => bytes)}::bytea[])
    `;
  }
}

/** The draft stays as it is, and so does its version. */
export async function pointTo(tx: Tx, courseId: string, revision: number): Promise<void> {
  await tx`update course set published_revision = ${revision} where course_id = ${courseId}`;
}
