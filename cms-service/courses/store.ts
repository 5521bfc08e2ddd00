// The SQL of drafts. One function a statement. A tree is read in one statement,
// so that it is never torn and always fits its version.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";

export type CourseRow = {
  readonly courseId: string;
  readonly slug: string;
  readonly title: string;
  readonly version: bigint;
  readonly publishedRevision: number | null;
  readonly createTime: Date;
  readonly updateTime: Date;
};

export type LessonRow = {
  readonly lessonId: string;
  readonly title: string;
  readonly bodyMarkdown: string;
  readonly freePreview: boolean;
};

export type ModuleTree = {
  readonly moduleId: string;
  readonly title: string;
  readonly lessons: readonly LessonRow[];
};

export type CourseTree = CourseRow & { readonly modules: readonly ModuleTree[] };

/** False when another course has the slug. */
export async function insertCourse(
  tx: Tx,
  course: { readonly courseId: string; readonly slug: string; readonly title: string },
): Promise<boolean> {
  const { courseId, slug, title } = course;
  const inserted = await tx`
    insert into course (course_id, slug, title) values (${courseId}, ${slug}, ${title})
    on conflict (slug) do nothing
  `;
  return inserted.count === 1;
}

/** Every change of a tree locks its course first. Undefined when there is no such course. */
export async function lockCourse(tx: Tx, courseId: string): Promise<bigint | undefined> {
  const [row] = await tx<{ version: bigint }[]>`
    select version from course where course_id = ${courseId} for update
  `;
  return row?.version;
}

export async function findCourseOfModule(tx: Tx, moduleId: string): Promise<string | undefined> {
  const [row] = await tx<{ courseId: string }[]>`
    select course_id as "courseId" from module where module_id = ${moduleId}
  `;
  return row?.courseId;
}

export async function findCourseOfLesson(tx: Tx, lessonId: string): Promise<string | undefined> {
  const [row] = await tx<{ courseId: string }[]>`
    select course_id as "courseId" from lesson where lesson_id = ${lessonId}
  `;
  return row?.courseId;
}

export async function raiseVersion(tx: Tx, courseId: string): Promise<void> {
  await tx`
    update course set version = version + 1, update_time = now() where course_id = ${courseId}
  `;
}

export async function readLastModuleRank(tx: Tx, courseId: string): Promise<string | undefined> {
  const [row] = await tx<{ rank: string }[]>`
    select rank from module where course_id = ${courseId} order by rank desc limit 1
  `;
  return row?.rank;
}

export async function insertModule(
  tx: Tx,
  courseId: string,
  rank: string,
  { moduleId, title }: Pick<ModuleTree, "moduleId" | "title">,
): Promise<void> {
  await tx`
    insert into module (module_id, course_id, rank, title)
    values (${moduleId}, ${courseId}, ${rank}, ${title})
  `;
}

export async function readLastLessonRank(tx: Tx, moduleId: string): Promise<string | undefined> {
  const [row] = await tx<{ rank: string }[]>`
    select rank from lesson where module_id = ${moduleId} order by rank desc limit 1
  `;
  return row?.rank;
}

export type LessonPlace = {
  readonly courseId: string;
  readonly moduleId: string;
  readonly rank: string;
};

export async function insertLesson(tx: Tx, place: LessonPlace, lesson: LessonRow): Promise<void> {
  const { courseId, moduleId, rank } = place;
  const { lessonId, title, bodyMarkdown, freePreview } = lesson;
  await tx`
    insert into lesson (lesson_id, course_id, module_id, rank, title, body_markdown, free_preview)
    values (${lessonId}, ${courseId}, ${moduleId}, ${rank}, ${title}, ${bodyMarkdown},
            ${freePreview})
  `;
}

export async function updateLesson(tx: Tx, lesson: LessonRow): Promise<void> {
  const { lessonId, title, bodyMarkdown, freePreview } = lesson;
  await tx`
    update lesson
    set title = ${title}, body_markdown = ${bodyMarkdown}, free_preview = ${freePreview}
    where lesson_id = ${lessonId}
  `;
}

/** Newest first, without their trees; one more than fit on the page. */
export async function readCourses(pool: Pool, { size, after }: Page): Promise<CourseRow[]> {
  return pool<CourseRow[]>`
    select course_id as "courseId", slug, title, version,
           published_revision as "publishedRevision",
           create_time as "createTime", update_time as "updateTime"
    from course
    where ${after ?? null}::text is null or course_id < ${after ?? null}
    order by course_id desc
    limit ${size + 1}
  `;
}

type TreeRow = CourseRow & {
  readonly moduleId: string | null;
  readonly moduleTitle: string;
  readonly lessonId: string | null;
  readonly lessonTitle: string;
  readonly bodyMarkdown: string;
  readonly freePreview: boolean;
};

/** The texts are most of a tree; without them `bodyMarkdown` is empty. */
export async function readTree(
  sql: Pool | Tx,
  courseId: string,
  { texts }: { readonly texts: boolean },
): Promise<CourseTree | undefined> {
  const rows = await sql<TreeRow[]>`
    select c.course_id as "courseId", c.slug, c.title, c.version,
           c.published_revision as "publishedRevision",
           c.create_time as "createTime", c.update_time as "updateTime",
           m.module_id as "moduleId", m.title as "moduleTitle",
           l.lesson_id as "lessonId", l.title as "lessonTitle",
           case when ${texts}::boolean then l.body_markdown else '' end as "bodyMarkdown",
           l.free_preview as "freePreview"
    from course c
    left join module m using (course_id)
    left join lesson l using (course_id, module_id)
    where course_id = ${courseId}
    order by m.rank, l.rank
  `;
  const [course] = rows;
  return course && { ...course, modules: modulesOf(rows) };
}

function modulesOf(rows: readonly TreeRow[]): ModuleTree[] {
  const rowsByModule = Map.groupBy(rows, ({ moduleId }) => moduleId);
  rowsByModule.delete(null);
  return [...rowsByModule].map(([moduleId, rowsOfModule]) => ({
    moduleId: moduleId ?? "",
    title: rowsOfModule[0]?.moduleTitle ?? "",
    lessons: rowsOfModule.flatMap(({ lessonId, lessonTitle, bodyMarkdown, freePreview }) =>
      lessonId === null ? [] : [{ lessonId, title: lessonTitle, bodyMarkdown, freePreview }],
    ),
  }));
}
