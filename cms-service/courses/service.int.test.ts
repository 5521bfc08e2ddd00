import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CourseState } from "#gen/bursar/cms/v1/course_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { makeDraft, openTestCms, refusalOf, requestId, type TestCms } from "../testing/cms.ts";
import { textChange } from "../testing/drafts.ts";

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

const nowhere = "0".repeat(26);

test("a course grows module by module, lesson by lesson, and keeps their order", async () => {
  const { courses } = cms;
  const { courseId, moduleId } = await makeDraft(cms);
  const titles = Array.from({ length: 70 }, (_, n) => `Lesson ${n}`);
  for (const title of titles) {
    await courses.addLesson({ requestId: requestId(), moduleId, title, bodyMarkdown: "" });
  }
  await courses.addModule({ requestId: requestId(), courseId, title: "Rings" });

  const { course } = await courses.getCourse({ courseId });
  expect(course?.modules.map(({ title }) => title)).toEqual(["Groups", "Rings"]);
  expect(course?.modules[0]?.lessons.map(({ title }) => title)).toEqual([
    "Axioms",
    "Welcome",
    ...titles,
  ]);
  expect(course).toMatchObject({ etag: '"75"', state: CourseState.DRAFT, publishedRevision: 0 });
});

test("answers to changes leave out the texts, reading the course brings them", async () => {
  const { courseId, moduleId } = await makeDraft(cms);
  const answer = await cms.courses.addLesson({
    requestId: requestId(),
    moduleId,
    title: "Long",
    bodyMarkdown: "long",
  });
  expect(answer.lesson?.blocks.map(({ content }) => content.value)).toMatchObject([
    { markdown: "long" },
  ]);
  expect(answer.course?.modules[0]?.lessons.map((it) => it.blocks)).toEqual([[], [], []]);
  const { course } = await cms.courses.getCourse({ courseId });
  const blocks = course?.modules[0]?.lessons.flatMap((it) => it.blocks);
  expect(blocks?.map(({ content }) => content.value)).toMatchObject([
    { markdown: "*One*" },
    { markdown: "Hello" },
    { markdown: "long" },
  ]);
});

test("a change from a stale etag is aborted and names the etag of now", async () => {
  const { lessonId, etag } = await makeDraft(cms);
  const change = textChange(lessonId, etag, "Axioms", "*Two*");
  const { course } = await cms.courses.updateLesson(change);
  expect(await refusalOf(cms.courses.updateLesson(change))).toMatchObject({
    code: Code.Aborted,
    refusal: "ETAG_MISMATCH",
    currentEtag: course?.etag,
  });
});

test("of many changes from one etag exactly one is made", async () => {
  const { lessonId, etag, courseId } = await makeDraft(cms);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) =>
      cms.courses.updateLesson(textChange(lessonId, etag, `T${n}`)),
    ),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const { course } = await cms.courses.getCourse({ courseId });
  expect(course?.etag).toBe('"5"');
});

test("a slug belongs to one course, also when two ask at once", async () => {
  const create = () =>
    cms.courses.createCourse({ requestId: requestId(), slug: "wanted", title: "W" });
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, () =>
      create().then(
        () => "made",
        () => "refused",
      ),
    ),
  );
  expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(1);
  expect(await refusalOf(create())).toMatchObject({
    code: Code.AlreadyExists,
    refusal: "SLUG_TAKEN",
    resource: "wanted",
  });
});

test("64 copies of one request make one lesson and get one answer", async () => {
  const { moduleId, courseId } = await makeDraft(cms);
  const request = { requestId: requestId(), moduleId, title: "Once", bodyMarkdown: "x" };
  const answers = await Promise.all(
    Array.from({ length: 64 }, () => cms.courses.addLesson(request, { timeoutMs: 20_000 })),
  );
  expect(new Set(answers.map(({ lesson }) => lesson?.lessonId)).size).toBe(1);
  expect(new Set(answers.map(({ course }) => course?.etag)).size).toBe(1);
  const { course } = await cms.courses.getCourse({ courseId });
  expect(course?.modules[0]?.lessons).toHaveLength(3);
});

test("a repetition gets the first answer although the course went on", async () => {
  const slug = "first-answer";
  const request = { requestId: requestId(), slug, title: "First" };
  const first = await cms.courses.createCourse(request);
  const { courseId } = first.course!;
  await cms.courses.addModule({ requestId: requestId(), courseId, title: "More" });
  expect(await cms.courses.createCourse(request)).toEqual(first);
  const shouted = { ...request, requestId: request.requestId.toUpperCase() };
  expect(await cms.courses.createCourse(shouted)).toEqual(first);
});

