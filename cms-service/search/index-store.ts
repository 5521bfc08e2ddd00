// The SQL of the search index: what is written when a revision is published, and
// taken away when nobody can see it any more.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { SearchEntry } from "./entries.ts";

export type RevisionKey = { readonly courseId: string; readonly revision: number };

/** False when it is there already. */
export async function insertRevision(
  tx: Tx,
  { courseId, revision }: RevisionKey,
): Promise<boolean> {
  const inserted = await tx`
    insert into search_revision (course_id, revision) values (${courseId}, ${revision})
    on conflict do nothing
  `;
  return inserted.count === 1;
}

export async function insertLanguages(tx: Tx, configs: readonly string[]): Promise<void> {
  await tx`
    insert into search_language (config)
    select config from unnest(${configs}::text[]) as new (config)
    where config not in (select config from search_language)
    order by config
    on conflict do nothing
  `;
}

/** Weights: A the title of a course, B of a lesson, C of the course it is in, D a text. */
export async function insertEntries(
  tx: Tx,
  { courseId, revision }: RevisionKey,
  entries: readonly SearchEntry[],
): Promise<void> {
  await tx`
    insert into search_entry
      (course_id, revision, lesson_id, locale, locale_tag, locale_tags, is_default, config,
       free_preview, course_title, lesson_title, body, titles, document)
    select ${courseId}, ${revision}, lesson_id, locale, lower(locale),
           string_to_array(lower(locales), ' '), is_default, config, free_preview, course_title,
           lesson_title, body,
           to_tsvector(config::regconfig,
                       case when lesson_id = '' then course_title else lesson_title end),
           setweight(to_tsvector(config::regconfig, course_title),
                     case when lesson_id = '' then 'A'::"char" else 'C' end)
           || setweight(to_tsvector(config::regconfig, lesson_title), 'B')
           || setweight(to_tsvector(config::regconfig, body), 'D')
    from unnest(
      ${entries.map(({ lessonId }) => lessonId)}::text[],
      ${entries.map(({ locale }) => locale)}::text[],
      ${entries.map(({ locales }) => locales.join(" "))}::text[],
      ${entries.map(({ isDefault }) => isDefault)}::boolean[],
      ${entries.map(({ config }) => config)}::text[],
      ${entries.map(({ freePreview }) => freePreview)}::boolean[],
      ${entries.map(({ courseTitle }) => courseTitle)}::text[],
      ${entries.map(({ lessonTitle }) => lessonTitle)}::text[],
      ${entries.map(({ body }) => body)}::text[])
      as new (lesson_id, locale, locales, is_default, config, free_preview, course_title,
              lesson_title, body)
  `;
}

/** Revisions that learners see, or will, and cannot find. */
export async function readUnindexed(pool: Pool, limit: number): Promise<RevisionKey[]> {
  return pool<RevisionKey[]>`
    select c.course_id as "courseId", shown.revision
    from course c
    cross join lateral (values (c.published_revision), (c.scheduled_revision)) as shown (revision)
    where shown.revision is not null and c.delete_time is null
      and not exists (
        select from search_revision s
        where s.course_id = c.course_id and s.revision = shown.revision)
    limit ${limit}
  `;
}

export async function readSnapshot(
  tx: Tx,
  { courseId, revision }: RevisionKey,
): Promise<{ readonly snapshot: Buffer; readonly defaultLocale: string } | undefined> {
  const [row] = await tx<{ snapshot: Buffer; defaultLocale: string }[]>`
    select r.snapshot, c.default_locale as "defaultLocale"
    from course_revision r
    join course c using (course_id)
    where r.course_id = ${courseId} and r.revision = ${revision}
  `;
  return row;
}

/** Revisions that nobody sees, nor will by what is scheduled. */
export async function readSuperseded(pool: Pool, limit: number): Promise<RevisionKey[]> {
  return pool<RevisionKey[]>`
    select s.course_id as "courseId", s.revision
    from search_revision s
    where not exists (
      select from course c
      where c.course_id = s.course_id and c.delete_time is null
        and s.revision in (c.published_revision, c.scheduled_revision))
    limit ${limit}
  `;
}

/** While the course is locked nobody publishes it. False when it is in use after all. */
export async function lockSuperseded(
  tx: Tx,
  { courseId, revision }: RevisionKey,
): Promise<boolean> {
  const [course] = await tx<{ isShown: boolean }[]>`
    select delete_time is null
           and ${revision} in (coalesce(published_revision, 0), coalesce(scheduled_revision, 0))
             as "isShown"
    from course where course_id = ${courseId}
    for no key update
  `;
  return course?.isShown !== true;
}

export async function deleteRevision(tx: Tx, { courseId, revision }: RevisionKey): Promise<void> {
  await tx`delete from search_entry where course_id = ${courseId} and revision = ${revision}`;
  await tx`delete from search_revision where course_id = ${courseId} and revision = ${revision}`;
}
