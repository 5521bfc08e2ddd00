import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { settlePayments } from "../access/settle-payments.ts";
import {
  makeCourse,
  makeDraft,
  makeOffer,
  makeOrder,
  openTestCms,
  refusalOf,
  type TestCms,
} from "../testing/cms.ts";

let cms: TestCms;
let course: Awaited<ReturnType<typeof makeCourse>>;
beforeAll(async () => {
  cms = await openTestCms();
  course = await makeCourse(cms, "the-course");
  await pay(await makeOrder(cms, await makeOffer(cms, [course.courseId]), "ada"));
});
afterAll(() => cms[Symbol.asyncDispose]());

test("who has access reads the lesson as it was published", async () => {
  const { courseId, lessonId, etag } = course;
  await cms.courses.updateLesson({ lessonId, etag, title: "Draft", bodyMarkdown: "Draft" });
  const expected = {
    courseId,
    revision: 1,
    lesson: { lessonId, title: "Axioms", bodyMarkdown: "*One*", freePreview: false },
  };
  const byService = await cms.catalog.getCatalogLesson({ lessonId, learnerId: "ada" });
  expect(byService).toMatchObject(expected);
  const byToken = await cms.catalog.getCatalogLesson({ lessonId }, await cms.as("ada"));
  expect(byToken).toMatchObject(expected);
});

test("anybody reads a free preview", async () => {
  const { freeLessonId: lessonId } = course;
  for (const options of [{}, await cms.as("eve")]) {
    const { lesson } = await cms.catalog.getCatalogLesson({ lessonId }, options);
    expect(lesson).toMatchObject({ bodyMarkdown: "Hello", freePreview: true });
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

test("a learner asks about nobody else's access", async () => {
  const { courseId } = course;
  const { enrollments } = cms;
  const [ada, eve] = [await cms.as("ada"), await cms.as("eve")];
  expect(await enrollments.checkAccess({ courseId }, ada)).toMatchObject({ allowed: true });
  expect(await enrollments.checkAccess({ courseId }, eve)).toMatchObject({ allowed: false });
  for (const call of [
    () => enrollments.checkAccess({ courseId, learnerId: "ada" }, eve),
    () => enrollments.getEnrollment({ courseId, learnerId: "ada" }, eve),
    () => enrollments.listEnrollments({ learnerId: "ada" }, eve),
  ]) {
    expect(await refusalOf(call())).toMatchObject({
      code: Code.PermissionDenied,
      refusal: "LEARNER_MISMATCH",
    });
  }
  for (const call of [
    () => enrollments.checkAccess({ courseId }),
    () => enrollments.getEnrollment({ courseId }),
    () => enrollments.listEnrollments({}),
  ]) {
    expect(await refusalOf(call())).toMatchObject({
      code: Code.InvalidArgument,
      refusal: "LEARNER_MISSING",
    });
  }
});

test("a learner's token does not reach what authors do", async () => {
  const { courseId } = course;
  const error = await cms.courses
    .getCourse({ courseId }, await cms.as("ada"))
    .catch((error: unknown) => error);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.TOKEN_INVALID);
});

test("a draft's lessons are not there", async () => {
  const { lessonId, freeLessonId, courseId } = await makeDraft(cms);
  for (const id of [lessonId, freeLessonId]) {
    const call = cms.catalog.getCatalogLesson({ lessonId: id, learnerId: "ada" });
    expect(await refusalOf(call)).toMatchObject({
      code: Code.NotFound,
      refusal: "LESSON_NOT_FOUND",
    });
  }
  const name = { case: "courseId", value: courseId } as const;
  expect(await refusalOf(cms.catalog.getCatalogCourse({ name }))).toMatchObject({
    refusal: "COURSE_NOT_FOUND",
    resource: courseId,
  });
});

test("published courses are listed by slug, without their modules", async () => {
  for (const slug of ["zeta", "alpha", "beta-2", "beta"]) await makeCourse(cms, slug);
  await makeDraft(cms, "aaa-draft");
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await cms.catalog.listCatalogCourses({ pageSize: 2, pageToken });
    for (const { slug, modules, revision } of page.courses) {
      expect([modules, revision]).toEqual([[], 1]);
      listed.push(slug);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(["alpha", "beta", "beta-2", "the-course", "zeta"]);
});

async function pay(orderId: string): Promise<void> {
  const totals = {
    ledgerId: "main",
    paymentId: `pi/${orderId}`,
    orderId,
    ledgerSequence: 1n,
    currencyCode: "USD",
    paidMinor: 10_000n,
    refundedMinor: 0n,
    disputedMinor: 0n,
    lostMinor: 0n,
  };
  await inTransaction(cms.database.pool, (tx) => settlePayments(tx, [totals], new Date()));
}
