// Drafts for tests: changed as a whole and in one go, and what was told about them.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { CourseRevision } from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { lockCourse } from "../courses/lock.ts";
import { contentOf, readTree, replaceTree } from "../courses/tree.ts";
import { newId } from "../requests/identifiers.ts";
import type { TestCms } from "./cms.ts";

type Drafts = { readonly database: { readonly pool: Pool } };

/** Gives the etag after it. */
export async function changeDraft(
  { database: { pool } }: Drafts,
  courseId: string,
  change: (content: CourseRevision) => void,
): Promise<string> {
  return inTransaction(pool, async (tx) => {
    await lockCourse(tx, courseId);
    const tree = await readTree(tx, courseId, { texts: true });
    const content = contentOf(tree!);
    change(content);
    await replaceTree(tx, courseId, content, "author");
    return `"${(await lockCourse(tx, courseId)).version}"`;
  });
}

/** A draft of so many lessons, of which each says the same word. */
export async function makeLargeDraft(
  cms: Pick<TestCms, "courses"> & Drafts,
  modules: number,
  lessonsPerModule: number,
) {
  const { course } = await cms.courses.createCourse({
    requestId: randomUUID(),
    slug: `large-${randomUUID()}`,
    title: "one",
  });
  const { courseId } = course!;
  const { moduleId } = { moduleId: () => newId("mod") };
  const etag = await changeDraft(cms, courseId, (content) => {
    content.modules = Array.from({ length: modules }, () => ({
      ...{ $typeName: "bursar.cms.v1.Module", moduleId: moduleId(), title: "one" },
      ...{ translations: [], etag: "" },
      lessons: Array.from({ length: lessonsPerModule }, () => lessonOf("one")),
    }));
  });
  return { courseId, etag };
}

export function lessonOf(word: string): CourseRevision["modules"][number]["lessons"][number] {
  return {
    ...{ $typeName: "bursar.cms.v1.Lesson", lessonId: newId("les"), title: word },
    ...{ bodyMarkdown: "", freePreview: true, translations: [], prerequisiteLessonIds: [] },
    ...{ etag: "", moduleId: "", locale: "" },
    blocks: [textBlock(word)],
  };
}

export function textBlock(markdown: string, blockId = newId("blk")) {
  return {
    $typeName: "bursar.cms.v1.Block" as const,
    blockId,
    content: {
      case: "richText" as const,
      value: { $typeName: "bursar.cms.v1.RichText" as const, markdown, html: "" },
    },
  };
}

/** Events of the course in the outbox, the oldest first. */
export async function eventsOf<D extends DescMessage>(
  { database: { pool } }: Drafts,
  schema: D,
  courseId: string,
): Promise<readonly MessageShape<D>[]> {
  const rows = await pool<{ data: Buffer }[]>`
    select data from outbox where subject = ${schema.typeName} order by outbox_id
  `;
  return rows
    .filter(({ data }) => data.includes(courseId))
    .map(({ data }) => fromBinary(schema, data));
}

/** By the database's clock. */
export async function untilPassed({ database: { pool } }: Drafts, time: Date): Promise<void> {
  for (;;) {
    const [row] = await pool<{ passed: boolean }[]>`select now() > ${time} as passed`;
    if (row?.passed) return;
    await sleep(20);
  }
}

/** What replaces a lesson's title and its text. */
export function textChange(lessonId: string, etag: string, title: string, markdown = "") {
  const blocks = markdown === "" ? [] : [{ content: richText(markdown) }];
  return { lesson: { lessonId, title, blocks }, updateMask: { paths: ["title", "blocks"] }, etag };
}

function richText(markdown: string) {
  return { case: "richText", value: { markdown } } as const;
}
