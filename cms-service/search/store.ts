// The SQL of a search. The index is asked once for each language that something is
// written in, because each takes a query apart in its own way. Every thing counts
// only in the locale in which it would be shown.

import type { Pool } from "#mesh/database/pool.ts";
import { markEnd, markStart } from "./snippet.ts";

export type Reading = {
  readonly config: string;
  /** Nothing is left of the query: all of it were words that say nothing. */
  readonly isEmpty: boolean;
  /** False: everything that does not hold some word would be found. */
  readonly isBounded: boolean;
};

/** What the query means in each language that something is written in. */
export async function readReadings(pool: Pool, text: string): Promise<Reading[]> {
  return pool<Reading[]>`
    select config, numnode(query) = 0 as "isEmpty",
           numnode(query) = 0 or querytree(query) not in ('', 'T') as "isBounded"
    from search_language
    cross join lateral websearch_to_tsquery(config::regconfig, ${text}) as query
    order by config
  `;
}

/** Where a hit stands in the order: the highest score first, then by the ids. */
export type HitPlace = {
  readonly score: number;
  readonly courseId: string;
  readonly lessonId: string;
};

export type Hit = HitPlace & {
  readonly revision: number;
  readonly slug: string;
  readonly courseTitle: string;
  readonly lessonTitle: string;
  readonly locale: string;
  readonly freePreview: boolean;
};

export type HitsQuestion = {
  readonly text: string;
  readonly configs: readonly string[];
  /** Tags in lower case, the preferred one first. */
  readonly locales: readonly string[];
  /** Empty: all that are listed. */
  readonly courseId: string;
  readonly after: HitPlace | undefined;
  readonly limit: number;
};

/** Of more than these, so many are ranked. */
const titlesMax = 10_000;
const textsMax = 2_000;

/**
 * Ends in `limit` what is looked up by key, so that the database does that whatever it believes
 * about how many there are.
 */
export async function readHits(pool: Pool, question: HitsQuestion): Promise<Hit[]> {
  const { text, configs, locales, courseId, after, limit } = question;
  const afterScore = after?.score ?? null;
  return pool<Hit[]>`
    with reading as (
      select config, websearch_to_tsquery(config::regconfig, ${text}) as query
      from unnest(${[...configs]}::text[]) as config
    ),
    hit as (
      select e.course_id, e.revision, e.lesson_id, e.locale, e.course_title, e.lesson_title,
             e.free_preview, (ts_rank(e.document, reading.query, 1) * 1000000)::int as score
      from reading
      cross join lateral search_matches(
        reading.config, reading.query, ${[...locales]}, ${courseId}, ${titlesMax}, ${textsMax}
      ) as matched
      cross join lateral (select * from search_entry where entry_id = matched limit 1) e
    )
    select hit.course_id as "courseId", revision, lesson_id as "lessonId", locale, slug, score,
           course_title as "courseTitle", lesson_title as "lessonTitle",
           free_preview as "freePreview"
    from hit
    join course on course.course_id = hit.course_id
    where ${afterScore}::int is null or score < ${afterScore}
      or (score = ${afterScore}
          and (hit.course_id, lesson_id) > (${after?.courseId ?? ""}, ${after?.lessonId ?? ""}))
    order by score desc, hit.course_id, lesson_id
    limit ${limit}
  `;
}

export type MarkedText = HitPlace & { readonly marked: string };

/** The hits are looked for in so much of a text; behind it, the snippet is its beginning. */
const headlineCharactersMax = 20_000;
const options = `StartSel=${markStart}, StopSel=${markEnd}, MaxWords=35, MinWords=15`;

/** Of hits whose text may be shown. */
export async function readSnippets(
  pool: Pool,
  hits: readonly Hit[],
  text: string,
): Promise<MarkedText[]> {
  return pool<MarkedText[]>`
    select hit.score, e.course_id as "courseId", e.lesson_id as "lessonId",
           ts_headline(e.config::regconfig, left(e.body, ${headlineCharactersMax}),
                       websearch_to_tsquery(e.config::regconfig, ${text}), ${options}) as marked
    from unnest(${hits.map(({ courseId }) => courseId)}::text[],
                ${hits.map(({ revision }) => revision)}::int[],
                ${hits.map(({ lessonId }) => lessonId)}::text[],
                ${hits.map(({ locale }) => locale)}::text[],
                ${hits.map(({ score }) => score)}::int[])
      as hit (course_id, revision, lesson_id, locale, score)
    join search_entry e using (course_id, revision, lesson_id, locale)
  `;
}
