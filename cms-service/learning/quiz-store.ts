// The SQL of quiz attempts. A learner's standing in a quiz is one row, on which attempts that come
// at once wait for each other.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";

export type Quiz = {
  readonly learnerId: string;
  readonly courseId: string;
  readonly lessonId: string;
  readonly blockId: string;
};

export type Standing = { readonly attempts: number; readonly passTime: Date | null };

/** Takes one more attempt; undefined when none is left. `attemptsMax` zero: there is no bound. */
export async function takeAttempt(
  tx: Tx,
  { learnerId, courseId, lessonId, blockId }: Quiz,
  attemptsMax: number,
): Promise<Standing | undefined> {
  const [standing] = await tx<Standing[]>`
    insert into quiz_standing as known (learner_id, course_id, lesson_id, block_id, attempts)
    values (${learnerId}, ${courseId}, ${lessonId}, ${blockId}, 1)
    on conflict (learner_id, course_id, lesson_id, block_id)
      do update set attempts = known.attempts + 1
      where ${attemptsMax}::int = 0 or known.attempts < ${attemptsMax}::int
    returning attempts, pass_time as "passTime"
  `;
  return standing;
}

export async function passQuiz(
  tx: Tx,
  { learnerId, courseId, lessonId, blockId }: Quiz,
  now: Date,
): Promise<void> {
  await tx`
    update quiz_standing set pass_time = ${now}
    where learner_id = ${learnerId} and course_id = ${courseId} and lesson_id = ${lessonId}
      and block_id = ${blockId} and pass_time is null
  `;
}

export type AttemptRow = Quiz & {
  readonly attemptId: string;
  readonly number: number;
  readonly attempt: Buffer;
};

export async function insertAttempt(tx: Tx, row: AttemptRow): Promise<void> {
  await tx`
    insert into quiz_attempt
      (attempt_id, learner_id, course_id, lesson_id, block_id, number, attempt)
    values (${row.attemptId}, ${row.learnerId}, ${row.courseId}, ${row.lessonId}, ${row.blockId},
            ${row.number}, ${row.attempt})
  `;
}

export async function readAttempt(pool: Pool, attemptId: string): Promise<Buffer | undefined> {
  const [row] = await pool<{ attempt: Buffer }[]>`
    select attempt from quiz_attempt where attempt_id = ${attemptId}
  `;
  return row?.attempt;
}

/** Newest first; one more than fit on the page. Empty ids are left open. */
export async function readAttempts(
  pool: Pool,
  { learnerId, courseId, blockId }: Pick<Quiz, "learnerId" | "courseId" | "blockId">,
  { size, after }: Page,
): Promise<Pick<AttemptRow, "attemptId" | "attempt">[]> {
  return pool<Pick<AttemptRow, "attemptId" | "attempt">[]>`
    select attempt_id as "attemptId", attempt from quiz_attempt
    where learner_id = ${learnerId}
      and (${courseId} = '' or course_id = ${courseId})
      and (${blockId} = '' or block_id = ${blockId})
      and (${after ?? null}::text is null or attempt_id < ${after ?? null})
    order by attempt_id desc
    limit ${size + 1}
  `;
}

/** When the first revision after it took its place; null while none has. */
export async function readSuccession(
  pool: Pool,
  courseId: string,
  revision: number,
): Promise<Date | null | undefined> {
  const [row] = await pool<{ successionTime: Date | null }[]>`
    select (select min(later.publish_time) from course_revision later
            where later.course_id = seen.course_id and later.revision > seen.revision
              and later.publish_time <= now()) as "successionTime"
    from course_revision seen
    where seen.course_id = ${courseId} and seen.revision = ${revision}
  `;
  return row?.successionTime;
}
