import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCourse, makeDraft, openTestCms, type TestCms } from "../testing/cms.ts";
import { purgeDeleted } from "./purge.ts";

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

const there = async (courseId: string) => {
  const rows = await cms.asOwner(`select 1 from course where course_id = '${courseId}'`);
  return rows.length === 1;
};

const deleted = (courseId: string, days: number) =>
  cms.asOwner(`update course set delete_time = now() - interval '${days} days',
    purge_time = now() + interval '${30 - days} days' where course_id = '${courseId}'`);

test("a deleted draft goes when its time is over, and what learners saw stays", async () => {
  const [due, fresh, kept] = [await makeDraft(cms), await makeDraft(cms), await makeCourse(cms)];
  await deleted(due.courseId, 31);
  await deleted(fresh.courseId, 29);
  await deleted(kept.courseId, 31);
  const removed = await Promise.all([
    purgeDeleted(cms.database.pool),
    purgeDeleted(cms.database.pool),
  ]);
  expect(removed.toSorted()).toEqual([0, 1]);
  expect(await there(due.courseId)).toBe(false);
  expect(await there(fresh.courseId)).toBe(true);
  expect(await there(kept.courseId)).toBe(true);
  // Its slug is free again: nobody ever saw it.
  await makeDraft(cms, due.slug);
});
