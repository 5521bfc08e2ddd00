// The SQL of which revision learners see, now. It is read for every answer and
// never kept, so that what was published is there with the next call.

import type { Pool } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";

/** A course that learners see. */
export type LiveCourse = {
  readonly courseId: string;
  readonly slug: string;
  readonly revision: number;
  /** False: archived. */
  readonly listed: boolean;
};

export async function readLiveCourses(
  pool: Pool,
  courseIds: readonly string[],
): Promise<LiveCourse[]> {
  return pool<LiveCourse[]>`
    select live.course_id as "courseId", live.slug, live.revision, live.listed
    from unnest(${[...courseIds]}::text[]) as asked (course_id)
    cross join lateral (
      select course_id, slug, revision, listed from live_course
      where course_id = asked.course_id limit 1
    ) live
  `;
}

/** By the slug it has or had. */
export async function readLiveCourseBySlug(
  pool: Pool,
  slug: string,
): Promise<LiveCourse | undefined> {
  const [row] = await pool<LiveCourse[]>`
    select course_id as "courseId", slug, revision, listed
    from live_course
    where course_id = coalesce((select course_id from course where slug = ${slug}),
                               (select course_id from course_slug where slug = ${slug}))
  `;
  return row;
}

/** The newest first; one more than fit on the page. */
export async function readListedCourses(pool: Pool, { size, after }: Page): Promise<LiveCourse[]> {
  return pool<LiveCourse[]>`
    select course_id as "courseId", slug, revision, listed
    from live_course
    where listed and (${after ?? null}::text is null or course_id < ${after ?? null})
    order by course_id desc
    limit ${size + 1}
  `;
}

/** Which course shows the lesson to learners. */
export async function readCoursesOfLessons(
  pool: Pool,
  lessonIds: readonly string[],
): Promise<{ readonly lessonId: string; readonly courseId: string }[]> {
  return pool<{ lessonId: string; courseId: string }[]>`
    select r.lesson_id as "lessonId", r.course_id as "courseId"
    from revision_lesson r
    join live_course live using (course_id, revision)
    where r.lesson_id = any(${[...lessonIds]})
  `;
}
