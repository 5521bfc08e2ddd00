import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import {
  grantTestAccess,
  lessonOf,
  publishTestCourse,
  type TestContent,
} from "../testing/publication.ts";

let cms: TestCms;
let course: Awaited<ReturnType<typeof publish>>;
beforeAll(async () => {
  cms = await openTestCms();
  course = await publish("the-course");
  await grantTestAccess(cms.database.pool, "ada", course.courseId);
});
afterAll(() => cms[Symbol.asyncDispose]());

/** A course of one module with a lesson for learners and a free one. */
async function publish(slug: string, content: TestContent = {}) {
  const courseId = newId("crs");
  const lesson = lessonOf(newId("les"), "Axioms", "*One* <script>alert(1)</script>");
  const free = lessonOf(newId("les"), "Welcome", "Hello", { freePreview: true });
  const modules = [{ moduleId: newId("mod"), title: "Groups", lessons: [lesson, free] }];
  const whole = { title: "Algebra", modules, ...content };
  await publishTestCourse(cms.database.pool, { courseId, slug, content: whole });
  return {
    courseId,
    slug,
    lesson,
    free,
    modules,
    lessonId: lesson.lessonId,
    freeLessonId: free.lessonId,
  };
}

const byId = (courseId: string) => ({ name: { case: "courseId", value: courseId } as const });
const bySlug = (slug: string) => ({ name: { case: "slug", value: slug } as const });
const lessonNotFound = { code: Code.NotFound, refusal: "LESSON_NOT_FOUND" };

test("who has access reads the lesson, with its texts as HTML that is safe", async () => {
  const { courseId, lessonId } = course;
  const expected = {
    courseId,
    revision: 1,
    lesson: {
      lessonId,
      title: "Axioms",
      freePreview: false,
      locale: "en",
      blocks: [
        {
          content: {
            case: "richText",
            value: {
              markdown: "*One* <script>alert(1)</script>",
              html: "<p><em>One</em> </p>\n",
            },
          },
        },
      ],
    },
  };
  const byService = await cms.catalog.getCatalogLesson({ lessonId, learnerId: "ada" });
  expect(byService).toMatchObject(expected);
  const byToken = await cms.catalog.getCatalogLesson({ lessonId }, await cms.as("ada"));
  expect(byToken).toMatchObject(expected);
});

test("anybody reads a free preview", async () => {
  const { freeLessonId: lessonId } = course;
  for (const options of [{}, await cms.as("eve"), await cms.as("ada")]) {
    const { lesson } = await cms.catalog.getCatalogLesson({ lessonId }, options);
    expect(lesson).toMatchObject({ title: "Welcome", freePreview: true });
  }
});

test("nobody else reads a lesson", async () => {
  const { lessonId, courseId } = course;
  const denied = { code: Code.PermissionDenied, refusal: "ACCESS_DENIED", resource: courseId };
  const eve = await cms.as("eve");
  expect(
    await refusalOf(cms.catalog.getCatalogLesson({ lessonId, learnerId: "eve" })),
  ).toMatchObject(denied);
  expect(await refusalOf(cms.catalog.getCatalogLesson({ lessonId }, eve))).toMatchObject(denied);
  expect(
    await refusalOf(cms.catalog.getCatalogLesson({ lessonId, learnerId: "ada" }, eve)),
  ).toMatchObject({ code: Code.PermissionDenied, refusal: "LEARNER_MISMATCH" });
  expect(await refusalOf(cms.catalog.getCatalogLesson({ lessonId }))).toMatchObject({
    code: Code.InvalidArgument,
    refusal: "LEARNER_MISSING",
  });
});

test("a lesson opens when what must come before it is completed", async () => {
  const { pool } = cms.database;
  const first = lessonOf(newId("les"), "First", "1");
  const second = lessonOf(newId("les"), "Second", "2", {
    prerequisiteLessonIds: [first.lessonId],
  });
  const modules = [{ moduleId: newId("mod"), lessons: [first, second] }];
  const { courseId } = await publish("in-order", { modules });
  await grantTestAccess(pool, "ada", courseId);
  const question = { lessonId: second.lessonId, learnerId: "ada" };
  expect(await refusalOf(cms.catalog.getCatalogLesson(question))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "PREREQUISITES_INCOMPLETE",
    resource: first.lessonId,
  });
  await pool`
    insert into lesson_progress
      (learner_id, course_id, lesson_id, percent, reach_time, complete_time)
    values ('ada', ${courseId}, ${first.lessonId}, 100, now(), now())
  `;
  expect(await cms.catalog.getCatalogLesson(question)).toMatchObject({
    lesson: { title: "Second" },
  });
});

test("a learner's token does not reach what authors do", async () => {
  const { courseId } = course;
  const error = await cms.courses
    .getCourse({ courseId }, await cms.as("ada"))
    .catch((error: unknown) => error);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.TOKEN_INVALID);
});

