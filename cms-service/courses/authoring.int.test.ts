import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import { CourseState } from "#gen/bursar/cms/v1/course_pb.ts";
import { RefusalDetailSchema } from "#gen/bursar/cms/v1/refusal_pb.ts";
import {
  makeCourse,
  makeDraft,
  openTestCms,
  refusalOf,
  requestId,
  type TestCms,
} from "../testing/cms.ts";
import { textChange } from "../testing/drafts.ts";

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

const nowhere = "0".repeat(26);

/** A course of one module with so many lessons. */
async function makeLessons(count: number) {
  const { courses } = cms;
  const slug = `l-${randomUUID()}`;
  const { course } = await courses.createCourse({ requestId: requestId(), slug, title: "Order" });
  const { courseId } = course!;
  const { module } = await courses.addModule({ requestId: requestId(), courseId, title: "One" });
  const { moduleId } = module!;
  const lessonIds: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const title = `Lesson ${n}`;
    const { lesson } = await courses.addLesson({ requestId: requestId(), moduleId, title });
    lessonIds.push(lesson!.lessonId);
  }
  return { courseId, moduleId, lessonIds };
}

async function treeOf(courseId: string) {
  const { course } = await cms.courses.getCourse({ courseId });
  return course!;
}

async function orderOf(courseId: string) {
  const { modules } = await treeOf(courseId);
  return modules.map(({ lessons }) => lessons.map(({ lessonId }) => lessonId));
}

async function detailOf(call: Promise<unknown>) {
  const error = ConnectError.from(await call.catch((error: unknown) => error));
  return error.findDetails(RefusalDetailSchema)[0]!;
}

test("two authors change two lessons from the same etag, and both changes stand", async () => {
  const { courseId, lessonIds } = await makeLessons(2);
  const { etag } = await treeOf(courseId);
  const [first, second] = lessonIds as [string, string];
  await cms.courses.updateLesson(textChange(first, etag, "First"));
  await cms.courses.updateLesson(textChange(second, etag, "Second"));
  const { modules } = await treeOf(courseId);
  expect(modules[0]?.lessons.map(({ title }) => title)).toEqual(["First", "Second"]);
});

test("who comes too late is told what changed, by whom and when", async () => {
  const { courseId, lessonIds } = await makeLessons(1);
  const { etag } = await treeOf(courseId);
  const lessonId = lessonIds[0] ?? "";
  await cms.courses.updateLesson(textChange(lessonId, etag, "Mine"));
  const call = cms.courses.updateLesson(textChange(lessonId, etag, "Yours"));
  expect(await refusalOf(call)).toMatchObject({ code: Code.Aborted, refusal: "ETAG_MISMATCH" });
  const { changes, currentEtag } = await detailOf(
    cms.courses.updateLesson(textChange(lessonId, etag, "Yours")),
  );
  expect(changes).toMatchObject([{ resource: lessonId, what: "lesson updated" }]);
  expect(changes[0]?.actor).not.toBe("");
  expect(changes[0]?.etag).toBe(currentEtag);
  // The etag it is told is the one to go on with.
  await cms.courses.updateLesson(textChange(lessonId, currentEtag, "Yours"));
});

test.for(["", "4", '"0"', '"x"', 'W/"4"', '"99999999999999999999"', '"1000"'])(
  "an etag that never was is stale: %j",
  async (etag) => {
    const { lessonIds } = await makeLessons(1);
    const call = cms.courses.updateLesson(textChange(lessonIds[0] ?? "", etag, "T"));
    expect((await refusalOf(call)).code).toBe(etag === "" ? Code.InvalidArgument : Code.Aborted);
  },
);

