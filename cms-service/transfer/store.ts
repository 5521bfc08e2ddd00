// What an export and an import ask of the courses beside the tree itself.

import type { Pool, Tx } from "#mesh/database/pool.ts";

type Named = { readonly courseId: string; readonly slug: string };

export async function readSlugs(pool: Pool, ids: readonly string[]): Promise<readonly Named[]> {
  return pool<Named[]>`
    select course_id as "courseId", slug from course
    where course_id = any(${ids}::text[]) order by slug
  `;
}

export async function readCoursesOfSlugs(
  tx: Tx,
  slugs: readonly string[],
): Promise<readonly Named[]> {
  return tx<Named[]>`
    select course_id as "courseId", slug from course
    where slug = any(${slugs}::text[]) and delete_time is null order by course_id
  `;
}

/** Of these ids, those of modules and lessons of other courses. */
export async function readForeignIds(
  tx: Tx,
  courseId: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await tx<{ id: string }[]>`
    select module_id as id from module
    where module_id = any(${ids}::text[]) and course_id <> ${courseId}
    union all
    select lesson_id from lesson
    where lesson_id = any(${ids}::text[]) and course_id <> ${courseId}
  `;
  return new Set(rows.map(({ id }) => id));
}

export async function readDefaultLocale(tx: Tx, courseId: string) {
  const [row] = await tx<{ defaultLocale: string }[]>`
    select default_locale as "defaultLocale" from course where course_id = ${courseId}
  `;
  return row ?? { defaultLocale: "en" };
}
