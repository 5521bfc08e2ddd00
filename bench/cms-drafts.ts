// Drafts written straight into the CMS's tables: what is measured is what happens to them, and
// adding a hundred thousand lessons one call at a time would take longer than that.

import type { Pool } from "#mesh/database/pool.ts";

export type DraftSize = {
  readonly modules: number;
  readonly lessonsPerModule: number;
  readonly textOf: (lesson: number) => string;
};

/** The course is there and empty. Its etag is a new one afterwards. */
export async function fillDraft(sql: Pool, courseId: string, size: DraftSize): Promise<void> {
  const { modules, lessonsPerModule, textOf } = size;
  const suffix = courseId.slice("crs_".length + 5);
  const id = (prefix: string, n: number) => `${prefix}_${base32(n)}${suffix}`;
  const moduleIds = Array.from({ length: modules }, (_, n) => id("mod", n));
  await sql`
    insert into cms.module (module_id, course_id, rank, title)
    select module_id, ${courseId}, 'b' || lpad(place::text, 2, '0'), 'Module ' || place
    from unnest(${moduleIds}::text[]) with ordinality as new (module_id, place)
  `;
  const lessons = Array.from({ length: modules * lessonsPerModule }, (_, n) => ({
    lessonId: id("les", n),
    moduleId: moduleIds[Math.floor(n / lessonsPerModule)] ?? "",
    rank: `c${String(n).padStart(3, "0")}`,
    title: `Lesson ${n}`,
    blocks: JSON.stringify([{ blockId: id("blk", n), richText: { markdown: textOf(n) } }]),
  }));
  await sql`
    insert into cms.lesson
      (lesson_id, course_id, module_id, rank, title, free_preview, blocks)
    select lesson_id, ${courseId}, module_id, rank, title, true, blocks::jsonb
    from unnest(
      ${lessons.map(({ lessonId }) => lessonId)}::text[],
      ${lessons.map(({ moduleId }) => moduleId)}::text[],
      ${lessons.map(({ rank }) => rank)}::text[],
      ${lessons.map(({ title }) => title)}::text[],
      ${lessons.map(({ blocks }) => blocks)}::text[])
      as new (lesson_id, module_id, rank, title, blocks)
  `;
}

const digits = "0123456789abcdefghjkmnpqrstvwxyz";

/** Five digits, and all of them are of the ids' alphabet. */
function base32(n: number): string {
  return [20, 15, 10, 5, 0].map((shift) => digits.charAt((n >> shift) & 31)).join("");
}