test("a lesson moves before another, to the end and to another module, and no other moves", async () => {
  const { courseId, moduleId, lessonIds } = await makeLessons(4);
  const [a, b, c, d] = lessonIds as [string, string, string, string];
  const { module } = await cms.courses.addModule({
    requestId: requestId(),
    courseId,
    title: "Two",
  });
  const move = async (lessonId: string, where: { beforeLessonId?: string; moduleId?: string }) => {
    const { etag } = await treeOf(courseId);
    await cms.courses.moveLesson({ lessonId, etag, ...where });
  };
  await move(d, { beforeLessonId: b });
  expect(await orderOf(courseId)).toEqual([[a, d, b, c], []]);
  await move(a, {});
  expect(await orderOf(courseId)).toEqual([[d, b, c, a], []]);
  await move(b, { moduleId: module!.moduleId });
  await move(c, { moduleId: module!.moduleId, beforeLessonId: b });
  expect(await orderOf(courseId)).toEqual([
    [d, a],
    [c, b],
  ]);
  await move(a, { beforeLessonId: a });
  expect(await orderOf(courseId)).toEqual([
    [d, a],
    [c, b],
  ]);

  const { etag } = await treeOf(courseId);
  const unknown = cms.courses.moveLesson({ lessonId: a, etag, beforeLessonId: b });
  expect(await refusalOf(unknown)).toMatchObject({ refusal: "PLACE_UNKNOWN", resource: b });
  const elsewhere = await makeLessons(1);
  const foreign = cms.courses.moveLesson({ lessonId: a, etag, moduleId: elsewhere.moduleId });
  expect(await refusalOf(foreign)).toMatchObject({ refusal: "PLACE_UNKNOWN" });

  await cms.courses.moveModule({ moduleId: module!.moduleId, etag, beforeModuleId: moduleId });
  expect(await orderOf(courseId)).toEqual([
    [c, b],
    [d, a],
  ]);
});

test("moves at the same time never collide, and none is lost", async () => {
  const { courseId, lessonIds } = await makeLessons(8);
  const { etag } = await treeOf(courseId);
  const first = lessonIds[0] ?? "";
  const moved = lessonIds.slice(1);
  // Each lesson is where it was when the etag was read: only one's own move makes it stale.
  await Promise.all(
    moved.map((lessonId) => cms.courses.moveLesson({ lessonId, etag, beforeLessonId: first })),
  );
  const [order] = await orderOf(courseId);
  expect(order?.at(-1)).toBe(first);
  expect(order?.toSorted()).toEqual(lessonIds.toSorted());
  const again = cms.courses.moveLesson({ lessonId: moved[0] ?? "", etag });
  expect(await refusalOf(again)).toMatchObject({ refusal: "ETAG_MISMATCH" });
});

test("a module goes with its lessons, unless one was changed meanwhile or is needed", async () => {
  const { courseId, moduleId, lessonIds } = await makeLessons(2);
  const { etag } = await treeOf(courseId);
  await cms.courses.updateLesson(textChange(lessonIds[0] ?? "", etag, "Changed"));
  const stale = cms.courses.deleteModule({ moduleId, etag });
  expect(await refusalOf(stale)).toMatchObject({ refusal: "ETAG_MISMATCH" });

  const other = await cms.courses.addModule({ requestId: requestId(), courseId, title: "Two" });
  const needing = await cms.courses.addLesson({
    ...{ requestId: requestId(), moduleId: other.module!.moduleId, title: "Later" },
    prerequisiteLessonIds: [lessonIds[1] ?? ""],
  });
  const { etag: fresh } = needing.course!;
  const needed = cms.courses.deleteModule({ moduleId, etag: fresh });
  expect(await refusalOf(needed)).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "LESSON_NEEDED",
    resource: needing.lesson!.lessonId,
  });
  const gone = await cms.courses.deleteLesson({
    lessonId: needing.lesson!.lessonId,
    etag: fresh,
  });
  const left = await cms.courses.deleteModule({ moduleId, etag: gone.course!.etag });
  expect(left.course?.modules.map((module) => module.moduleId)).toEqual([other.module!.moduleId]);
});

test("a former slug still leads to its course, and is never another's", async () => {
  const { courseId, slug } = await makeCourse(cms, "old-name");
  const { etag } = await treeOf(courseId);
  const rename = { course: { courseId, slug: "new-name" }, updateMask: { paths: ["slug"] }, etag };
  const { course } = await cms.courses.updateCourse(rename);
  expect(course?.slug).toBe("new-name");
  const name = { case: "slug", value: slug } as const;
  const found = await cms.catalog.getCatalogCourse({ name });
  expect(found).toMatchObject({ redirected: true, course: { courseId, slug: "new-name" } });
  const taken = cms.courses.createCourse({ requestId: requestId(), slug, title: "Other" });
  expect(await refusalOf(taken)).toMatchObject({ refusal: "SLUG_TAKEN" });
  const back = { ...rename, course: { courseId, slug }, etag: course!.etag };
  expect((await cms.courses.updateCourse(back)).course?.slug).toBe(slug);
});

