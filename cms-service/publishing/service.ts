// PublishingService: what becomes of a course beyond its draft, what it was, and
// the way back. Every step is one SQL transaction that locks the course.

import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { PublishCourseRequest } from "#gen/bursar/cms/v1/course_service_pb.ts";
import type {
  PublishingService,
  RollbackCourseRequest,
} from "#gen/bursar/cms/v1/publishing_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { recordChange } from "../courses/change.ts";
import { contentOf, readTree, replaceTree } from "../courses/tree.ts";
import { courseToWire } from "../courses/wire.ts";
import { actorOf } from "../requests/actor.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound } from "../requests/refusal.ts";
import { diffCourses } from "./diff.ts";
import { readPublications } from "./life-store.ts";
import { archivedCourse, lockLife, takeLocked } from "./locked.ts";
import { partOf } from "./parts.ts";
import { publishCourse } from "./publish.ts";
import { timeOf } from "./publish-time.ts";
import { readRevisions } from "./revision-store.ts";
import { readRevision } from "./stored-revision.ts";
import { differenceToWire, publicationToWire, summaryToWire } from "./wire.ts";

export function publishingService(pool: Pool): ServiceImpl<typeof PublishingService> {
  const take = (kind: TurnKind) => (request: Named, context: HandlerContext) =>
    inTransaction(pool, (tx) => turn(tx, kind, request, actorOf(context)));
  return {
    cancelScheduledPublish: take("cancel"),
    unpublishCourse: take("unpublish"),
    archiveCourse: take("archive"),
    unarchiveCourse: take("unarchive"),
    rollbackCourse: (request, context) =>
      inTransaction(pool, (tx) => rollback(tx, request, actorOf(context))),

    async listCourseRevisions(request) {
      const { courseId } = request;
      const question = ["ListCourseRevisions", courseId];
      const page = readPage(request, question);
      const read = await readRevisions(pool, courseId, page);
      if (read.length === 0) await requireCourse(pool, courseId);
      const { rows, nextPageToken } = cutPage(read, page, question, keyOf("revision"));
      return { revisions: rows.map(summaryToWire), nextPageToken };
    },

    async getCourseRevision(request) {
      return { revision: await readRevision(pool, request) };
    },

    async diffCourseRevisions({ courseId, fromRevision, toRevision }) {
      const from = await readContent(pool, courseId, fromRevision);
      const to = await readContent(pool, courseId, toRevision);
      const differences = diffCourses(partOf(from), partOf(to));
      return { differences: differences.map(differenceToWire) };
    },

    async listCoursePublications(request) {
      const { courseId } = request;
      const question = ["ListCoursePublications", courseId];
      const page = readPage(request, question);
      const read = await readPublications(pool, courseId, page);
      if (read.length === 0) await requireCourse(pool, courseId);
      const { rows, nextPageToken } = cutPage(read, page, question, keyOf("publicationId"));
      return { publications: rows.map(publicationToWire), nextPageToken };
    },
  };
}

/** CourseService's, whose proto has it. */
export function publishCourseCall(pool: Pool) {
  return ({ courseId, etag, publishTime }: PublishCourseRequest, context: HandlerContext) =>
    inTransaction(pool, async (tx) => {
      const time = publishTime && timeOf(publishTime);
      const revision = await publishCourse(tx, { courseId, etag, time, actor: actorOf(context) });
      return { course: await outline(tx, courseId), revision };
    });
}

type Named = { readonly courseId: string; readonly etag: string };
type TurnKind = "cancel" | "unpublish" | "archive" | "unarchive";

const turns: Record<TurnKind, string | undefined> = {
  // What is planned is no part of what authors look at.
  cancel: undefined,
  unpublish: "unpublished",
  archive: "archived",
  unarchive: "unarchived",
};

async function turn(tx: Tx, kind: TurnKind, { courseId, etag }: Named, actor: string) {
  const locked = await lockLife(tx, courseId, etag);
  await takeLocked(tx, locked, { kind }, actor);
  // Whoever looked at the course before has to look again before publishing.
  const what = turns[kind];
  if (what) await recordChange(tx, { courseId, resources: [courseId], what, actor });
  return { course: await outline(tx, courseId) };
}

/** Learners see what they saw: only the draft changes. */
async function rollback(tx: Tx, request: RollbackCourseRequest, actor: string) {
  const { courseId, etag, revision } = request;
  const { life } = await lockLife(tx, courseId, etag);
  if (life.archiveTime !== null) throw archivedCourse({ courseId, ...life });
  await replaceTree(tx, courseId, await readRevision(tx, { courseId, revision }), actor);
  return { course: await outline(tx, courseId) };
}

/** Zero is the draft. */
async function readContent(pool: Pool, courseId: string, revision: number) {
  if (revision > 0) return readRevision(pool, { courseId, revision });
  const tree = await readTree(pool, courseId, { texts: true });
  if (!tree) throw notFound("COURSE_NOT_FOUND", courseId);
  return contentOf(tree);
}

async function requireCourse(pool: Pool, courseId: string): Promise<void> {
  const rows = await pool`select from course where course_id = ${courseId}`;
  if (rows.length === 0) throw notFound("COURSE_NOT_FOUND", courseId);
}

async function outline(tx: Tx, courseId: string) {
  const tree = await readTree(tx, courseId, { texts: false });
  if (!tree) throw notFound("COURSE_NOT_FOUND", courseId);
  return courseToWire(tree);
}

function keyOf<K extends string>(name: K) {
  return (row: { readonly [name in K]: number | bigint }) => String(row[name]);
}
