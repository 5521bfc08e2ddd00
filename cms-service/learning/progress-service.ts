// ProgressService: how far learners are, and what that completes.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type {
  CourseProgressSchema,
  LessonProgressRecord,
  LessonProgressSchema,
  ProgressService,
  RecordLessonProgressRequest,
} from "#gen/bursar/cms/v1/progress_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { type AccessChecker, accessChecker } from "../access/check.ts";
import { requiredLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { type CourseResult, isUnrecorded, readStanding, settleCourse } from "./complete.ts";
import { type CourseShape, larger, type Seen, seenOf } from "./progress.ts";
import * as store from "./progress-store.ts";
import { type CourseShapes, courseShapes } from "./shape.ts";

const openLessonsMax = 100;

export function progressService(pool: Pool): ServiceImpl<typeof ProgressService> {
  const world = { pool, access: accessChecker(pool), shapes: courseShapes(pool) };
  return {
    recordLessonProgress: (request, context) => recordProgress(world, request, context),

    async getCourseProgress({ learnerId: named, courseId }, context) {
      const learnerId = requiredLearner(context, named);
      const shape = await liveShape(world.shapes, courseId);
      const read = await readStanding(pool, shape, learnerId);
      return { course: courseToWire(await settled(world, read, learnerId)) };
    },

    async listLessonProgress(request, context) {
      const learnerId = requiredLearner(context, request.learnerId);
      const { courseId } = request;
      const question = ["ListLessonProgress", learnerId, courseId];
      const page = readPage(request, question);
      const lessons = await store.readLessons(pool, { learnerId, courseId }, { page });
      const { rows, nextPageToken } = cutPage(lessons, page, question, (row) => row.lessonId);
      return { lessons: rows.map(lessonToWire), nextPageToken };
    },
  };
}

export async function liveShape(shapes: CourseShapes, courseId: string): Promise<CourseShape> {
  const shape = await shapes.live(courseId);
  if (!shape) throw notFound("COURSE_NOT_FOUND", courseId);
  return shape;
}

type World = {
  readonly pool: Pool;
  readonly access: AccessChecker;
  readonly shapes: CourseShapes;
};

/** Records a completion that a later revision brought about. */
export async function settled(
  { pool, access }: World,
  read: CourseResult,
  learnerId: string,
): Promise<CourseResult> {
  if (!isUnrecorded(read)) return read;
  const { shape } = read;
  const { courseId } = shape;
  const { reason } = await access.check({ learnerId, courseId });
  if (reason !== "granted") return read;
  return inTransaction(pool, async (tx) => {
    await store.lockLearning(tx, learnerId, courseId);
    return settleCourse(tx, shape, learnerId, new Date());
  });
}

async function recordProgress(
  { pool, access, shapes }: World,
  { learnerId: named, courseId, records }: RecordLessonProgressRequest,
  context: HandlerContext,
) {
  const learnerId = requiredLearner(context, named);
  const shape = await liveShape(shapes, courseId);
  const now = new Date();
  const seen = seenByLesson(records, now);
  const lessonIds = [...seen.keys()].sort();
  const [whole, ...answers] = await access.checkAll([
    { learnerId, courseId },
    ...lessonIds.map((lessonId) => ({ learnerId, courseId, lessonId })),
  ]);
  for (const [n, { allowed, reason }] of answers.entries()) {
    const lessonId = lessonIds[n] ?? "";
    if (reason === "lesson-not-found") throw notFound("LESSON_NOT_FOUND", lessonId);
    if (!allowed) throw accessDenied(lessonId, reason);
  }
  const told = shape.lessons.filter(({ lessonId }) => seen.has(lessonId));
  const learning = { learnerId, courseId };
  return inTransaction(pool, async (tx) => {
    await store.lockLearning(tx, learnerId, courseId);
    await store.upsertSeen(tx, learning, seen);
    await store.completeLessons(tx, learning, told);
    const mayComplete = whole?.reason === "granted";
    const course = mayComplete
      ? await settleCourse(tx, shape, learnerId, now)
      : await readStanding(tx, shape, learnerId);
    const lessons = await store.readLessons(tx, learning, { lessonIds });
    return { lessons: lessons.map(lessonToWire), course: courseToWire(course) };
  });
}

export function accessDenied(lessonId: string, reason: string) {
  return refused("ACCESS_DENIED", `the learner may not open lesson ${lessonId}: ${reason}`, {
    resource: lessonId,
  });
}

function seenByLesson(records: readonly LessonProgressRecord[], now: Date): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  for (const { lessonId, percent, position, recordTime } of records) {
    const time = recordTime ? timestampDate(recordTime) : now;
    const positionMs = position ? Math.floor(durationMs(position)) : 0;
    const one = seenOf(percent, positionMs, time < now ? time : now);
    const known = seen.get(lessonId);
    seen.set(lessonId, known ? larger(known, one) : one);
  }
  return seen;
}

function lessonToWire(row: store.LessonRow): MessageInitShape<typeof LessonProgressSchema> {
  const { lessonId, percent, positionMs, completeTime, updateTime } = row;
  const position = { seconds: positionMs / 1000n, nanos: Number(positionMs % 1000n) * 1_000_000 };
  return {
    lessonId,
    percent,
    position,
    ...(completeTime ? { completeTime: timestampFromDate(completeTime) } : {}),
    updateTime: timestampFromDate(updateTime),
  };
}

function courseToWire(result: CourseResult): MessageInitShape<typeof CourseProgressSchema> {
  const { shape, standing, facts } = result;
  const { completeTime, completedRevision } = facts;
  return {
    courseId: shape.courseId,
    revision: shape.revision,
    lessonsTotal: shape.lessons.length,
    lessonsCompleted: standing.lessonsCompleted,
    lessonsRequired: standing.lessonsRequired,
    percent: standing.percent,
    nextLessonId: standing.nextLessonId ?? "",
    openLessonIds: standing.openLessonIds.slice(0, openLessonsMax),
    openQuizzes: standing.openQuizzes.map((quiz) => ({ ...quiz })),
    ...(completeTime ? { completeTime: timestampFromDate(completeTime) } : {}),
    completedRevision: completedRevision ?? 0,
  };
}
