import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CourseRevision } from "#gen/bursar/cms/v1/course_pb.ts";
import { CoursePublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { openTestCms, type TestCms } from "../testing/cms.ts";
import { changeDraft, eventsOf, makeLargeDraft } from "../testing/drafts.ts";
import { publishCourse } from "./publish.ts";
import { readRevision } from "./stored-revision.ts";

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

const words = ["one", "two", "three", "four"];

/** Every part of the draft says the same word. */
function say(word: string) {
  return (content: CourseRevision) => {
    content.title = word;
    for (const module of content.modules) {
      module.title = word;
      for (const lesson of module.lessons) {
        lesson.title = word;
        const [block] = lesson.blocks;
        if (block?.content.case === "richText") block.content.value.markdown = word;
      }
    }
  };
}

test("a course of 500 lessons is published whole while it is read", async () => {
  const { pool } = cms.database;
  const { courseId, etag } = await makeLargeDraft(cms, 25, 20);
  const publish = (etag: string) =>
    inTransaction(pool, (tx) =>
      publishCourse(tx, { courseId, etag, time: undefined, actor: "publisher" }),
    );
  await publish(etag);
  const lessonIds = await pool<{ lessonId: string }[]>`
    select lesson_id as "lessonId" from revision_lesson where course_id = ${courseId}
  `;
  expect(lessonIds).toHaveLength(500);

  let isDone = false;
  const seen = new Set<number>();
  const readers = [0, 1].map(async (reader) => {
    for (let n = reader; !isDone; n += 2) {
      const { course } = await cms.catalog.getCatalogCourse({
        name: { case: "courseId", value: courseId },
      });
      const { revision, title, modules } = course!;
      const said = new Set(
        modules.flatMap(({ title, lessons }) => [title, ...lessons.map((it) => it.title)]),
      );
      expect([...said]).toEqual([title]);
      expect(title).toBe(words[revision - 1]);
      const { lessonId } = lessonIds[n % lessonIds.length]!;
      const answer = await cms.catalog.getCatalogLesson({ lessonId });
      expect(answer.lesson?.title).toBe(words[answer.revision - 1]);
      expect(answer.lesson?.blocks[0]?.content.value).toMatchObject({
        markdown: answer.lesson?.title,
      });
      expect(answer.revision).toBeGreaterThanOrEqual(revision);
      seen.add(revision);
    }
  });
  for (const word of words.slice(1)) await publish(await changeDraft(cms, courseId, say(word)));
  isDone = true;
  await Promise.all(readers);
  expect(seen.size).toBeGreaterThan(0);

  for (const [n, word] of words.entries()) {
    const content = await readRevision(pool, { courseId, revision: n + 1 });
    expect(content.title).toBe(word);
    expect(content.modules.flatMap((module) => module.lessons)).toHaveLength(500);
  }
  const events = await eventsOf(cms, CoursePublishedSchema, courseId);
  expect(events.map(({ revision }) => revision)).toEqual([1, 2, 3, 4]);
});

test("publishers and authors at once: every revision is one version, whole, and numbered on", async () => {
  const { pool } = cms.database;
  const { courseId } = await makeLargeDraft(cms, 2, 5);
  const published = new Map<number, string>();
  const refusals: string[] = [];
  const publisher = async () => {
    for (let n = 0; n < 12; n++) {
      const { course } = await cms.courses.getCourse({ courseId });
      const answer = await inTransaction(pool, (tx) =>
        publishCourse(tx, { courseId, etag: course!.etag, time: undefined, actor: "p" }),
      ).catch((error: Error) => refusals.push(error.message));
      if (typeof answer === "object") published.set(answer.revision, course!.title);
    }
  };
  const author = async () => {
    for (let n = 0; n < 12; n++) await changeDraft(cms, courseId, say(`word ${n}`));
  };
  await Promise.all([publisher(), publisher(), author()]);
  for (const message of refusals) expect(message).toMatch(/was changed/);

  const rows = await pool<{ revision: number; snapshot: Buffer; sha256: Buffer }[]>`
    select revision, snapshot, sha256 from course_revision
    where course_id = ${courseId} order by revision
  `;
  expect(rows.map(({ revision }) => revision)).toEqual(rows.map((_, n) => n + 1));
  expect([...published.keys()].sort((a, b) => a - b)).toEqual(rows.map((_, n) => n + 1));
  for (const { revision, snapshot, sha256 } of rows) {
    expect(createHash("sha256").update(snapshot).digest()).toEqual(sha256);
    const content = await readRevision(pool, { courseId, revision });
    expect(content.title).toBe(published.get(revision));
    const lessons = content.modules.flatMap((module) => module.lessons);
    expect(new Set([content.title, ...lessons.map(({ title }) => title)]).size).toBe(1);
  }
  const events = await eventsOf(cms, CoursePublishedSchema, courseId);
  expect(events.map(({ revision }) => revision)).toEqual(rows.map((_, n) => n + 1));
});
