// A step of a course's life, written down: the pointers, the log and the event are
// one SQL transaction under the lock of the course. What has come due by the clock
// is written down the same way, by whoever is there first.

import assert from "node:assert/strict";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  CourseArchivedSchema,
  CoursePublishedSchema,
  CourseUnarchivedSchema,
  CourseUnpublishedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { appendEvent } from "#mesh/events/outbox.ts";
import { asOf, type LogEntry, type Taken } from "./life.ts";
import * as store from "./life-store.ts";
import { readPublication } from "./revision-store.ts";

/**
 * The life of a course as of now. The caller has locked it, and must call this
 * before it changes where the course is in its life: a schedule that is due has
 * been seen by learners already, and may be neither dropped nor replaced.
 */
export async function writeDownDue(tx: Tx, courseId: string): Promise<store.LifeNow> {
  const found = await store.readLife(tx, courseId);
  assert(found, `course ${courseId} was locked and cannot be read`);
  const due = asOf(found.life, found.now);
  if (due.log.length > 0) {
    const { scheduledRevision } = found.life;
    assert(scheduledRevision !== null);
    const revision = await readPublication(tx, { courseId, revision: scheduledRevision });
    await writeDown(tx, courseId, due, revision?.author ?? "");
  }
  return { life: due.life, now: found.now };
}

export async function writeDown(
  tx: Tx,
  courseId: string,
  { life, log }: Taken,
  actor: string,
): Promise<void> {
  await store.writeLife(tx, courseId, life);
  for (const entry of log) {
    await store.insertPublication(tx, courseId, entry, actor);
    await tell(tx, courseId, entry);
  }
}

async function tell(tx: Tx, courseId: string, entry: LogEntry): Promise<void> {
  const { kind, fromRevision, toRevision, effectiveTime } = entry;
  const time = timestampFromDate(effectiveTime);
  const options = { source: "cms-service", time: effectiveTime };
  switch (kind) {
    case "published": {
      assert(toRevision !== null);
      const event = { courseId, revision: toRevision, publishTime: time };
      return appendEvent(tx, CoursePublishedSchema, event, options);
    }
    case "unpublished": {
      assert(fromRevision !== null);
      const event = { courseId, revision: fromRevision, unpublishTime: time };
      return appendEvent(tx, CourseUnpublishedSchema, event, options);
    }
    case "archived":
      return appendEvent(tx, CourseArchivedSchema, { courseId, archiveTime: time }, options);
    case "unarchived":
      return appendEvent(tx, CourseUnarchivedSchema, { courseId, unarchiveTime: time }, options);
    default:
      // What is only planned is nobody else's business.
      return;
  }
}
