// The SQL of courses themselves: their own fields, slugs and prerequisites.

import { toJson } from "@bufbuild/protobuf";
import {
  type CompletionRule,
  CompletionRuleSchema,
  type CourseTranslation,
  CourseTranslationSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { Need } from "./cycle.ts";

export type CourseRow = {
  readonly courseId: string;
  readonly slug: string;
  readonly title: string;
  readonly summary: string;
  readonly defaultLocale: string;
  readonly version: bigint;
  readonly publishedRevision: number | null;
  readonly scheduledRevision: number | null;
  readonly scheduledTime: Date | null;
  readonly unpublishTime: Date | null;
  readonly archiveTime: Date | null;
  readonly deleteTime: Date | null;
  readonly purgeTime: Date | null;
  readonly createTime: Date;
  readonly updateTime: Date;
};

export type NewCourse = Pick<
  CourseRow,
  "courseId" | "slug" | "title" | "summary" | "defaultLocale"
>;

/** False when another course has the slug now; takeSlug tells whether one had it. */
export async function insertCourse(tx: Tx, course: NewCourse): Promise<boolean> {
  const { courseId, slug, title, summary, defaultLocale } = course;
  const inserted = await tx`
    insert into course (course_id, slug, title, summary, default_locale)
    values (${courseId}, ${slug}, ${title}, ${summary}, ${defaultLocale})
    on conflict (slug) do nothing
  `;
  return inserted.count === 1;
}

/** False when another course has or had it. The course is there. */
export async function takeSlug(tx: Tx, courseId: string, slug: string): Promise<boolean> {
  await tx`
    insert into course_slug (slug, course_id) values (${slug}, ${courseId})
    on conflict (slug) do nothing
  `;
  const [row] = await tx<{ courseId: string }[]>`
    select course_id as "courseId" from course_slug where slug = ${slug}
  `;
  return row?.courseId === courseId;
}

export type CourseFields = {
  readonly title?: string;
  readonly summary?: string;
  readonly slug?: string;
  readonly translations?: readonly CourseTranslation[];
  readonly completionRule?: CompletionRule;
};

/** What is left out stays as it is. */
export async function updateCourse(tx: Tx, courseId: string, fields: CourseFields): Promise<void> {
  const { title, summary, slug, translations, completionRule } = fields;
  const texts = translations?.map((each) => toJson(CourseTranslationSchema, each));
  const rule = completionRule && toJson(CompletionRuleSchema, completionRule);
  await tx`
    update course
    set title = coalesce(${title ?? null}, title),
        summary = coalesce(${summary ?? null}, summary),
        slug = coalesce(${slug ?? null}, slug),
        translations = coalesce(${texts ? JSON.stringify(texts) : null}::jsonb, translations),
        completion_rule = coalesce(${rule ? JSON.stringify(rule) : null}::jsonb, completion_rule)
    where course_id = ${courseId}
  `;
}

export async function replacePrerequisites(
  tx: Tx,
  courseId: string,
  prerequisiteIds: readonly string[],
): Promise<void> {
  await tx`delete from course_prerequisite where course_id = ${courseId}`;
  await tx`
    insert into course_prerequisite (course_id, prerequisite_course_id)
    select ${courseId}, id from unnest(${[...prerequisiteIds]}::text[]) as id
  `;
}

/**
 * Who changes what a course needs waits for whoever does so with another course: two of them,
 * each without a cycle, could make one together.
 */
export async function lockPrerequisites(tx: Tx): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('cms course prerequisites', 0))`;
}

export async function readPrerequisites(tx: Tx): Promise<readonly Need[]> {
  return tx<Need[]>`
    select course_id as id, array_agg(prerequisite_course_id) as needs
    from course_prerequisite group by course_id
  `;
}

/** A course that needs this one, deleted ones left out. */
export async function findDependent(tx: Tx, courseId: string): Promise<string | undefined> {
  const [row] = await tx<{ courseId: string }[]>`
    select p.course_id as "courseId" from course_prerequisite p join course c using (course_id)
    where p.prerequisite_course_id = ${courseId} and c.delete_time is null
    limit 1
  `;
  return row?.courseId;
}

/** Which of these courses there are, deleted ones left out. */
export async function readCourseIds(tx: Tx, courseIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx<{ courseId: string }[]>`
    select course_id as "courseId" from course
    where course_id = any(${[...courseIds]}) and delete_time is null
  `;
  return new Set(rows.map(({ courseId }) => courseId));
}

export type DeletedCourse = {
  readonly deleteTime: Date | null;
  /** True while it can be undeleted. */
  readonly isKept: boolean;
};

export async function lockDeleted(tx: Tx, courseId: string): Promise<DeletedCourse | undefined> {
  const [row] = await tx<DeletedCourse[]>`
    select delete_time as "deleteTime", coalesce(purge_time > now(), true) as "isKept"
    from course where course_id = ${courseId} for update
  `;
  return row;
}

export async function markDeleted(tx: Tx, courseId: string): Promise<void> {
  await tx`
    update course set delete_time = now(), purge_time = now() + interval '30 days'
    where course_id = ${courseId}
  `;
}

export async function unmarkDeleted(tx: Tx, courseId: string): Promise<void> {
  await tx`update course set delete_time = null, purge_time = null where course_id = ${courseId}`;
}

export type CourseFilter = { readonly showDeleted: boolean };

/** Newest first, without their trees; one more than fit on the page. */
export async function readCourses(
  pool: Pool,
  { showDeleted }: CourseFilter,
  { size, after }: Page,
): Promise<CourseRow[]> {
  return pool<CourseRow[]>`
    select course_id as "courseId", slug, title, summary, default_locale as "defaultLocale",
           version, published_revision as "publishedRevision",
           scheduled_revision as "scheduledRevision", scheduled_time as "scheduledTime",
           unpublish_time as "unpublishTime", archive_time as "archiveTime",
           delete_time as "deleteTime", purge_time as "purgeTime",
           create_time as "createTime", update_time as "updateTime"
    from course
    where (${showDeleted}::boolean or delete_time is null)
      and (${after ?? null}::text is null or course_id < ${after ?? null})
    order by course_id desc
    limit ${size + 1}
  `;
}
