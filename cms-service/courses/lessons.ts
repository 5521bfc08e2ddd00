// Lessons of drafts one by one, as their authors read them.

import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import {
  type Lesson,
  LessonSchema,
  LessonTranslationSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { notFound } from "../requests/refusal.ts";
import { etagOf } from "./rules.ts";

type Row = {
  readonly lessonId: string;
  readonly courseId: string;
  readonly moduleId: string;
  readonly title: string;
  readonly freePreview: boolean;
  readonly blocks: readonly JsonValue[];
  readonly translations: readonly JsonValue[];
  readonly prerequisiteLessonIds: string[];
  readonly version: bigint;
};

export type LessonOfCourse = { readonly lesson: Lesson; readonly courseId: string };

/** In the order of the ids. Throws a refusal when one of them is not there. */
export async function requireLessons(
  sql: Pool | Tx,
  lessonIds: readonly string[],
): Promise<readonly LessonOfCourse[]> {
  const rows = await sql<Row[]>`
    select l.lesson_id as "lessonId", l.course_id as "courseId", l.module_id as "moduleId",
           l.title, l.free_preview as "freePreview", l.blocks, l.translations, l.version,
           array(select prerequisite_lesson_id from lesson_prerequisite p
                 where p.lesson_id = l.lesson_id order by 1) as "prerequisiteLessonIds"
    from lesson l join course c using (course_id)
    where l.lesson_id = any(${[...lessonIds]}) and c.delete_time is null
  `;
  const byId = new Map(rows.map((row) => [row.lessonId, row]));
  return lessonIds.map((lessonId) => {
    const row = byId.get(lessonId);
    if (!row) throw notFound("LESSON_NOT_FOUND", lessonId);
    return { lesson: lessonToWire(row), courseId: row.courseId };
  });
}

export async function requireLesson(sql: Pool | Tx, lessonId: string): Promise<Lesson> {
  const [found] = await requireLessons(sql, [lessonId]);
  if (!found) throw notFound("LESSON_NOT_FOUND", lessonId);
  return found.lesson;
}

function lessonToWire({ blocks, translations, version, ...row }: Row): Lesson {
  const { lessonId, moduleId, title, freePreview, prerequisiteLessonIds } = row;
  return create(LessonSchema, {
    lessonId,
    moduleId,
    title,
    freePreview,
    prerequisiteLessonIds,
    blocks: blocks.map((block) => fromJson(BlockSchema, block)),
    translations: translations.map((each) => fromJson(LessonTranslationSchema, each)),
    etag: etagOf(version),
  });
}
