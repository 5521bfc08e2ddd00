// Publishing: the draft, whole, becomes a revision that nobody changes any more,
// seen from now on or from a time. The revision, the pointer that learners follow
// and the event are one SQL transaction under the lock of the course.

import assert from "node:assert/strict";
import { toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CourseRevision,
  CourseRevisionSchema,
  LessonSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { contentOf, readTree } from "../courses/tree.ts";
import { refused } from "../requests/refusal.ts";
import { indexRevision } from "../search/index-revision.ts";
import { decidePublish, type Publications } from "./decide-publish.ts";
import type { CourseLife, Step } from "./life.ts";
import { lockLife, requireLegal, takeLocked } from "./locked.ts";
import * as store from "./revision-store.ts";
import { snapshotOf } from "./stored-revision.ts";

export type Publish = {
  readonly courseId: string;
  readonly etag: string;
  /** Undefined: now. */
  readonly time: Date | undefined;
  readonly actor: string;
};

/** Gives the outline of the revision that learners see from its publish time on. */
export async function publishCourse(tx: Tx, publish: Publish): Promise<CourseRevision> {
  const { courseId, etag, time, actor } = publish;
  const locked = await lockLife(tx, courseId, etag);
  requireLegal(locked, stepOf(1, time));
  const tree = await readTree(tx, courseId, { texts: true });
  assert(tree, `course ${courseId} was locked and cannot be read`);
  const content = contentOf(tree);
  const { snapshot, sha256 } = snapshotOf(content);

  const lessonCount = content.modules.reduce((sum, { lessons }) => sum + lessons.length, 0);
  const draft = { lessonCount, sha256: sha256.toString("hex") };
  const publications = await readPublications(tx, courseId, locked.life);
  const decision = decidePublish(draft, publications, time, locked.now);
  const answer = { ...outlineOf(content), sha256, slug: tree.slug };
  if (decision.kind === "empty") {
    throw refused("COURSE_EMPTY", `course ${courseId} has no lesson to publish`, {
      resource: courseId,
    });
  }
  if (decision.kind === "time-passed" || decision.kind === "time-too-far") {
    throw timeRefused(courseId, decision.kind, time, locked.now);
  }
  if (decision.kind === "unchanged") {
    const isReplaced = !decision.keepsSchedule && locked.life.scheduledRevision !== null;
    if (isReplaced) await takeLocked(tx, locked, { kind: "cancel" }, actor);
    return numbered(answer, decision.publication);
  }
  const { revision } = decision;
  const publishTime = time ?? locked.now;
  const { title, prerequisiteCourseIds } = content;
  const key = { courseId, revision };
  await store.insertRevision(tx, {
    ...{ ...key, title, slug: tree.slug, snapshot, sha256, publishTime, prerequisiteCourseIds },
    outline: Buffer.from(toBinary(CourseRevisionSchema, outlineOf(content))),
    author: actor,
  });
  await store.insertRevisionLessons(tx, key, lessonsOf(content));
  await indexRevision(tx, { ...content, ...key });
  await takeLocked(tx, locked, stepOf(revision, time), actor);
  return numbered(answer, { revision, publishTime });
}

function stepOf(revision: number, time: Date | undefined): Step {
  return time ? { kind: "schedule", revision, time } : { kind: "publish", revision };
}

async function readPublications(
  tx: Tx,
  courseId: string,
  { publishedRevision, scheduledRevision }: CourseLife,
): Promise<Publications> {
  const read = (revision: number | null) =>
    revision === null ? undefined : store.readPublication(tx, { courseId, revision });
  return {
    published: await read(publishedRevision),
    scheduled: await read(scheduledRevision),
    lastRevision: await store.readLastRevision(tx, courseId),
  };
}

function timeRefused(
  courseId: string,
  kind: "time-passed" | "time-too-far",
  time: Date | undefined,
  now: Date,
) {
  const given = `publish_time ${time?.toISOString()}`;
  const what =
    kind === "time-passed"
      ? `${given} has passed: it is ${now.toISOString()}; leave it out to publish now`
      : `${given} is more than five years away: choose an earlier one`;
  return refused("PUBLISH_TIME_INVALID", what, { resource: courseId });
}

type Numbered = { readonly revision: number; readonly publishTime: Date };

function numbered(outline: CourseRevision, { revision, publishTime }: Numbered): CourseRevision {
  return { ...outline, revision, publishTime: timestampFromDate(publishTime) };
}

/** Without the texts of the lessons, which are most of a course. */
function outlineOf(content: CourseRevision): CourseRevision {
  const modules = content.modules.map((module) => ({
    ...module,
    lessons: module.lessons.map((lesson) => ({
      ...lesson,
      blocks: [],
      translations: lesson.translations.map((translation) => ({ ...translation, blocks: [] })),
    })),
  }));
  return { ...content, modules };
}

function lessonsOf({ modules }: CourseRevision): readonly store.RevisionLesson[] {
  const lessons = modules.flatMap((module) => module.lessons);
  return lessons.map((lesson) => ({
    lessonId: lesson.lessonId,
    freePreview: lesson.freePreview,
    prerequisiteLessonIds: lesson.prerequisiteLessonIds,
    bytes: Buffer.from(toBinary(LessonSchema, lesson)),
  }));
}