test("what learners do not see is not there, whatever the reason", async () => {
  const { pool } = cms.database;
  const { courseId, slug, lessonId, freeLessonId } = await publish("hidden");
  const isAbsent = async () => {
    for (const id of [lessonId, freeLessonId, newId("les")]) {
      const call = cms.catalog.getCatalogLesson({ lessonId: id, learnerId: "ada" });
      expect(await refusalOf(call)).toMatchObject(lessonNotFound);
    }
    const messages = new Set<string>();
    for (const [name, value] of [
      [byId(courseId), courseId],
      [byId("crs_unknown"), "crs_unknown"],
      [bySlug(slug), slug],
      [bySlug("unknown"), "unknown"],
    ] as const) {
      const error = await cms.catalog.getCatalogCourse(name).catch((error: Error) => error);
      messages.add((error as Error).message.replace(value, "…"));
    }
    expect(messages).toEqual(new Set(["[not_found] there is no course …"]));
    const refused = await refusalOf(cms.catalog.resolveSlug({ slug }));
    expect(refused).toMatchObject({ refusal: "COURSE_NOT_FOUND", resource: slug });
  };
  await cms.catalog.getCatalogLesson({ lessonId: freeLessonId });
  await pool`update course set published_revision = null where course_id = ${courseId}`;
  await isAbsent();
  await pool`
    update course set published_revision = 1, delete_time = now(), purge_time = now()
    where course_id = ${courseId}
  `;
  await isAbsent();
});

test("what was published is there with the next call, however warm the memory", async () => {
  const { pool } = cms.database;
  const { courseId, slug, freeLessonId, modules } = await publish("again");
  const [module] = modules;
  for (let revision = 1; revision <= 5; revision++) {
    const title = `Algebra ${revision}`;
    const lessons = [lessonOf(freeLessonId, title, "x", { freePreview: true })];
    const content = { title, modules: [{ ...module, lessons }] };
    if (revision > 1) await publishTestCourse(pool, { courseId, slug, content });
    const read = await Promise.all([
      cms.catalog.getCatalogLesson({ lessonId: freeLessonId }),
      cms.catalog.getCatalogLesson({ lessonId: freeLessonId, learnerId: "eve" }),
      cms.catalog.getCatalogLesson({ lessonId: freeLessonId }),
    ]);
    expect(read.map((answer) => answer.revision)).toEqual([revision, revision, revision]);
    const { course } = await cms.catalog.getCatalogCourse(bySlug(slug));
    expect(course?.revision).toBe(revision);
    if (revision > 1) expect(read[0].lesson?.title).toBe(title);
  }
  // A lesson that the newest revision left out is gone, though it was read a moment ago.
  const content = { title: "Without", modules: [{ ...module, lessons: [] }] };
  await publishTestCourse(pool, { courseId, slug, content });
  const call = cms.catalog.getCatalogLesson({ lessonId: freeLessonId });
  expect(await refusalOf(call)).toMatchObject(lessonNotFound);
});

test("readers during publications see one revision, whole, and none older than they could", async () => {
  const { pool } = cms.database;
  const { courseId, slug, freeLessonId } = await publish("busy");
  const contentOf = (title: string) => ({
    title,
    modules: Array.from({ length: 4 }, (_, n) => ({
      title,
      lessons: [lessonOf(n === 0 ? freeLessonId : newId("les"), title, "x", { freePreview: true })],
    })),
  });
  await publishTestCourse(pool, { courseId, slug, content: contentOf("Part 2") });
  let committed = 2;
  let isOver = false;
  let reads = 0;
  const readers = Array.from({ length: 8 }, async (_, n) => {
    while (!isOver) {
      const least = committed;
      const { course } = await cms.catalog.getCatalogCourse(n % 2 ? byId(courseId) : bySlug(slug));
      const titles = course?.modules.flatMap(({ title, lessons }) => [
        title,
        ...lessons.map((lesson) => lesson.title),
      ]);
      expect(new Set(titles)).toEqual(new Set([`Part ${course?.revision}`]));
      expect(course?.title).toBe(`Part ${course?.revision}`);
      expect(course?.revision).toBeGreaterThanOrEqual(least);
      const answer = await cms.catalog.getCatalogLesson({ lessonId: freeLessonId });
      expect(answer.lesson?.title).toBe(`Part ${answer.revision}`);
      expect(answer.revision).toBeGreaterThanOrEqual(course?.revision ?? 0);
      reads += 1;
    }
  });
  while (committed < 22) {
    const content = contentOf(`Part ${committed + 1}`);
    await publishTestCourse(pool, { courseId, slug, content });
    committed += 1;
  }
  isOver = true;
  await Promise.all(readers);
  expect(reads).toBeGreaterThan(0);
});

test("a scheduled revision is seen from its time on", async () => {
  const { pool } = cms.database;
  const { courseId, slug, freeLessonId } = await publish("scheduled");
  await publishTestCourse(pool, {
    courseId,
    slug,
    content: {
      title: "Next",
      modules: [{ lessons: [lessonOf(freeLessonId, "Next", "x", { freePreview: true })] }],
    },
  });
  await pool`
    update course set published_revision = 1, scheduled_revision = 2,
      scheduled_time = now() + interval '1 hour'
    where course_id = ${courseId}
  `;
  const read = async () =>
    (await cms.catalog.getCatalogLesson({ lessonId: freeLessonId })).revision;
  expect(await read()).toBe(1);
  await pool`update course set scheduled_time = now() where course_id = ${courseId}`;
  expect(await read()).toBe(2);
});