test("no course and no lesson becomes its own prerequisite, not even by two at once", async () => {
  const [a, b] = [await makeDraft(cms), await makeDraft(cms)];
  const need = (courseId: string, id: string, etag: string) =>
    cms.courses.updateCourse({
      course: { courseId, prerequisiteCourseIds: [id] },
      updateMask: { paths: ["prerequisite_course_ids"] },
      etag,
    });
  const outcomes = await Promise.all(
    [need(a.courseId, b.courseId, a.etag), need(b.courseId, a.courseId, b.etag)].map((call) =>
      call.then(
        () => "made",
        async () => (await refusalOf(call)).refusal,
      ),
    ),
  );
  expect(outcomes.toSorted()).toEqual(["PREREQUISITES_CYCLIC", "made"]);
  const itself = need(a.courseId, a.courseId, (await treeOf(a.courseId)).etag);
  expect(await refusalOf(itself)).toMatchObject({ refusal: "PREREQUISITES_CYCLIC" });
  const unknown = need(a.courseId, `crs_${nowhere}`, (await treeOf(a.courseId)).etag);
  expect(await refusalOf(unknown)).toMatchObject({ refusal: "PREREQUISITE_UNKNOWN" });

  const { courseId, lessonIds } = await makeLessons(3);
  const [x, y, z] = lessonIds as [string, string, string];
  const needLesson = async (lessonId: string, id: string) =>
    cms.courses.updateLesson({
      lesson: { lessonId, prerequisiteLessonIds: [id] },
      updateMask: { paths: ["prerequisite_lesson_ids"] },
      etag: (await treeOf(courseId)).etag,
    });
  await needLesson(x, y);
  await needLesson(y, z);
  const error = await needLesson(z, x).catch((error: unknown) => error);
  expect(String(error)).toContain(`${z} needs ${x} needs ${y} needs ${z}`);
});

test("everything that is wrong with a lesson is told at once", async () => {
  const { moduleId } = await makeLessons(1);
  const choices = [
    { choiceId: "a", textMarkdown: "A" },
    { choiceId: "a", textMarkdown: "B" },
  ];
  const question = { promptMarkdown: "?", kind: { case: "choice", value: { choices } } } as const;
  const quiz = {
    questions: [
      { questionId: "q", ...question },
      { questionId: "q", ...question },
    ],
  };
  const blocks: MessageInitShape<typeof BlockSchema>[] = [
    { blockId: `blk_${nowhere}`, content: { case: "quiz", value: quiz } },
    { blockId: `blk_${nowhere}`, content: { case: "code", value: { text: "1" } } },
  ];
  const translations = [
    { locale: "en", blocks: [{ content: { case: "code", value: { text: "1" } } as const }] },
  ];
  const request = { requestId: requestId(), moduleId, title: "Bad", blocks, translations };
  const { problems } = await detailOf(cms.courses.addLesson(request));
  expect(problems.map(({ field }) => field).toSorted()).toEqual([
    "blocks[0].quiz.questions[0].choice.choices",
    "blocks[0].quiz.questions[0].choice.choices",
    "blocks[0].quiz.questions[1].choice.choices",
    "blocks[0].quiz.questions[1].choice.choices",
    "blocks[0].quiz.questions[1].question_id",
    "blocks[1].block_id",
    "translations[0].blocks[0].block_id",
    "translations[0].locale",
  ]);
});

test("a lesson that is too large is refused, and the draft stays", async () => {
  const { courseId, moduleId } = await makeLessons(1);
  const before = await treeOf(courseId);
  const markdown = "x".repeat(200_000);
  const blocks = Array.from({ length: 6 }, () => {
    return { content: { case: "richText", value: { markdown } } as const };
  });
  const call = cms.courses.addLesson({ requestId: requestId(), moduleId, title: "Big", blocks });
  expect(await refusalOf(call)).toMatchObject({ refusal: "DRAFT_INVALID" });
  expect(await treeOf(courseId)).toEqual(before);
});

test("blocks get ids and keep them; what only learners are shown is not kept", async () => {
  const { lessonIds, courseId } = await makeLessons(1);
  const lessonId = lessonIds[0] ?? "";
  const content = { case: "richText", value: { markdown: "*a*", html: "<script>" } } as const;
  const { etag } = await treeOf(courseId);
  const { lesson } = await cms.courses.updateLesson({
    ...{ lesson: { lessonId, blocks: [{ content }] }, etag },
    updateMask: { paths: ["blocks"] },
  });
  const [block] = lesson!.blocks;
  expect(block?.blockId).toMatch(/^blk_[0-9a-z]{26}$/);
  expect(block?.content.value).toMatchObject({ markdown: "*a*", html: "" });
  const kept = await cms.courses.updateLesson({
    lesson: { lessonId, blocks: [block!, { content }] },
    updateMask: { paths: ["blocks"] },
    etag: lesson!.etag,
  });
  expect(kept.lesson?.blocks[0]?.blockId).toBe(block?.blockId);
  expect(kept.lesson?.title).toBe("Lesson 0");
  const read = await cms.courses.getLesson({ lessonId });
  expect(read).toMatchObject({ courseId, lesson: kept.lesson! });
});

