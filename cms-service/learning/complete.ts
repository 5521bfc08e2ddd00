// A completed course: recorded once, in the SQL transaction of what completed it, and told with it.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { CourseCompletedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { appendEvent } from "#mesh/events/outbox.ts";
import { type CourseShape, type CourseStanding, judgeCourse } from "./progress.ts";
import * as store from "./progress-store.ts";

export type CourseResult = {
  readonly shape: CourseShape;
  readonly standing: CourseStanding;
  readonly facts: store.Facts;
};

/** Where a learner stands, without recording anything. */
export async function readStanding(
  sql: Pool | Tx,
  shape: CourseShape,
  learnerId: string,
): Promise<CourseResult> {
  const facts = await store.readFacts(sql, { learnerId, courseId: shape.courseId });
  const standing = judgeCourse(shape, new Set(facts.completedIds), new Set(facts.passedIds));
  return { shape, standing, facts };
}

/** True when the rule is met, and nobody has written that down yet. */
export function isUnrecorded({ standing, facts }: CourseResult): boolean {
  return standing.isMet && facts.completeTime === null;
}

/**
 * The learner is locked by the caller, and has access: lessons that are free for everybody complete
 * no course that was never opened.
 */
export async function settleCourse(
  tx: Tx,
  shape: CourseShape,
  learnerId: string,
  now: Date,
): Promise<CourseResult> {
  const { courseId, revision } = shape;
  const result = await readStanding(tx, shape, learnerId);
  if (!isUnrecorded(result)) return result;
  const isFirst = await store.insertCompletion(tx, { learnerId, courseId }, revision, now);
  if (isFirst) {
    const event = { learnerId, courseId, revision, completeTime: timestampFromDate(now) };
    await appendEvent(tx, CourseCompletedSchema, event, { source: "cms-service", time: now });
  }
  const facts = { ...result.facts, completeTime: now, completedRevision: revision };
  return { ...result, facts };
}
