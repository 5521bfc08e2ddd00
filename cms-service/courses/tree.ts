// The draft of a course as a tree: read in one statement, so that it is never torn
// and always fits its version, and replaced as a whole.

import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Block, BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import {
  CompletionRuleSchema,
  type CourseRevision,
  CourseRevisionSchema,
  CourseTranslationSchema,
  type Lesson,
  LessonTranslationSchema,
  type Module,
  ModuleTranslationSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { recordChange } from "./change.ts";
import { rankAfter } from "./rank.ts";

type JsonList = readonly JsonValue[];

export type LessonTree = {
  readonly lessonId: string;
  readonly title: string;
  readonly freePreview: boolean;
  readonly blocks: JsonList;
  readonly translations: JsonList;
  readonly prerequisiteLessonIds: readonly string[];
  readonly version: bigint;
};

export type ModuleTree = {
  readonly moduleId: string;
  readonly title: string;
  readonly translations: JsonList;
  readonly version: bigint;
  readonly lessons: readonly LessonTree[];
};

export type CourseTree = {
  readonly courseId: string;
  readonly slug: string;
  readonly title: string;
  readonly summary: string;
  readonly defaultLocale: string;
  readonly translations: JsonList;
  readonly completionRule: JsonValue;
  readonly prerequisiteCourseIds: readonly string[];
  readonly version: bigint;
  readonly ownVersion: bigint;
  readonly publishedRevision: number | null;
  readonly scheduledRevision: number | null;
  readonly scheduledTime: Date | null;
  readonly unpublishTime: Date | null;
  readonly archiveTime: Date | null;
  readonly deleteTime: Date | null;
  readonly purgeTime: Date | null;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly modules: readonly ModuleTree[];
};

type TreeRow = Omit<CourseTree, "modules"> & {
  readonly moduleId: string | null;
  readonly moduleTitle: string;
  readonly moduleTranslations: JsonList;
  readonly moduleVersion: bigint;
  readonly lessonId: string | null;
  readonly lessonTitle: string;
  readonly freePreview: boolean;
  readonly blocks: JsonList;
  readonly lessonTranslations: JsonList;
  readonly prerequisiteLessonIds: readonly string[];
  readonly lessonVersion: bigint;
};

/** The texts are most of a tree; without them lessons have no blocks and no translations. */
export async function readTree(
  sql: Pool | Tx,
  courseId: string,
  { texts }: { readonly texts: boolean },
): Promise<CourseTree | undefined> {
  const rows = await sql<TreeRow[]>`
    select c.course_id as "courseId", c.slug, c.title, c.summary,
           c.default_locale as "defaultLocale", c.translations,
           c.completion_rule as "completionRule",
           array(select prerequisite_course_id from course_prerequisite p
                 where p.course_id = c.course_id order by 1) as "prerequisiteCourseIds",
           c.version, c.own_version as "ownVersion",
           c.published_revision as "publishedRevision",
           c.scheduled_revision as "scheduledRevision", c.scheduled_time as "scheduledTime",
           c.unpublish_time as "unpublishTime", c.archive_time as "archiveTime",
           c.delete_time as "deleteTime", c.purge_time as "purgeTime",
           c.create_time as "createTime", c.update_time as "updateTime",
           m.module_id as "moduleId", m.title as "moduleTitle",
           m.translations as "moduleTranslations", m.version as "moduleVersion",
           l.lesson_id as "lessonId", l.title as "lessonTitle", l.free_preview as "freePreview",
           case when ${texts}::boolean then l.blocks else '[]' end as blocks,
           case when ${texts}::boolean then l.translations else '[]' end as "lessonTranslations",
           array(select prerequisite_lesson_id from lesson_prerequisite p
                 where p.lesson_id = l.lesson_id order by 1) as "prerequisiteLessonIds",
           l.version as "lessonVersion"
    from course c
    left join module m using (course_id)
    left join lesson l using (course_id, module_id)
    where course_id = ${courseId}
    order by m.rank, l.rank
  `;
  const [course] = rows;
  return course && { ...course, modules: modulesOf(rows) };
}

function modulesOf(rows: readonly TreeRow[]): readonly ModuleTree[] {
  const rowsByModule = Map.groupBy(rows, ({ moduleId }) => moduleId);
  rowsByModule.delete(null);
  return [...rowsByModule].flatMap(([moduleId, rowsOfModule]) => {
    const [first] = rowsOfModule;
    if (moduleId === null || !first) return [];
    const { moduleTitle: title, moduleTranslations: translations, moduleVersion } = first;
    const lessons = rowsOfModule.flatMap(lessonOf);
    return [{ moduleId, title, translations, version: moduleVersion, lessons }];
  });
}

function lessonOf(row: TreeRow): readonly LessonTree[] {
  const { lessonId, lessonTitle: title, freePreview, blocks, prerequisiteLessonIds } = row;
  if (lessonId === null) return [];
  const { lessonTranslations: translations, lessonVersion: version } = row;
  return [{ lessonId, title, freePreview, blocks, translations, prerequisiteLessonIds, version }];
}

/** What a publication of it holds: content only, so that equal is equal. */
export function contentOf(tree: CourseTree): CourseRevision {
  const { courseId, title, summary, defaultLocale, prerequisiteCourseIds } = tree;
  return create(CourseRevisionSchema, {
    courseId,
    title,
    summary,
    defaultLocale,
    prerequisiteCourseIds: [...prerequisiteCourseIds],
    translations: tree.translations.map((each) => fromJson(CourseTranslationSchema, each)),
    completionRule: fromJson(CompletionRuleSchema, tree.completionRule),
    modules: tree.modules.map(({ moduleId, title, translations, lessons }) => ({
      moduleId,
      title,
      translations: translations.map((each) => fromJson(ModuleTranslationSchema, each)),
      lessons: lessons.map((lesson) => ({
        lessonId: lesson.lessonId,
        title: lesson.title,
        freePreview: lesson.freePreview,
        blocks: lesson.blocks.map((block): Block => fromJson(BlockSchema, block)),
        translations: lesson.translations.map((each) => fromJson(LessonTranslationSchema, each)),
        prerequisiteLessonIds: [...lesson.prerequisiteLessonIds],
      })),
    })),
  });
}

/**
 * The draft becomes exactly that content. Ids are kept; slug and default locale are
 * the course's own and stay. The course is locked.
 */
export async function replaceTree(
  tx: Tx,
  courseId: string,
  content: CourseRevision,
  actor: string,
): Promise<void> {
  const { title, summary, translations, completionRule, prerequisiteCourseIds } = content;
  const resources = [courseId, ...content.modules.map(({ moduleId }) => moduleId)];
  const version = await recordChange(tx, { courseId, resources, what: "replaced", actor });
  const rule = toJson(CompletionRuleSchema, completionRule ?? create(CompletionRuleSchema));
  await tx`
    update course
    set title = ${title}, summary = ${summary}, completion_rule = ${JSON.stringify(rule)}::jsonb,
        translations = ${jsonOf(CourseTranslationSchema, translations)}::jsonb
    where course_id = ${courseId}
  `;
  await tx`delete from course_prerequisite where course_id = ${courseId}`;
  await tx`
    insert into course_prerequisite (course_id, prerequisite_course_id)
    select ${courseId}, prerequisite from unnest(${prerequisiteCourseIds}::text[]) as prerequisite
  `;
  await tx`delete from lesson where course_id = ${courseId}`;
  await tx`delete from module where course_id = ${courseId}`;
  let rank: string | undefined;
  for (const module of content.modules) {
    rank = rankAfter(rank);
    await insertModule(tx, { courseId, rank, version }, module);
  }
  const lessons = content.modules.flatMap((module) => module.lessons);
  await tx`
    insert into lesson_prerequisite (lesson_id, prerequisite_lesson_id)
    select * from unnest(
      ${lessons.flatMap((one) => one.prerequisiteLessonIds.map(() => one.lessonId))}::text[],
      ${lessons.flatMap((one) => one.prerequisiteLessonIds)}::text[])
  `;
}

type Place = { readonly courseId: string; readonly rank: string; readonly version: bigint };

async function insertModule(
  tx: Tx,
  { courseId, rank, version }: Place,
  { moduleId, title, translations, lessons }: Module,
): Promise<void> {
  await tx`
    insert into module (module_id, course_id, rank, title, translations, version)
    values (${moduleId}, ${courseId}, ${rank}, ${title},
            ${jsonOf(ModuleTranslationSchema, translations)}::jsonb, ${version})
  `;
  let lessonRank: string | undefined;
  for (const lesson of lessons) {
    lessonRank = rankAfter(lessonRank);
    await insertLesson(tx, { courseId, rank: lessonRank, version }, moduleId, lesson);
  }
}

async function insertLesson(
  tx: Tx,
  { courseId, rank, version }: Place,
  moduleId: string,
  { lessonId, title, freePreview, blocks, translations }: Lesson,
): Promise<void> {
  await tx`
    insert into lesson
      (lesson_id, course_id, module_id, rank, title, free_preview, blocks, translations, version)
    values (${lessonId}, ${courseId}, ${moduleId}, ${rank}, ${title}, ${freePreview},
            ${jsonOf(BlockSchema, blocks)}::jsonb,
            ${jsonOf(LessonTranslationSchema, translations)}::jsonb, ${version})
  `;
}

function jsonOf<D extends Parameters<typeof toJson>[0]>(
  schema: D,
  messages: readonly Parameters<typeof toJson<D>>[1][],
): string {
  return JSON.stringify(messages.map((message) => toJson(schema, message)));
}
