// The SQL of modules and lessons. The course is locked by whoever changes one.

import { toJson } from "@bufbuild/protobuf";
import { type Block, BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import {
  type LessonTranslation,
  LessonTranslationSchema,
  type ModuleTranslation,
  ModuleTranslationSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Need } from "./cycle.ts";
import type { Ranked } from "./place.ts";

/** Ids of the courses; those that are not there are left out. */
export async function findCourseOfModule(tx: Tx, moduleId: string): Promise<string | undefined> {
  const [row] = await tx<{ courseId: string }[]>`
    select course_id as "courseId" from module where module_id = ${moduleId}
  `;
  return row?.courseId;
}

export type LessonPlace = {
  readonly courseId: string;
  readonly moduleId: string;
  readonly version: bigint;
};

export async function findLesson(
  sql: Pool | Tx,
  lessonId: string,
): Promise<LessonPlace | undefined> {
  const [row] = await sql<LessonPlace[]>`
    select course_id as "courseId", module_id as "moduleId", version
    from lesson where lesson_id = ${lessonId}
  `;
  return row;
}

export type ModulePlace = { readonly moduleId: string; readonly version: bigint };

/** In their order. */
export async function readModules(
  tx: Tx,
  courseId: string,
): Promise<readonly (ModulePlace & Ranked)[]> {
  return tx<(ModulePlace & Ranked)[]>`
    select module_id as id, module_id as "moduleId", rank, version
    from module where course_id = ${courseId} order by rank
  `;
}

/** In their order. */
export async function readLessons(
  tx: Tx,
  moduleId: string,
): Promise<readonly (Ranked & { readonly version: bigint })[]> {
  return tx<(Ranked & { version: bigint })[]>`
    select lesson_id as id, rank, version from lesson where module_id = ${moduleId} order by rank
  `;
}

export async function countLessons(tx: Tx, courseId: string): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    select count(*)::int as count from lesson where course_id = ${courseId}
  `;
  return row?.count ?? 0;
}

export type NewModule = {
  readonly courseId: string;
  readonly moduleId: string;
  readonly rank: string;
  readonly title: string;
  readonly version: bigint;
};

export async function insertModule(tx: Tx, module: NewModule): Promise<void> {
  const { courseId, moduleId, rank, title, version } = module;
  await tx`
    insert into module (module_id, course_id, rank, title, version)
    values (${moduleId}, ${courseId}, ${rank}, ${title}, ${version})
  `;
}

export type ModuleFields = {
  readonly title?: string;
  readonly translations?: readonly ModuleTranslation[];
};

export async function updateModule(
  tx: Tx,
  { moduleId, version }: ModulePlace,
  { title, translations }: ModuleFields,
): Promise<void> {
  const texts = translations && jsonOf(ModuleTranslationSchema, translations);
  await tx`
    update module
    set title = coalesce(${title ?? null}, title), version = ${version},
        translations = coalesce(${texts ?? null}::jsonb, translations)
    where module_id = ${moduleId}
  `;
}

/** Its lessons go first. */
export async function deleteModule(tx: Tx, moduleId: string): Promise<void> {
  await tx`delete from lesson where module_id = ${moduleId}`;
  await tx`delete from module where module_id = ${moduleId}`;
}

export async function placeModules(tx: Tx, ranks: readonly Ranked[]): Promise<void> {
  await tx`
    update module set rank = new.rank
    from unnest(${ranks.map(({ id }) => id)}::text[], ${ranks.map(({ rank }) => rank)}::text[])
      as new (module_id, rank)
    where module.module_id = new.module_id
  `;
}

export async function placeLessons(
  tx: Tx,
  moduleId: string,
  ranks: readonly Ranked[],
): Promise<void> {
  await tx`
    update lesson set rank = new.rank, module_id = ${moduleId}
    from unnest(${ranks.map(({ id }) => id)}::text[], ${ranks.map(({ rank }) => rank)}::text[])
      as new (lesson_id, rank)
    where lesson.lesson_id = new.lesson_id
  `;
}

export async function touchModule(tx: Tx, { moduleId, version }: ModulePlace): Promise<void> {
  await tx`update module set version = ${version} where module_id = ${moduleId}`;
}

export type LessonFields = {
  readonly title?: string;
  readonly freePreview?: boolean;
  readonly blocks?: readonly Block[];
  readonly translations?: readonly LessonTranslation[];
};

export async function insertLesson(
  tx: Tx,
  place: LessonPlace & { readonly rank: string; readonly lessonId: string },
  fields: Required<LessonFields>,
): Promise<void> {
  const { courseId, moduleId, lessonId, rank, version } = place;
  const { title, freePreview, blocks, translations } = fields;
  await tx`
    insert into lesson (lesson_id, course_id, module_id, rank, title, free_preview, blocks,
                        translations, version)
    values (${lessonId}, ${courseId}, ${moduleId}, ${rank}, ${title}, ${freePreview},
            ${jsonOf(BlockSchema, blocks)}::jsonb,
            ${jsonOf(LessonTranslationSchema, translations)}::jsonb, ${version})
  `;
}

export async function updateLesson(
  tx: Tx,
  { lessonId, version }: { readonly lessonId: string; readonly version: bigint },
  { title, freePreview, blocks, translations }: LessonFields = {},
): Promise<void> {
  await tx`
    update lesson
    set title = coalesce(${title ?? null}, title), version = ${version},
        free_preview = coalesce(${freePreview ?? null}::boolean, free_preview),
        blocks = coalesce(${blocks ? jsonOf(BlockSchema, blocks) : null}::jsonb, blocks),
        translations = coalesce(
          ${translations ? jsonOf(LessonTranslationSchema, translations) : null}::jsonb,
          translations)
    where lesson_id = ${lessonId}
  `;
}

export async function deleteLesson(tx: Tx, lessonId: string): Promise<void> {
  await tx`delete from lesson where lesson_id = ${lessonId}`;
}

/** Lessons of the course and what they need first; those that need nothing are left out. */
export async function readNeeds(tx: Tx, courseId: string): Promise<readonly Need[]> {
  return tx<Need[]>`
    select p.lesson_id as id, array_agg(p.prerequisite_lesson_id) as needs
    from lesson_prerequisite p join lesson l using (lesson_id)
    where l.course_id = ${courseId}
    group by p.lesson_id
  `;
}

/** Which of these lessons are of the course. */
export async function readLessonIds(
  tx: Tx,
  courseId: string,
  lessonIds: readonly string[],
): Promise<Set<string>> {
  const rows = await tx<{ lessonId: string }[]>`
    select lesson_id as "lessonId" from lesson
    where course_id = ${courseId} and lesson_id = any(${[...lessonIds]})
  `;
  return new Set(rows.map(({ lessonId }) => lessonId));
}

export async function replaceNeeds(
  tx: Tx,
  lessonId: string,
  needs: readonly string[],
): Promise<void> {
  await tx`delete from lesson_prerequisite where lesson_id = ${lessonId}`;
  await tx`
    insert into lesson_prerequisite (lesson_id, prerequisite_lesson_id)
    select ${lessonId}, id from unnest(${[...needs]}::text[]) as id
  `;
}

function jsonOf<D extends Parameters<typeof toJson>[0]>(
  schema: D,
  messages: readonly Parameters<typeof toJson<D>>[1][],
): string {
  return JSON.stringify(messages.map((message) => toJson(schema, message)));
}
