// QuizService: answers are graded by the revision that the learner saw, and kept as attempts. A
// passed quiz may complete its lesson, and that the course.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { Quiz } from "#gen/bursar/cms/v1/block_pb.ts";
import {
  QuizAttemptSchema,
  QuizService,
  type SubmitQuizAttemptRequest,
} from "#gen/bursar/cms/v1/quiz_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { callerOf } from "#mesh/rpc/caller.ts";
import { type AccessChecker, accessChecker } from "../access/check.ts";
import { localised } from "../catalog/deliver.ts";
import { type Published, publishedLessons } from "../catalog/published.ts";
import { newId } from "../requests/identifiers.ts";
import { requiredLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { settleCourse } from "./complete.ts";
import { type AnswerRefusal, type Grade, gradeQuiz } from "./grade.ts";
import type { CourseShape } from "./progress.ts";
import { accessDenied, liveShape } from "./progress-service.ts";
import { completeLessons, lockLearning } from "./progress-store.ts";
import * as store from "./quiz-store.ts";
import { answerFromWire, quizFromWire, resultsToWire } from "./quiz-wire.ts";
import { type CourseShapes, courseShapes } from "./shape.ts";

/** Who began a quiz before a new revision came may finish it so long. */
const graceMs = 24 * 60 * 60 * 1000;

const { method } = QuizService;

type World = {
  readonly pool: Pool;
  readonly access: AccessChecker;
  readonly shapes: CourseShapes;
  readonly published: Published;
};

export function quizService(pool: Pool): ServiceImpl<typeof QuizService> {
  const access = accessChecker(pool);
  const world = { pool, access, shapes: courseShapes(pool), published: publishedLessons(pool) };
  return {
    async submitQuizAttempt(request, context) {
      const learnerId = requiredLearner(context, request.learnerId);
      const submitted = { ...request, learnerId };
      const prepared = await prepare(world, submitted);
      return inTransaction(pool, (tx) =>
        once(tx, method.submitQuizAttempt, submitted, () => submit(tx, submitted, prepared)),
      );
    },

    async getQuizAttempt({ attemptId }, context) {
      const bytes = await store.readAttempt(pool, attemptId);
      const attempt = bytes && fromBinary(QuizAttemptSchema, bytes);
      const { learnerId } = callerOf(context);
      const isTheirs = learnerId === undefined || attempt?.learnerId === learnerId;
      if (!attempt || !isTheirs) throw notFound("ATTEMPT_NOT_FOUND", attemptId);
      return { attempt };
    },

    async listQuizAttempts(request, context) {
      const learnerId = requiredLearner(context, request.learnerId);
      const { courseId, blockId } = request;
      const question = ["ListQuizAttempts", learnerId, courseId, blockId];
      const page = readPage(request, question);
      const attempts = await store.readAttempts(pool, { learnerId, courseId, blockId }, page);
      const { rows, nextPageToken } = cutPage(attempts, page, question, (row) => row.attemptId);
      return {
        attempts: rows.map(({ attempt }) => fromBinary(QuizAttemptSchema, attempt)),
        nextPageToken,
      };
    },
  };
}

type Prepared = {
  readonly shape: CourseShape;
  readonly quiz: Quiz;
  readonly grade: Grade;
  readonly mayComplete: boolean;
};

/** All that reads only what never changes, so that the SQL transaction is short. */
async function prepare(world: World, request: SubmitQuizAttemptRequest): Promise<Prepared> {
  const { access, shapes } = world;
  const { learnerId, courseId, revision, lessonId, answers } = request;
  const shape = await liveShape(shapes, courseId);
  const [whole, lesson] = await access.checkAll([
    { learnerId, courseId },
    { learnerId, courseId, lessonId },
  ]);
  // A lesson that the newest revision left out may still be finished by who has access.
  const gone = lesson?.reason === "lesson-not-found";
  const answer = gone ? whole : lesson;
  if (!answer?.allowed) throw accessDenied(lessonId, answer?.reason ?? "");
  if (revision !== shape.revision) await requireRecent(world.pool, courseId, revision);
  const quiz = await findQuiz(world, request);
  const outcome = gradeQuiz(quizFromWire(quiz), answers.map(answerFromWire));
  if (outcome.kind === "refused") throw answerRefused(outcome.refusal);
  return { shape, quiz, grade: outcome.grade, mayComplete: whole?.reason === "granted" };
}

async function requireRecent(pool: Pool, courseId: string, revision: number): Promise<void> {
  const succession = await store.readSuccession(pool, courseId, revision);
  if (succession && Date.now() - succession.getTime() <= graceMs) return;
  throw refused(
    "REVISION_NOT_LIVE",
    `learners do not see revision ${revision} of course ${courseId}: read the lesson again`,
    { resource: courseId },
  );
}

async function findQuiz({ published }: World, request: SubmitQuizAttemptRequest): Promise<Quiz> {
  const { courseId, revision, lessonId, blockId, locale } = request;
  const found = await published.lesson(courseId, revision, lessonId);
  if (!found) throw notFound("LESSON_NOT_FOUND", lessonId);
  const lesson = localised(found.lesson, locale ? [locale] : [], found.defaultLocale);
  const block = lesson.blocks.find((candidate) => candidate.blockId === blockId);
  if (block?.content.case === "quiz") return block.content.value;
  throw refused("QUIZ_NOT_FOUND", `lesson ${lessonId} has no quiz ${blockId}`, {
    resource: blockId,
  });
}

function answerRefused(refusal: AnswerRefusal) {
  const { questionId } = refusal;
  switch (refusal.reason) {
    case "question-unknown":
      return refused("QUESTION_UNKNOWN", `the quiz has no question ${questionId}`, {
        resource: questionId,
      });
    case "choice-unknown":
      return refused("CHOICE_UNKNOWN", `question ${questionId} has no choice ${refusal.choiceId}`, {
        resource: refusal.choiceId,
      });
    case "answer-invalid":
      return refused(
        "ANSWER_INVALID",
        `the answer to question ${questionId} cannot be graded: ${refusal.problem}`,
        { resource: questionId },
      );
  }
}

async function submit(tx: Tx, request: SubmitQuizAttemptRequest, prepared: Prepared) {
  const { learnerId, courseId, revision, lessonId, blockId, locale, answers } = request;
  const { shape, quiz, grade, mayComplete } = prepared;
  const { attemptsMax } = quiz;
  const now = new Date();
  const place = { learnerId, courseId, lessonId, blockId };
  await lockLearning(tx, learnerId, courseId);
  const standing = await store.takeAttempt(tx, place, attemptsMax);
  if (!standing) {
    throw refused(
      "ATTEMPTS_EXHAUSTED",
      `quiz ${blockId} may be tried ${attemptsMax} times, and no attempt is left`,
      { resource: blockId },
    );
  }
  const attemptsLeft = attemptsMax === 0 ? undefined : attemptsMax - standing.attempts;
  const isRevealed = grade.passed || standing.passTime !== null || attemptsLeft === 0;
  const attempt = create(QuizAttemptSchema, {
    attemptId: newId("att"),
    ...{ learnerId, courseId, revision, lessonId, blockId, locale, answers },
    number: standing.attempts,
    ...(attemptsLeft === undefined ? {} : { attemptsLeft }),
    results: resultsToWire(quiz, grade, isRevealed),
    points: grade.points,
    pointsMax: grade.pointsMax,
    passed: grade.passed,
    submitTime: timestampFromDate(now),
  });
  const bytes = Buffer.from(toBinary(QuizAttemptSchema, attempt));
  const { attemptId, number } = attempt;
  await store.insertAttempt(tx, { ...place, attemptId, number, attempt: bytes });
  if (grade.passed) {
    await store.passQuiz(tx, place, now);
    const lessons = shape.lessons.filter((lesson) => lesson.lessonId === lessonId);
    await completeLessons(tx, place, lessons);
    if (mayComplete) await settleCourse(tx, shape, learnerId, now);
  }
  return { attempt };
}
