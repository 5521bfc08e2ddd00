// The SQL of what learners see. Every statement goes through the pointer to the
// published revision, so no draft can be reached from here.

import type { Pool } from "#mesh/database/pool.ts";
import type { EnrollmentState } from "../access/enrollment.ts";
import type { Page } from "../requests/page.ts";

export type PublishedCourse = {
  readonly courseId: string;
  readonly revision: number;
  readonly title: string;
  readonly slug: string;
  readonly publishTime: Date;
};

export type PublishedOutline = PublishedCourse & { readonly outline: Buffer };

export async function readOutlineById(
  pool: Pool,
  courseId: string,
): Promise<PublishedOutline | undefined> {
  const [row] = await pool<PublishedOutline[]>`
    ${outlines(pool)} where c.course_id = ${courseId}
  `;
  return row;
}

export async function readOutlineBySlug(
  pool: Pool,
  slug: string,
): Promise<PublishedOutline | undefined> {
  const [row] = await pool<PublishedOutline[]>`${outlines(pool)} where c.slug = ${slug}`;
  return row;
}

function outlines(pool: Pool) {
  return pool`
    select r.course_id as "courseId", r.revision, r.title, r.slug,
           r.publish_time as "publishTime", r.outline
    from course c
    join course_revision r on r.course_id = c.course_id and r.revision = c.published_revision
  `;
}

/** By slug; one more than fit on the page. */
export async function readPublishedCourses(
  pool: Pool,
  { size, after }: Page,
): Promise<PublishedCourse[]> {
  return pool<PublishedCourse[]>`
    select r.course_id as "courseId", r.revision, r.title, r.slug, r.publish_time as "publishTime"
    from course c
    join course_revision r on r.course_id = c.course_id and r.revision = c.published_revision
    where c.published_revision is not null
      and (${after ?? null}::text is null or c.slug > ${after ?? null})
    order by c.slug
    limit ${size + 1}
  `;
}

export type PublishedLesson = {
  readonly courseId: string;
  readonly revision: number;
  readonly freePreview: boolean;
  readonly lesson: Buffer;
  /** Null when the learner was never enrolled, or there is none. */
  readonly enrollmentState: EnrollmentState | null;
};

export async function readPublishedLesson(
  pool: Pool,
  lessonId: string,
  learnerId: string | undefined,
): Promise<PublishedLesson | undefined> {
  const [row] = await pool<PublishedLesson[]>`
    select r.course_id as "courseId", r.revision, r.free_preview as "freePreview", r.lesson,
           e.state as "enrollmentState"
    from lesson l
    join course c on c.course_id = l.course_id
    join revision_lesson r
      on r.course_id = c.course_id and r.revision = c.published_revision
      and r.lesson_id = l.lesson_id
    left join enrollment e on e.learner_id = ${learnerId ?? null} and e.course_id = c.course_id
    where l.lesson_id = ${lessonId}
  `;
  return row;
}
