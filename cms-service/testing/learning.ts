// Courses to learn from and learners with access to them, for tests of what learners do.

import { randomUUID } from "node:crypto";
import { inTransaction } from "#mesh/database/transaction.ts";
import { giveGrants } from "../access/grants.ts";
import { newId } from "../requests/identifiers.ts";
import type { TestCms } from "./cms.ts";
import { publishTestCourse, type TestLesson } from "./publication.ts";

export type LearningCourse = {
  readonly courseId: string;
  readonly quizId: string;
  readonly lessons: readonly TestLesson[];
  readonly lessonIds: readonly string[];
};

/** A course of two lessons; with attempts, the first holds a quiz that must be passed. */
export async function course(
  cms: TestCms,
  { attemptsMax }: { attemptsMax?: number } = {},
): Promise<LearningCourse> {
  const [courseId, quizId] = [newId("crs"), newId("blk")];
  const lessonIds = [newId("les"), newId("les")];
  const value = {
    attemptsMax: attemptsMax ?? 0,
    questions: [
      {
        questionId: "n",
        promptMarkdown: "How many?",
        explanationMarkdown: "Count.",
        kind: { case: "number" as const, value: { answer: "42" } },
      },
    ],
  };
  const blocks = [{ blockId: quizId, content: { case: "quiz" as const, value } }];
  const lessons = lessonIds.map((lessonId, n) => ({
    lessonId,
    title: `Lesson ${n}`,
    blocks: n === 0 && attemptsMax !== undefined ? blocks : [],
  }));
  const made = { courseId, quizId, lessons, lessonIds };
  await republish(cms, made, lessons);
  return made;
}

export function republish(
  cms: TestCms,
  { courseId }: LearningCourse,
  lessons: readonly TestLesson[],
) {
  const modules = [{ moduleId: newId("mod"), title: "All", lessons: [...lessons] }];
  const completionRule = { quizzesPassed: true, certificate: true };
  const content = { title: "Algebra", modules, completionRule };
  const slug = courseId.replace("_", "-");
  return publishTestCourse(cms.database.pool, { courseId, slug, content }, { indexed: false });
}

/** Somebody new, with access. */
export async function learner(cms: TestCms, courseId: string): Promise<string> {
  const learnerId = randomUUID();
  const plan = { source: "manual", sourceId: learnerId, orderId: null, expireTime: null } as const;
  const why = { reason: "test", actor: "test", learnerIds: [learnerId], courseIds: [courseId] };
  await inTransaction(cms.database.pool, (tx) => giveGrants(tx, { ...plan, ...why }, new Date()));
  return learnerId;
}

/** Somebody new, who has finished every lesson. */
export async function completed(
  cms: TestCms,
  { courseId, lessonIds }: LearningCourse,
): Promise<string> {
  const learnerId = await learner(cms, courseId);
  const records = lessonIds.map((lessonId) => ({ lessonId, percent: 100 }));
  await cms.progress.recordLessonProgress({ learnerId, courseId, records });
  return learnerId;
}
