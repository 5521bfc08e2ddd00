// Published courses for tests of what learners see, written straight into the
// tables: what a publication looks like is known, how it comes about is for others
// to test.

import { createHash, randomBytes } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type CourseRevision,
  CourseRevisionSchema,
  type Lesson,
  LessonSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { newId } from "../requests/identifiers.ts";
import { indexRevision } from "../search/index-revision.ts";

export type TestCourse = {
  readonly courseId: string;
  readonly slug: string;
  readonly content: TestContent;
};

export type TestContent = Exclude<MessageInitShape<typeof CourseRevisionSchema>, CourseRevision>;
export type TestLesson = Exclude<MessageInitShape<typeof LessonSchema>, Lesson>;

export type TestPublication = { readonly indexed?: boolean };

/** The next revision of the course, which is what learners see from now on. */
export async function publishTestCourse(
  pool: Pool,
  { courseId, slug, content }: TestCourse,
  { indexed = true }: TestPublication = {},
): Promise<CourseRevision> {
  const defaultLocale = content.defaultLocale ?? "en";
  const whole = create(CourseRevisionSchema, { ...content, courseId, slug, defaultLocale });
  return pool.begin(async (tx) => {
    await tx`
      insert into course (course_id, slug, title, default_locale)
      values (${courseId}, ${slug}, ${whole.title}, ${defaultLocale})
      on conflict (course_id) do nothing
    `;
    await tx`
      insert into course_slug (slug, course_id) values (${slug}, ${courseId})
      on conflict do nothing
    `;
    const [row] = await tx<{ revision: number }[]>`
      select coalesce(max(revision), 0) + 1 as revision from course_revision
      where course_id = ${courseId}
    `;
    const revision = { ...whole, revision: row?.revision ?? 0 };
    await insertRevision(tx, revision);
    if (indexed) await indexRevision(tx, revision);
    await tx`
      update course set published_revision = ${revision.revision}, slug = ${slug}
      where course_id = ${courseId}
    `;
    return revision;
  });
}

async function insertRevision(tx: Tx, revision: CourseRevision): Promise<void> {
  const { courseId, slug, title, prerequisiteCourseIds } = revision;
  const snapshot = Buffer.from(toBinary(CourseRevisionSchema, { ...revision, revision: 0 }));
  const outline = Buffer.from(toBinary(CourseRevisionSchema, withoutBlocks(revision)));
  await tx`
    insert into course_revision
      (course_id, revision, title, slug, snapshot, sha256, outline, publish_time,
       prerequisite_course_ids)
    values (${courseId}, ${revision.revision}, ${title}, ${slug}, ${snapshot},
            ${createHash("sha256").update(snapshot).digest()}, ${outline}, now(),
            ${prerequisiteCourseIds}::text[])
  `;
  const lessons = revision.modules.flatMap((module) => module.lessons);
  for (const [position, lesson] of lessons.entries()) {
    await tx`
      insert into revision_lesson
        (course_id, revision, lesson_id, free_preview, lesson, position, prerequisite_lesson_ids)
      values (${courseId}, ${revision.revision}, ${lesson.lessonId}, ${lesson.freePreview},
              ${Buffer.from(toBinary(LessonSchema, lesson))}, ${position},
              ${lesson.prerequisiteLessonIds}::text[])
    `;
  }
}

function withoutBlocks(revision: CourseRevision): CourseRevision {
  const modules = revision.modules.map((module) => ({
    ...module,
    lessons: module.lessons.map((lesson) => ({
      ...lesson,
      blocks: [],
      translations: lesson.translations.map((translation) => ({ ...translation, blocks: [] })),
    })),
  }));
  return { ...revision, modules };
}

/** A grant that somebody gave by hand. */
export async function grantTestAccess(
  pool: Pool,
  learnerId: string,
  courseId: string,
): Promise<void> {
  await pool`
    insert into enrollment (learner_id, course_id, state)
    values (${learnerId}, ${courseId}, 'active') on conflict do nothing
  `;
  await pool`
    insert into enrollment_grant
      (grant_id, source, source_id, course_id, learner_id, state, source_version, start_time)
    values (${newId("grt")}, 'manual', ${randomBytes(8).toString("hex")}, ${courseId},
            ${learnerId}, 'active', 1, now())
  `;
}

export const lessonOf = (
  lessonId: string,
  title: string,
  markdown: string,
  more: TestLesson = {},
) => ({
  lessonId,
  title,
  blocks: [{ blockId: newId("blk"), content: { case: "richText", value: { markdown } } as const }],
  ...more,
});
