// The SQL of progress and of completions. The larger of what is known and what is told is taken by
// the statement itself, so that two that come at once lose nothing.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { CourseShape, Seen } from "./progress.ts";

/** Of a learner in a course one at a time: whoever comes second sees what the first has done. */
export async function lockLearning(tx: Tx, learnerId: string, courseId: string): Promise<void> {
  const name = `learning/${courseId}/${learnerId}`;
  await tx`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
}

export async function upsertSeen(
  tx: Tx,
  { learnerId, courseId }: Learning,
  seen: ReadonlyMap<string, Seen>,
): Promise<void> {
  const rows = [...seen].map(([lessonId, one]) => ({ lessonId, ...one }));
  await tx`
    insert into lesson_progress as known
      (learner_id, course_id, lesson_id, percent, position_ms, reach_time)
    select ${learnerId}, ${courseId}, * from unnest(
      ${rows.map(({ lessonId }) => lessonId)}::text[],
      ${rows.map(({ percent }) => percent)}::int[],
      ${rows.map(({ positionMs }) => positionMs)}::bigint[],
      ${rows.map(({ reachTime }) => reachTime ?? null)}::timestamptz[])
    on conflict (learner_id, course_id, lesson_id) do update set
      percent = greatest(known.percent, excluded.percent),
      position_ms = greatest(known.position_ms, excluded.position_ms),
      reach_time = least(known.reach_time, excluded.reach_time),
      update_time = now()
    where excluded.percent > known.percent or excluded.position_ms > known.position_ms
       or excluded.reach_time < known.reach_time
  `;
}

/** A lesson is completed at 100 percent, and once the quizzes that it must pass are passed. */
export async function completeLessons(
  tx: Tx,
  { learnerId, courseId }: Learning,
  lessons: CourseShape["lessons"],
): Promise<void> {
  await tx`
    update lesson_progress known
    set complete_time = least(known.complete_time, greatest(known.reach_time, passed.last)),
        update_time = now()
    from unnest(${lessons.map(({ lessonId }) => lessonId)}::text[],
                ${lessons.map(({ quizIds }) => quizIds.length)}::int[])
           as required (lesson_id, quizzes)
    left join lateral (
      select count(*) as quizzes, max(pass_time) as last
      from quiz_standing
      where learner_id = ${learnerId} and course_id = ${courseId}
        and lesson_id = required.lesson_id and pass_time is not null
        and block_id = any(${lessons.flatMap(({ quizIds }) => [...quizIds])}::text[])
    ) passed on true
    where known.learner_id = ${learnerId} and known.course_id = ${courseId}
      and known.lesson_id = required.lesson_id and known.reach_time is not null
      and passed.quizzes = required.quizzes
      and (known.complete_time is null
           or greatest(known.reach_time, passed.last) < known.complete_time)
  `;
}

export type Learning = { readonly learnerId: string; readonly courseId: string };

export type LessonRow = {
  readonly lessonId: string;
  readonly percent: number;
  readonly positionMs: bigint;
  readonly completeTime: Date | null;
  readonly updateTime: Date;
};

/** By lesson; those of the ids, or one more than fit on the page. */
export async function readLessons(
  sql: Pool | Tx,
  { learnerId, courseId }: Learning,
  part: { readonly lessonIds: readonly string[] } | { readonly page: Page },
): Promise<LessonRow[]> {
  const lessonIds = "lessonIds" in part ? [...part.lessonIds] : null;
  const page = "page" in part ? part.page : undefined;
  return sql<LessonRow[]>`
    select lesson_id as "lessonId", percent, position_ms as "positionMs",
           complete_time as "completeTime", update_time as "updateTime"
    from lesson_progress
    where learner_id = ${learnerId} and course_id = ${courseId}
      and (${lessonIds}::text[] is null or lesson_id = any(${lessonIds}::text[]))
      and (${page?.after ?? null}::text is null or lesson_id > ${page?.after ?? null})
    order by lesson_id
    limit ${page ? page.size + 1 : null}
  `;
}

export type Facts = {
  readonly completedIds: readonly string[];
  readonly passedIds: readonly string[];
  readonly completeTime: Date | null;
  readonly completedRevision: number | null;
};

/** All that decides about a completion, in one statement. */
export async function readFacts(sql: Pool | Tx, { learnerId, courseId }: Learning): Promise<Facts> {
  const [facts] = await sql<Facts[]>`
    select
      array(select lesson_id from lesson_progress
            where learner_id = ${learnerId} and course_id = ${courseId}
              and complete_time is not null) as "completedIds",
      array(select block_id from quiz_standing
            where learner_id = ${learnerId} and course_id = ${courseId}
              and pass_time is not null) as "passedIds",
      done.complete_time as "completeTime", done.revision as "completedRevision"
    from (values (1)) as one
    left join course_completion done
      on done.learner_id = ${learnerId} and done.course_id = ${courseId}
  `;
  return facts ?? { completedIds: [], passedIds: [], completeTime: null, completedRevision: null };
}

/** False when the learner had completed it before. */
export async function insertCompletion(
  tx: Tx,
  { learnerId, courseId }: Learning,
  revision: number,
  completeTime: Date,
): Promise<boolean> {
  const inserted = await tx`
    insert into course_completion (learner_id, course_id, revision, complete_time)
    values (${learnerId}, ${courseId}, ${revision}, ${completeTime})
    on conflict (learner_id, course_id) do nothing
  `;
  return inserted.count === 1;
}
