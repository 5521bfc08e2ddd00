import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CourseRevisionSchema, CourseState, LessonSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import {
  CourseArchivedSchema,
  CoursePublishedSchema,
  CourseUnarchivedSchema,
  CourseUnpublishedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import {
  CourseDifferenceKind,
  CoursePartKind,
  CoursePublicationKind,
} from "#gen/bursar/cms/v1/publishing_service_pb.ts";
import {
  makeCourse,
  makeDraft,
  openTestCms,
  refusalOf,
  requestId,
  type TestCms,
} from "../testing/cms.ts";
import { changeDraft, eventsOf, lessonOf } from "../testing/drafts.ts";

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

const missing = `crs_${"z".repeat(26)}`;

async function etagOf(courseId: string): Promise<string> {
  return (await cms.courses.getCourse({ courseId })).course!.etag;
}

function seenBy(courseId: string) {
  return cms.catalog.getCatalogCourse({ name: { case: "courseId", value: courseId } });
}

async function liveOf(courseId: string) {
  const [row] = await cms.database.pool<{ revision: number; listed: boolean }[]>`
    select revision, listed from live_course where course_id = ${courseId}
  `;
  return row;
}

test("nobody sees an unpublished course until it is published again", async () => {
  const { courseId, etag } = await makeCourse(cms);
  const { course } = await cms.publishing.unpublishCourse({ courseId, etag });
  expect(course).toMatchObject({ state: CourseState.UNPUBLISHED, publishedRevision: 0 });
  expect((await refusalOf(seenBy(courseId))).code).toBe(Code.NotFound);
  expect(await liveOf(courseId)).toBeUndefined();
  expect(await eventsOf(cms, CourseUnpublishedSchema, courseId)).toMatchObject([
    { courseId, revision: 1 },
  ]);

  const again = await cms.courses.publishCourse({ courseId, etag: course!.etag });
  expect(again.course).toMatchObject({ state: CourseState.PUBLISHED, publishedRevision: 2 });
  expect((await seenBy(courseId)).course).toMatchObject({ revision: 2, title: "Algebra" });
});

test("an archived course is not listed and not changed, and is what it was when it comes back", async () => {
  const { courseId, etag, moduleId } = await makeCourse(cms);
  const archived = (await cms.publishing.archiveCourse({ courseId, etag })).course!;
  expect(archived).toMatchObject({ state: CourseState.ARCHIVED, publishedRevision: 1 });
  expect(await liveOf(courseId)).toEqual({ revision: 1, listed: false });
  const named = { courseId, etag: archived.etag };
  for (const call of [
    () => cms.courses.publishCourse(named),
    () => cms.publishing.unpublishCourse(named),
    () => cms.publishing.archiveCourse(named),
    () => cms.publishing.rollbackCourse({ ...named, revision: 1 }),
    () => cms.courses.addLesson({ requestId: requestId(), moduleId, title: "Late" }),
  ]) {
    expect(await refusalOf(call())).toMatchObject({
      code: Code.FailedPrecondition,
      refusal: "COURSE_STATE_ILLEGAL",
      resource: courseId,
    });
  }
  const back = (await cms.publishing.unarchiveCourse(named)).course!;
  expect(back).toMatchObject({ state: CourseState.PUBLISHED, publishedRevision: 1 });
  expect(await liveOf(courseId)).toEqual({ revision: 1, listed: true });
  expect(await eventsOf(cms, CourseArchivedSchema, courseId)).toMatchObject([{ courseId }]);
  expect(await eventsOf(cms, CourseUnarchivedSchema, courseId)).toMatchObject([{ courseId }]);
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toHaveLength(1);
});

test.each([
  ["unpublishCourse", "DRAFT", "UNPUBLISHED"],
  ["unarchiveCourse", "DRAFT", "DRAFT"],
] as const)("%s of a draft names its state and the wanted one", async (rpc, is, wanted) => {
  const { courseId, etag } = await makeDraft(cms);
  const call = cms.publishing[rpc]({ courseId, etag });
  await expect(call).rejects.toThrow(new RegExp(`is ${is} and cannot become ${wanted}`));
  expect(await refusalOf(call)).toMatchObject({ refusal: "COURSE_STATE_ILLEGAL" });
});

test("every step needs the etag of now, and one that people must know of gives a new one", async () => {
  const { courseId, etag } = await makeCourse(cms);
  const stale = { courseId, etag: '"1"' };
  for (const call of [
    () => cms.courses.publishCourse(stale),
    () => cms.publishing.cancelScheduledPublish(stale),
    () => cms.publishing.unpublishCourse(stale),
    () => cms.publishing.archiveCourse(stale),
    () => cms.publishing.unarchiveCourse(stale),
    () => cms.publishing.rollbackCourse({ ...stale, revision: 1 }),
  ]) {
    expect(await refusalOf(call())).toMatchObject({
      code: Code.Aborted,
      refusal: "ETAG_MISMATCH",
      currentEtag: etag,
    });
  }
  await cms.publishing.unpublishCourse({ courseId, etag });
  const call = cms.courses.publishCourse({ courseId, etag });
  expect(await refusalOf(call)).toMatchObject({ refusal: "ETAG_MISMATCH" });
  await expect(call).rejects.toThrow(/unpublished/);
});

test("steps of a course that is not there are refused", async () => {
  const named = { courseId: missing, etag: '"1"' };
  for (const call of [
    () => cms.courses.publishCourse(named),
    () => cms.publishing.unpublishCourse(named),
    () => cms.publishing.rollbackCourse({ ...named, revision: 1 }),
    () => cms.publishing.listCourseRevisions(named),
    () => cms.publishing.listCoursePublications(named),
    () => cms.publishing.diffCourseRevisions({ courseId: missing }),
  ]) {
    expect(await refusalOf(call())).toMatchObject({
      code: Code.NotFound,
      refusal: "COURSE_NOT_FOUND",
      resource: missing,
    });
  }
});

test("the log tells who did what, the newest first, in pages", async () => {
  const { courseId, etag } = await makeCourse(cms);
  const { course } = await cms.publishing.unpublishCourse({ courseId, etag });
  await cms.publishing.archiveCourse({ courseId, etag: course!.etag });
  const kinds = [];
  let pageToken = "";
  do {
    const page = await cms.publishing.listCoursePublications({ courseId, pageSize: 2, pageToken });
    for (const { kind, fromRevision, toRevision, actor } of page.publications) {
      expect(actor).not.toBe("");
      kinds.push([kind, fromRevision, toRevision]);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(kinds).toEqual([
    [CoursePublicationKind.ARCHIVED, 0, 0],
    [CoursePublicationKind.UNPUBLISHED, 1, 0],
    [CoursePublicationKind.PUBLISHED, 0, 1],
  ]);
  await expect(cms.asOwner("delete from course_publication")).rejects.toThrow(/never changed/);
});

test("revisions are listed newest first, read whole, and equal content has an equal digest", async () => {
  const { courseId } = await makeCourse(cms);
  for (const title of ["Second", "Algebra"]) {
    const etag = await changeDraft(cms, courseId, (content) => {
      content.title = title;
    });
    await cms.courses.publishCourse({ courseId, etag });
  }
  const first = await cms.publishing.listCourseRevisions({ courseId, pageSize: 2 });
  expect(first.revisions.map(({ revision }) => revision?.revision)).toEqual([3, 2]);
  expect(first.revisions[0]).toMatchObject({ lessonCount: 2, revision: { modules: [] } });
  const { nextPageToken: pageToken } = first;
  const rest = await cms.publishing.listCourseRevisions({ courseId, pageSize: 2, pageToken });
  expect(rest.revisions.map(({ revision }) => revision?.revision)).toEqual([1]);
  expect(rest.nextPageToken).toBe("");

  const read = async (revision: number) =>
    (await cms.publishing.getCourseRevision({ courseId, revision })).revision!;
  const [one, two, three] = [await read(1), await read(2), await read(3)];
  expect(one.modules[0]?.lessons[0]?.blocks[0]?.content).toMatchObject({
    case: "richText",
    value: { markdown: "*One*" },
  });
  expect(one.sha256).toEqual(three.sha256);
  expect(one.sha256).not.toEqual(two.sha256);
  expect(
    await refusalOf(cms.publishing.getCourseRevision({ courseId, revision: 4 })),
  ).toMatchObject({ code: Code.NotFound, refusal: "REVISION_NOT_FOUND" });
});

test("what differs is named, between revisions and with the draft", async () => {
  const { courseId, lessonId, freeLessonId, moduleId } = await makeCourse(cms);
  await changeDraft(cms, courseId, ({ modules: [module] }) => {
    const [first, second] = module!.lessons;
    module!.lessons = [{ ...first!, title: "Changed" }, lessonOf("New"), second!];
    module!.lessons.pop();
  });
  const named = async (fromRevision: number, toRevision: number) => {
    const request = { courseId, fromRevision, toRevision };
    const { differences } = await cms.publishing.diffCourseRevisions(request);
    return differences.map(({ kind, part, resource, fields }) => ({
      kind,
      part,
      resource,
      fields,
    }));
  };
  expect(await named(1, 1)).toEqual([]);
  expect(await named(0, 0)).toEqual([]);
  const draft = await named(1, 0);
  expect(draft).toMatchObject([
    {
      kind: CourseDifferenceKind.CHANGED,
      part: CoursePartKind.LESSON,
      resource: lessonId,
      fields: ["title"],
    },
    { kind: CourseDifferenceKind.ADDED, part: CoursePartKind.LESSON },
    { kind: CourseDifferenceKind.REMOVED, part: CoursePartKind.LESSON, resource: freeLessonId },
  ]);
  await cms.courses.publishCourse({ courseId, etag: await etagOf(courseId) });
  expect(await named(1, 2)).toEqual(draft);
  expect(await named(2, 0)).toEqual([]);
  expect(moduleId).toBeTruthy();
});

test("a rollback makes the draft equal to the revision and shows learners nothing", async () => {
  const { courseId, lessonId } = await makeCourse(cms);
  const changed = await changeDraft(cms, courseId, (content) => {
    content.title = "Second";
    content.modules[0]!.lessons.reverse().pop();
  });
  await cms.courses.publishCourse({ courseId, etag: changed });
  const request = { courseId, etag: changed, revision: 1 };
  const { course } = await cms.publishing.rollbackCourse(request);
  expect(course).toMatchObject({ title: "Algebra", publishedRevision: 2 });
  expect(course?.etag).not.toBe(changed);
  expect(course?.modules[0]?.lessons[0]?.lessonId).toBe(lessonId);
  expect(
    (await cms.publishing.diffCourseRevisions({ courseId, fromRevision: 1 })).differences,
  ).toEqual([]);
  expect((await seenBy(courseId)).course).toMatchObject({ revision: 2, title: "Second" });
  expect(await refusalOf(cms.publishing.rollbackCourse(request))).toMatchObject({
    refusal: "ETAG_MISMATCH",
  });
  const unknown = { ...request, etag: course!.etag, revision: 9 };
  expect(await refusalOf(cms.publishing.rollbackCourse(unknown))).toMatchObject({
    refusal: "REVISION_NOT_FOUND",
  });

  const published = await cms.courses.publishCourse({ courseId, etag: course!.etag });
  const { revision } = await cms.publishing.getCourseRevision({ courseId, revision: 1 });
  expect(published.revision).toMatchObject({ revision: 3, sha256: revision?.sha256 });
});

test("the lessons that learners read are those of the snapshot, byte for byte", async () => {
  const { courseId } = await makeCourse(cms);
  const { revision } = await cms.publishing.getCourseRevision({ courseId, revision: 1 });
  const rows = await cms.database.pool<{ lesson: Buffer; position: number }[]>`
    select lesson, position from revision_lesson where course_id = ${courseId} order by position
  `;
  const lessons = revision!.modules.flatMap((module) => module.lessons);
  expect(rows.map(({ lesson }) => lesson)).toEqual(
    lessons.map((lesson) => Buffer.from(toBinary(LessonSchema, lesson))),
  );
  expect(rows.map(({ position }) => position)).toEqual([0, 1]);
});

test("a revision whose bytes are not those that were hashed is not served", async () => {
  const { courseId } = await makeCourse(cms);
  await cms.asOwner("alter table course_revision drop constraint sha256_of_snapshot");
  await cms.asOwner("alter table course_revision disable trigger course_revision_is_immutable");
  await cms.asOwner(`update course_revision set snapshot = snapshot || '\\x00'
    where course_id = '${courseId}'`);
  const call = cms.publishing.getCourseRevision({ courseId, revision: 1 });
  expect((await refusalOf(call)).code).toBe(Code.Internal);
});

test("a revision from before there were blocks is read, compared, shown and rolled back to", async () => {
  const { courseId, lessonId, freeLessonId, moduleId, slug } = await makeDraft(cms);
  const old = create(CourseRevisionSchema, {
    ...{ courseId, slug, title: "Algebra" },
    modules: [
      {
        ...{ moduleId, title: "Groups" },
        lessons: [
          { lessonId, title: "Axioms", bodyMarkdown: "*One*" },
          { lessonId: freeLessonId, title: "Welcome", bodyMarkdown: "Hello", freePreview: true },
        ],
      },
    ],
  });
  const snapshot = Buffer.from(toBinary(CourseRevisionSchema, old));
  const sha256 = createHash("sha256").update(snapshot).digest();
  const { pool } = cms.database;
  await pool`
    insert into course_revision
      (course_id, revision, title, slug, snapshot, sha256, outline, publish_time)
    values (${courseId}, 1, 'Algebra', ${slug}, ${snapshot}, ${sha256}, ${snapshot}, now())
  `;
  for (const lesson of old.modules[0]!.lessons) {
    const bytes = Buffer.from(toBinary(LessonSchema, lesson));
    await pool`
      insert into revision_lesson (course_id, revision, lesson_id, free_preview, lesson)
      values (${courseId}, 1, ${lesson.lessonId}, ${lesson.freePreview}, ${bytes})
    `;
  }
  await pool`update course set published_revision = 1 where course_id = ${courseId}`;

  const text = (markdown: string) => ({
    bodyMarkdown: "",
    blocks: [{ content: { case: "richText", value: { markdown } } }],
  });
  const { revision } = await cms.publishing.getCourseRevision({ courseId, revision: 1 });
  expect(revision?.modules[0]?.lessons).toMatchObject([text("*One*"), text("Hello")]);
  const { lesson } = await cms.catalog.getCatalogLesson({ lessonId: freeLessonId });
  expect(lesson).toMatchObject(text("Hello"));
  expect(
    (await cms.publishing.diffCourseRevisions({ courseId, fromRevision: 1 })).differences,
  ).toEqual([]);
  await changeDraft(cms, courseId, (content) => {
    content.modules = [];
  });
  const etag = await etagOf(courseId);
  const { course } = await cms.publishing.rollbackCourse({ courseId, etag, revision: 1 });
  expect(course?.modules[0]?.lessons.map((each) => each.lessonId)).toEqual([
    lessonId,
    freeLessonId,
  ]);
});
