// A revision as it was stored: the bytes that were hashed, read only after they
// are proven to be those. What was stored before there were blocks is read as if
// there had been.

import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type CourseRevision, CourseRevisionSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inBlocks } from "../catalog/published.ts";
import { refused } from "../requests/refusal.ts";
import { type RevisionKey, type RevisionRow, readRevisionRow } from "./revision-store.ts";

/** Whole, as its authors wrote it. Throws a refusal when there is none. */
export async function readRevision(sql: Pool | Tx, key: RevisionKey): Promise<CourseRevision> {
  const row = await readRevisionRow(sql, key);
  if (row) return revisionOf(row);
  const { courseId, revision } = key;
  throw refused("REVISION_NOT_FOUND", `course ${courseId} has no revision ${revision}`, {
    resource: `${courseId}/${revision}`,
  });
}

export type Content = { readonly snapshot: Buffer; readonly sha256: Buffer };

/**
 * The bytes of the content and their digest. Only what authors wrote counts: the
 * slug can change without a publication, and numbers and times differ by themselves.
 */
export function snapshotOf(content: CourseRevision): Content {
  const { courseId, title, summary, defaultLocale, translations, modules } = content;
  const { prerequisiteCourseIds, completionRule } = content;
  const canonical = create(CourseRevisionSchema, {
    courseId,
    title,
    summary,
    defaultLocale,
    translations,
    modules,
    prerequisiteCourseIds,
    ...(completionRule && { completionRule }),
  });
  const bytes = toBinary(CourseRevisionSchema, canonical, { writeUnknownFields: false });
  return { snapshot: Buffer.from(bytes), sha256: digestOf(bytes) };
}

export function revisionOf(row: RevisionRow): CourseRevision {
  const { courseId, revision, snapshot, sha256, defaultLocale, slug, publishTime } = row;
  // The database checks it when it is written; a disk may still forget.
  if (!digestOf(snapshot).equals(sha256)) {
    throw new Error(
      `revision ${revision} of course ${courseId} is damaged: its content is not what its ` +
        "digest says; restore course_revision from a backup",
    );
  }
  const content = fromBinary(CourseRevisionSchema, snapshot);
  const modules = content.modules.map((module) => ({
    ...module,
    lessons: module.lessons.map(inBlocks),
  }));
  return {
    ...content,
    modules,
    revision,
    slug,
    sha256,
    defaultLocale: content.defaultLocale || defaultLocale,
    publishTime: timestampFromDate(publishTime),
  };
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
