// The SQL of what a revision holds. Its rows are never changed, so that what was
// read once is true for good.

import type { Pool } from "#mesh/database/pool.ts";

export type RevisionKey = { readonly courseId: string; readonly revision: number };
export type LessonKey = RevisionKey & { readonly lessonId: string };

export type LessonRow = LessonKey & { readonly defaultLocale: string; readonly lesson: Buffer };

export async function readLessons(pool: Pool, keys: readonly LessonKey[]): Promise<LessonRow[]> {
  return pool<LessonRow[]>`
    select r.course_id as "courseId", r.revision, r.lesson_id as "lessonId", r.lesson,
           c.default_locale as "defaultLocale"
    from unnest(${keys.map(({ courseId }) => courseId)}::text[],
                ${keys.map(({ revision }) => revision)}::int[],
                ${keys.map(({ lessonId }) => lessonId)}::text[])
      as key (course_id, revision, lesson_id)
    join revision_lesson r using (course_id, revision, lesson_id)
    join course c using (course_id)
  `;
}

export type OutlineRow = RevisionKey & {
  readonly outline: Buffer;
  readonly sha256: Buffer;
  readonly publishTime: Date;
  readonly defaultLocale: string;
};

export async function readOutlines(
  pool: Pool,
  keys: readonly RevisionKey[],
): Promise<OutlineRow[]> {
  return pool<OutlineRow[]>`
    select r.course_id as "courseId", r.revision, r.outline, r.sha256,
           r.publish_time as "publishTime", c.default_locale as "defaultLocale"
    from unnest(${keys.map(({ courseId }) => courseId)}::text[],
                ${keys.map(({ revision }) => revision)}::int[]) as key (course_id, revision)
    join course_revision r using (course_id, revision)
    join course c using (course_id)
  `;
}
