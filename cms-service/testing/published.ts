// What others make, put straight into the tables, for tests of what follows from it: courses that
// are published, and orders with terms of their own.

import { createHash } from "node:crypto";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { newId } from "../requests/identifiers.ts";

export type PublishedLesson = {
  readonly lessonId: string;
  readonly freePreview?: boolean;
  readonly prerequisiteLessonIds?: readonly string[];
};

export type PublishedCourse = {
  readonly courseId?: string;
  readonly lessons?: readonly PublishedLesson[];
  readonly prerequisiteCourseIds?: readonly string[];
};

/** Its first revision, live. */
export async function insertPublishedCourse(
  pool: Pool,
  { courseId = newId("crs"), lessons = [], prerequisiteCourseIds = [] }: PublishedCourse = {},
): Promise<string> {
  const slug = courseId.replace("_", "-");
  const snapshot = Buffer.from(courseId);
  const sha256 = createHash("sha256").update(snapshot).digest();
  await pool`insert into course (course_id, slug, title) values (${courseId}, ${slug}, 'Algebra')`;
  await pool`
    insert into course_revision
      (course_id, revision, title, slug, snapshot, sha256, outline, publish_time,
       prerequisite_course_ids)
    values (${courseId}, 1, 'Algebra', ${slug}, ${snapshot}, ${sha256}, ${Buffer.alloc(0)}, now(),
            ${[...prerequisiteCourseIds]})
  `;
  for (const [position, lesson] of lessons.entries()) {
    const { lessonId, freePreview = false, prerequisiteLessonIds = [] } = lesson;
    await pool`
      insert into revision_lesson
        (course_id, revision, lesson_id, free_preview, lesson, position, prerequisite_lesson_ids)
      values (${courseId}, 1, ${lessonId}, ${freePreview}, ${Buffer.alloc(0)}, ${position},
              ${[...prerequisiteLessonIds]})
    `;
  }
  await pool`update course set published_revision = 1 where course_id = ${courseId}`;
  return courseId;
}

export type InsertedOrder = {
  readonly orderId?: string;
  readonly learnerId: string;
  readonly courseIds: readonly string[];
  readonly dueMinor?: bigint;
  readonly accessDurationS?: bigint | null;
};

/** Pending, of 100.00 USD unless told otherwise. */
export async function insertTestOrder(sql: Pool | Tx, order: InsertedOrder): Promise<string> {
  const { orderId = newId("ord"), learnerId, courseIds } = order;
  const { dueMinor = 10_000n, accessDurationS = null } = order;
  const [offerId, priceId] = [newId("off"), newId("prc")];
  await sql`insert into offer (offer_id, title) values (${offerId}, 'Everything')`;
  await sql`
    insert into price (price_id, offer_id, currency_code, amount_minor)
    values (${priceId}, ${offerId}, 'USD', ${dueMinor})
  `;
  await sql`
    insert into "order" (order_id, learner_id, offer_id, price_id, course_ids, currency_code,
                         list_minor, discount_minor, due_minor, access_duration_s, expire_time)
    values (${orderId}, ${learnerId}, ${offerId}, ${priceId}, ${[...courseIds]}, 'USD',
            ${dueMinor}, 0, ${dueMinor}, ${accessDurationS}, now() + interval '7 days')
  `;
  return orderId;
}