test.for([
  [[], "no field"],
  [["lessonid"], "unknown"],
  [["etag"], "etag"],
  [["*"], "lesson_id"],
] as const)("a mask that names %j is refused", async ([paths, told]) => {
  const { lessonIds, courseId } = await makeLessons(1);
  const { etag } = await treeOf(courseId);
  const lesson = { lessonId: lessonIds[0] ?? "" };
  const call = cms.courses.updateLesson({ lesson, updateMask: { paths: [...paths] }, etag });
  const error = ConnectError.from(await call.catch((error: unknown) => error));
  expect(error.code).toBe(Code.InvalidArgument);
  if (told !== "unknown") expect(error.message).toContain(told);
});

test("a course that another needs is not deleted", async () => {
  const [needed, needing] = [await makeDraft(cms), await makeDraft(cms)];
  const { course } = await cms.courses.updateCourse({
    course: { courseId: needing.courseId, prerequisiteCourseIds: [needed.courseId] },
    updateMask: { paths: ["prerequisite_course_ids"] },
    etag: needing.etag,
  });
  const remove = () => cms.courses.deleteCourse({ courseId: needed.courseId, etag: needed.etag });
  expect(await refusalOf(remove())).toMatchObject({
    refusal: "COURSE_NEEDED",
    resource: needing.courseId,
  });
  await cms.courses.deleteCourse({ courseId: needing.courseId, etag: course!.etag });
  await remove();
});

test("a completion rule that is left out of its mask's update is the default again", async () => {
  const { courseId, etag } = await makeDraft(cms);
  const update = async (completionRule: { lessonsPercent: number } | undefined, from: string) => {
    const course = { courseId, ...(completionRule && { completionRule }) };
    const request = { course, updateMask: { paths: ["completion_rule"] }, etag: from };
    return (await cms.courses.updateCourse(request)).course!;
  };
  const changed = await update({ lessonsPercent: 80 }, etag);
  expect(changed.completionRule?.lessonsPercent).toBe(80);
  expect((await update(undefined, changed.etag)).completionRule?.lessonsPercent).toBe(0);
});

test("a course is deleted once nobody sees it, and comes back as it was", async () => {
  const { courseId, etag } = await makeCourse(cms);
  const visible = cms.courses.deleteCourse({ courseId, etag });
  expect(await refusalOf(visible)).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "COURSE_VISIBLE",
  });
  const draft = await makeDraft(cms);
  const before = await treeOf(draft.courseId);
  const { course } = await cms.courses.deleteCourse({ courseId: draft.courseId, etag: draft.etag });
  expect(course?.purgeTime).toBeDefined();
  const gone = cms.courses.getCourse({ courseId: draft.courseId });
  expect(await refusalOf(gone)).toMatchObject({ refusal: "COURSE_NOT_FOUND" });
  const lesson = cms.courses.getLesson({ lessonId: draft.lessonId });
  expect(await refusalOf(lesson)).toMatchObject({ refusal: "LESSON_NOT_FOUND" });
  const listed = async (showDeleted: boolean) => {
    const { courses } = await cms.courses.listCourses({ pageSize: 500, showDeleted });
    return courses.some((one) => one.courseId === draft.courseId);
  };
  expect([await listed(false), await listed(true)]).toEqual([false, true]);
  await cms.courses.undeleteCourse({ courseId: draft.courseId });
  const after = await treeOf(draft.courseId);
  expect(after).toMatchObject({ state: CourseState.DRAFT, modules: before.modules });
  const again = cms.courses.undeleteCourse({ courseId: draft.courseId });
  expect(await refusalOf(again)).toMatchObject({ refusal: "COURSE_NOT_DELETED" });
  await cms.asOwner(`update course set delete_time = now() - interval '31 days',
    purge_time = now() - interval '1 day' where course_id = '${draft.courseId}'`);
  const late = cms.courses.undeleteCourse({ courseId: draft.courseId });
  expect(await refusalOf(late)).toMatchObject({ refusal: "COURSE_NOT_FOUND" });
});