test("a former slug leads to the course, and says which is the one now", async () => {
  const { courseId, modules } = await publish("old-name");
  await publishTestCourse(cms.database.pool, {
    courseId,
    slug: "new-name",
    content: { title: "Algebra", modules },
  });
  for (const slug of ["old-name", "new-name"]) {
    const redirected = slug === "old-name";
    expect(await cms.catalog.getCatalogCourse(bySlug(slug))).toMatchObject({
      course: { courseId, slug: "new-name" },
      redirected,
      listed: true,
    });
    const resolved = await cms.catalog.resolveSlug({ slug });
    expect(resolved).toMatchObject({ courseId, slug: "new-name", redirected });
  }
  expect(await cms.catalog.getCatalogCourse(byId(courseId))).toMatchObject({ redirected: false });
});

test("an archived course is not listed, and whoever has access keeps it", async () => {
  const { courseId, lessonId } = await publish("archived");
  await grantTestAccess(cms.database.pool, "ada", courseId);
  await cms.database.pool`update course set archive_time = now() where course_id = ${courseId}`;
  expect(await cms.catalog.getCatalogCourse(byId(courseId))).toMatchObject({ listed: false });
  const { lesson } = await cms.catalog.getCatalogLesson({ lessonId, learnerId: "ada" });
  expect(lesson?.title).toBe("Axioms");
  const { courses } = await cms.catalog.listCatalogCourses({ pageSize: 500 });
  expect(courses.map((each) => each.courseId)).not.toContain(courseId);
});

test("a course and its lessons come in the reader's locale, and say so", async () => {
  const lesson = lessonOf(newId("les"), "Welcome", "Hello", { freePreview: true });
  const [block] = lesson.blocks;
  const content = { case: "richText", value: { markdown: "Hallo" } } as const;
  const translation = {
    locale: "de",
    title: "Willkommen",
    blocks: [{ blockId: block?.blockId ?? "", content }],
  };
  const { courseId } = await publish("locales", {
    summary: "Groups",
    translations: [
      { locale: "de", title: "Algebra auf Deutsch" },
      { locale: "fr", summary: "Des groupes" },
    ],
    modules: [
      {
        moduleId: newId("mod"),
        title: "First",
        translations: [{ locale: "de", title: "Erstes" }],
        lessons: [{ ...lesson, translations: [translation] }],
      },
    ],
  });
  const { course } = await cms.catalog.getCatalogCourse({
    ...byId(courseId),
    locales: ["fr-CA", "de-AT"],
  });
  expect(course).toMatchObject({
    title: "Algebra auf Deutsch",
    summary: "Des groupes",
    locale: "de",
    translations: [],
    modules: [
      { title: "Erstes", translations: [], lessons: [{ title: "Willkommen", blocks: [] }] },
    ],
  });
  const { lessonId } = lesson;
  const read = await cms.catalog.getCatalogLesson({ lessonId, locales: ["DE"] });
  expect(read.lesson).toMatchObject({ title: "Willkommen", locale: "de", translations: [] });
  expect(read.lesson?.blocks).toMatchObject([{ content: { value: { html: "<p>Hallo</p>\n" } } }]);
  const other = await cms.catalog.getCatalogLesson({ lessonId, locales: ["it"] });
  expect(other.lesson).toMatchObject({ title: "Welcome", locale: "en" });
  const listed = await cms.catalog.listCatalogCourses({ pageSize: 500, locales: ["de"] });
  expect(listed.courses.find((each) => each.courseId === courseId)).toMatchObject({
    title: "Algebra auf Deutsch",
    modules: [],
  });
  const bad = cms.catalog.getCatalogCourse({ ...byId(courseId), locales: ["no locale"] });
  await expect(bad).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test("published courses are listed on pages that hold each once, the newest first", async () => {
  const made: string[] = [];
  for (const slug of ["zeta", "alpha", "beta"]) made.unshift((await publish(slug)).courseId);
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await cms.catalog.listCatalogCourses({ pageSize: 2, pageToken });
    expect(page.courses.flatMap(({ modules }) => modules)).toEqual([]);
    listed.push(...page.courses.map(({ courseId }) => courseId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed.slice(0, 3)).toEqual(made);
  expect(listed).toContain(course.courseId);
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed).toEqual(listed.toSorted().toReversed());
});

test("a lesson of an old revision, from before there were blocks, is a block of text", async () => {
  const lessonId = newId("les");
  const lesson = { lessonId, title: "Old", bodyMarkdown: "*Old*", freePreview: true };
  await publish("before-blocks", { modules: [{ lessons: [lesson] }] });
  const answer = await cms.catalog.getCatalogLesson({ lessonId });
  expect(answer.lesson).toMatchObject({
    bodyMarkdown: "",
    blocks: [{ content: { case: "richText", value: { html: "<p><em>Old</em></p>\n" } } }],
  });
});
