// Publishing: the draft, whole, becomes a revision that nobody changes any more.
// The revision, the pointer that learners follow and the event are one SQL
// transaction under the lock of the course.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CourseRevision,
  CourseRevisionSchema,
  LessonSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import { CoursePublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { appendEvent } from "#mesh/events/outbox.ts";
import * as revisions from "./revisions.ts";
import { type CourseRefusal, decidePublish } from "./rules.ts";
import { readTree } from "./store.ts";
import { contentOf, outlineOf } from "./wire.ts";

export type PublishOutcome =
  | { readonly kind: "refused"; readonly refusal: CourseRefusal }
  | { readonly kind: "published"; readonly outline: CourseRevision };

type Publish = { readonly courseId: string; readonly etag: string; readonly now: Date };

/** The course is locked by the caller. */
export async function publishCourse(
  tx: Tx,
  { courseId, etag, now }: Publish,
): Promise<PublishOutcome> {
  const tree = await readTree(tx, courseId, { texts: true });
  assert(tree, `course ${courseId} was locked and cannot be read`);
  const content = contentOf(tree);
  const snapshot = Buffer.from(toBinary(CourseRevisionSchema, content));
  const sha256 = createHash("sha256").update(snapshot).digest();
  const published = await revisions.readPublished(tx, courseId);

  const lessonCount = tree.modules.reduce((sum, { lessons }) => sum + lessons.length, 0);
  const draft = { version: tree.version, lessonCount, sha256: sha256.toString("hex") };
  const decision = decidePublish(draft, etag, published);
  if (decision.kind === "refused") return decision;

  const { revision } = decision;
  const outline = outlineOf(content);
  if (decision.kind === "unchanged") {
    assert(published);
    return { kind: "published", outline: numbered(outline, published) };
  }
  await revisions.insertRevision(tx, {
    courseId,
    revision,
    title: tree.title,
    slug: tree.slug,
    snapshot,
    sha256,
    outline: Buffer.from(toBinary(CourseRevisionSchema, outline)),
    publishTime: now,
  });
  await revisions.insertRevisionLessons(tx, { courseId, revision }, lessonsOf(content));
  await revisions.pointTo(tx, courseId, revision);
  const event = { courseId, revision, publishTime: timestampFromDate(now) };
  await appendEvent(tx, CoursePublishedSchema, event, { source: "cms-service", time: now });
  return { kind: "published", outline: numbered(outline, { revision, publishTime: now }) };
}

type Numbered = { readonly revision: number; readonly publishTime: Date };

function numbered(outline: CourseRevision, { revision, publishTime }: Numbered): CourseRevision {
  return { ...outline, revision, publishTime: timestampFromDate(publishTime) };
}

function lessonsOf({ modules }: CourseRevision) {
  const lessons = modules.flatMap((module) => module.lessons);
  return lessons.map((lesson) => ({
    lessonId: lesson.lessonId,
    freePreview: lesson.freePreview,
    bytes: Buffer.from(toBinary(LessonSchema, lesson)),
  }));
}
