import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "#mesh/process/log.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, type TestCms } from "../testing/cms.ts";
import { lessonOf, publishTestCourse } from "../testing/publication.ts";
import { keepIndex } from "./upkeep.ts";

const log = createLog({ service: "cms-service", level: "silent" });
const courses = 12;
const lessonsPerCourse = 250;

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
  const { pool } = cms.database;
  for (let n = 0; n < courses; n++) {
    const lessons = Array.from({ length: lessonsPerCourse }, (_, place) => {
      const words = Array.from({ length: 40 }, (_, word) => `word${(place * 7 + word) % 500}`);
      const text = [`topic${n * lessonsPerCourse + place}`, "everywhere", ...words].join(" ");
      return lessonOf(newId("les"), `Lesson ${place}`, text);
    });
    const courseId = newId("crs");
    const content = { title: "Course", modules: [{ lessons }] };
    await publishTestCourse(pool, { courseId, slug: `c-${n}`, content });
  }
  while (await keepIndex(pool, { log }));
  await cms.asOwner("analyze search_entry, course");
});
afterAll(() => cms[Symbol.asyncDispose]());

test.each([
  ["a rare word", "topic777", {}, 1],
  ["a word that is everywhere", "everywhere", {}, 20],
  ["a word in one course", "everywhere", { courseId: true }, 20],
  ["a title", "lesson 77", {}, courses],
  ["a locale that nothing is in", "topic778", { locales: ["de", "fr"] }, 1],
  ["nothing at all", "nowhere", {}, 0],
])("%s is looked up in the index, and no table is read through", async (_, query, more, count) => {
  const before = await usage();
  const [course] = await cms.database.pool<{ courseId: string }[]>`
    select course_id as "courseId" from course limit 1
  `;
  const courseId = "courseId" in more ? course?.courseId : "";
  const { hits } = await cms.catalog.searchCatalog({ query, ...more, courseId: courseId ?? "" });
  expect(hits).toHaveLength(count);
  await expect.poll(async () => (await usage()).lookUps).toBeGreaterThan(before.lookUps);
  expect((await usage()).readThrough).toBe(before.readThrough);
});

/** What the database counted, of what its sessions have reported. */
async function usage() {
  // A session reports by itself only once in a while.
  await Promise.all(
    Array.from({ length: 16 }, () => cms.database.pool`select pg_stat_force_next_flush()`),
  );
  const [row] = await cms.database.pool<{ lookUps: bigint; readThrough: bigint }[]>`
    select (select sum(idx_scan) from pg_stat_user_indexes
            where indexrelname in ('search_entry_document', 'search_entry_titles')) as "lookUps",
           (select sum(seq_scan) from pg_stat_user_tables where relname = 'search_entry')
             as "readThrough"
  `;
  return { lookUps: Number(row?.lookUps), readThrough: Number(row?.readThrough) };
}