test("a request id is not used for two things", async () => {
  const id = requestId();
  const { course } = await cms.courses.createCourse({ requestId: id, slug: "one", title: "One" });
  const reused = { code: Code.AlreadyExists, refusal: "REQUEST_ID_REUSED", resource: id };
  expect(
    await refusalOf(cms.courses.createCourse({ requestId: id, slug: "one", title: "Two" })),
  ).toMatchObject(reused);
  const { courseId } = course!;
  expect(
    await refusalOf(cms.courses.addModule({ requestId: id, courseId, title: "One" })),
  ).toMatchObject(reused);
});

test("a refused request leaves its id free", async () => {
  const request = { requestId: requestId(), slug: "late", title: "Late" };
  const taken = await cms.courses.createCourse({ ...request, requestId: requestId() });
  expect(await refusalOf(cms.courses.createCourse(request))).toMatchObject({
    refusal: "SLUG_TAKEN",
  });
  const isTaken = `course_id = '${taken.course!.courseId}'`;
  await cms.asOwner(`delete from course_slug where ${isTaken}`);
  await cms.asOwner(`delete from course where ${isTaken}`);
  const { course } = await cms.courses.createCourse(request);
  expect(course?.slug).toBe("late");
});

test("courses are listed newest first, page by page, each once", async () => {
  const made: string[] = [];
  for (let n = 0; n < 5; n++) {
    const slug = `listed-${n}`;
    const { course } = await cms.courses.createCourse({ requestId: requestId(), slug, title: "L" });
    made.push(course!.courseId);
  }
  const listed: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await cms.courses.listCourses({ pageSize: 2, pageToken });
    listed.push(...page.courses.map(({ courseId }) => courseId));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed.filter((id) => made.includes(id)).toSorted()).toEqual(made.toSorted());
  expect(listed).toEqual(listed.toSorted().toReversed());
});

// One row a refusal of something that is not there.
test.each([
  ["COURSE_NOT_FOUND", () => cms.courses.getCourse({ courseId: `crs_${nowhere}` })],
  [
    "COURSE_NOT_FOUND",
    () => cms.courses.publishCourse({ courseId: `crs_${nowhere}`, etag: '"1"' }),
  ],
  [
    "COURSE_NOT_FOUND",
    () => cms.courses.addModule({ requestId: requestId(), courseId: `crs_${nowhere}`, title: "M" }),
  ],
  [
    "MODULE_NOT_FOUND",
    () => cms.courses.addLesson({ requestId: requestId(), moduleId: `mod_${nowhere}`, title: "L" }),
  ],
  ["LESSON_NOT_FOUND", () => cms.courses.updateLesson(textChange(`les_${nowhere}`, '"1"', "L"))],
])("%s", async (refusal, call) => {
  expect(await refusalOf(call())).toMatchObject({ code: Code.NotFound, refusal });
});

// One row a field that breaks its rule.
test.each([
  ["request_id", () => cms.courses.createCourse({ requestId: "1", slug: "a", title: "A" })],
  ["slug", () => cms.courses.createCourse({ requestId: requestId(), slug: "A b", title: "A" })],
  ["title", () => cms.courses.createCourse({ requestId: requestId(), slug: "a", title: "" })],
  ["title", () => cms.courses.createCourse({ requestId: requestId(), slug: "a", title: "\0" })],
  ["learner_id", () => cms.orders.listOrders({ learnerId: "\0" })],
  ["course_id", () => cms.courses.getCourse({ courseId: "crs_1" })],
  ["page_size", () => cms.courses.listCourses({ pageSize: -1 })],
  [
    "body_markdown",
    () =>
      cms.courses.addLesson({
        requestId: requestId(),
        moduleId: `mod_${nowhere}`,
        title: "L",
        bodyMarkdown: "x".repeat(262_145),
      }),
  ],
])("a request with a wrong %s is refused by that name", async (field, call) => {
  const error = await call().catch((error: unknown) => error);
  expect(requestRefusalOf(error)).toMatchObject({
    refusal: RequestRefusal.INVALID_FIELD,
    problems: [{ field }],
  });
});

test("a page token of another list is refused", async () => {
  const page = await cms.courses.listCourses({ pageSize: 1 });
  const call = cms.offers.listOffers({ pageSize: 1, pageToken: page.nextPageToken });
  expect(await refusalOf(call)).toMatchObject({
    code: Code.InvalidArgument,
    refusal: "PAGE_TOKEN_INVALID",
  });
});
