// The SQL of access checks: one statement however many questions, each answered by a few look-ups
// by key, so that it takes no longer with a million enrollments than with a thousand.

import assert from "node:assert/strict";
import type { Pool } from "#mesh/database/pool.ts";
import type { EnrollmentState } from "./enrollment.ts";
import type { AccessFacts } from "./verdict.ts";

type Question = {
  readonly learnerId: string | undefined;
  readonly courseId: string;
  readonly lessonId?: string | undefined;
};

/** The revision that all of it is about; undefined when learners see none. */
export type SeenRevision = { readonly revision: number | undefined };

/** By the rank that the statement gives them; who has no grant has no rank. */
const statesByRank = ["none", "revoked", "expired", "suspended", "active"] as const;

type FactsRow = {
  readonly revision: number | null;
  readonly isFree: boolean | null;
  readonly rank: number | null;
  readonly missingCourseIds: readonly string[] | null;
  readonly missingLessonIds: readonly string[] | null;
};

/**
 * In the order of the questions, all from one moment. The ranks of grants are what
 * `enrollmentState` says of them. Prerequisites that learners do not see any more, nobody could
 * complete, so they are not asked for. Each part ends in `limit`, so that the database looks up
 * row by row whatever it believes about the size of the tables.
 */
export async function readAccessFacts(
  pool: Pool,
  questions: readonly Question[],
): Promise<(AccessFacts & SeenRevision)[]> {
  const rows = await pool<FactsRow[]>`
    select live.revision, shown.free_preview as "isFree",
           held.rank,
           case when cardinality(asked.prerequisite_course_ids) > 0 then array(
             select prerequisite.course_id
             from unnest(asked.prerequisite_course_ids) as prerequisite (course_id)
             where exists (select from live_course where course_id = prerequisite.course_id)
               and not exists (
                 select from course_completion done
                 where done.learner_id = question.learner_id
                   and done.course_id = prerequisite.course_id)
           ) end as "missingCourseIds",
           case when cardinality(shown.prerequisite_lesson_ids) > 0 then array(
             select prerequisite.lesson_id
             from unnest(shown.prerequisite_lesson_ids) as prerequisite (lesson_id)
             where exists (
                 select from revision_lesson seen
                 where seen.course_id = question.course_id and seen.revision = live.revision
                   and seen.lesson_id = prerequisite.lesson_id)
               and not exists (
                 select from lesson_progress done
                 where done.learner_id = question.learner_id
                   and done.course_id = question.course_id
                   and done.lesson_id = prerequisite.lesson_id and done.complete_time is not null)
           ) end as "missingLessonIds"
    from unnest(${questions.map(({ learnerId }) => learnerId ?? "")}::text[],
                ${questions.map(({ courseId }) => courseId)}::text[],
                ${questions.map(({ lessonId }) => lessonId ?? "")}::text[])
      with ordinality as question (learner_id, course_id, lesson_id, place)
    left join lateral (
      select revision from live_course where course_id = question.course_id limit 1
    ) live on true
    left join lateral (
      select prerequisite_course_ids from course_revision
      where course_id = question.course_id and revision = live.revision limit 1
    ) asked on true
    left join lateral (
      select free_preview, prerequisite_lesson_ids from revision_lesson
      where course_id = question.course_id and revision = live.revision
        and lesson_id = question.lesson_id limit 1
    ) shown on true
    left join lateral (
      select max(case
        when state = 'void' then 0
        when state = 'revoked' then 1
        when expire_time <= now() then 2
        when state = 'suspended' then 3
        else 4 end) as rank
      from enrollment_grant
      where learner_id = question.learner_id and course_id = question.course_id
      limit 1
    ) held on true
    order by question.place
  `;
  assert.equal(rows.length, questions.length, "every question has one answer");
  return rows.map((row, n) => factsOf(row, questions[n]?.lessonId));
}

function factsOf(row: FactsRow, lessonId: string | undefined): AccessFacts & SeenRevision {
  const { revision, isFree, rank, missingCourseIds, missingLessonIds } = row;
  const enrollment: EnrollmentState = statesByRank[rank ?? 0] ?? "none";
  const shown = isFree === null ? "absent" : isFree ? "free" : "closed";
  return {
    coursePublished: revision !== null,
    lesson: lessonId ? shown : undefined,
    enrollment,
    missingCourseIds: missingCourseIds ?? [],
    missingLessonIds: missingLessonIds ?? [],
    revision: revision ?? undefined,
  };
}
