import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CourseRevisionSchema, CourseState } from "#gen/bursar/cms/v1/course_pb.ts";
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

test("learners see the published revision until the next publication", async () => {
  const draft = await makeDraft(cms, "before-and-after");
  const { courseId, etag, lessonId } = draft;
  const name = { case: "slug", value: draft.slug } as const;
  expect(await refusalOf(cms.catalog.getCatalogCourse({ name }))).toMatchObject({
    code: Code.NotFound,
    refusal: "COURSE_NOT_FOUND",
  });

  const first = await cms.courses.publishCourse({ courseId, etag });
  expect(first.course).toMatchObject({ state: CourseState.PUBLISHED, publishedRevision: 1, etag });
  const { course } = await cms.courses.updateLesson(textChange(lessonId, etag, "Changed", "New"));
  const before = await cms.catalog.getCatalogCourse({ name });
  expect(before.course).toMatchObject({
    ...{ revision: 1, slug: draft.slug, title: first.revision?.title },
    ...{ sha256: first.revision?.sha256, publishTime: first.revision?.publishTime },
  });
  expect(before.course?.modules[0]?.lessons[0]).toMatchObject({
    title: "Axioms",
    bodyMarkdown: "",
  });

  await cms.courses.publishCourse({ courseId, etag: course!.etag });
  const after = await cms.catalog.getCatalogCourse({ name });
  expect(after.course).toMatchObject({ revision: 2 });
  expect(after.course?.modules[0]?.lessons[0]?.title).toBe("Changed");
});

test("a publication and its event are one", async () => {
  const { courseId } = await makeCourse(cms);
  expect(await publishedEvents(courseId)).toHaveLength(1);
});

test("publishing the same content again makes no revision and no event", async () => {
  const { courseId, etag } = await makeDraft(cms);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => cms.courses.publishCourse({ courseId, etag })),
  );
  for (const { revision } of answers) expect(revision).toEqual(answers[0]?.revision);
  expect(await publishedEvents(courseId)).toHaveLength(1);
});

test("publishing needs a lesson and the etag of now", async () => {
  const { course } = await cms.courses.createCourse({
    requestId: requestId(),
    slug: "empty",
    title: "Empty",
  });
  const { courseId, etag } = course!;
  expect(await refusalOf(cms.courses.publishCourse({ courseId, etag }))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "COURSE_EMPTY",
    resource: courseId,
  });
  expect(await refusalOf(cms.courses.publishCourse({ courseId, etag: '"0"' }))).toMatchObject({
    code: Code.Aborted,
    refusal: "ETAG_MISMATCH",
    currentEtag: etag,
  });
});

test("a revision is the whole tree of one version, however authors race with it", async () => {
  const { courseId, moduleId } = await makeDraft(cms);
  const adding = Array.from({ length: 3 }, async (_, author) => {
    for (let n = 0; n < 8; n++) {
      const lesson = { title: `L${author}.${n}`, bodyMarkdown: "b" };
      await cms.courses.addLesson({ requestId: requestId(), moduleId, ...lesson });
    }
  });
  let published = 0;
  const publishing = (async () => {
    for (let attempt = 0; attempt < 20; attempt++) {
      const { course } = await cms.courses.getCourse({ courseId });
      const answer = await cms.courses
        .publishCourse({ courseId, etag: course!.etag })
        .catch(() => undefined);
      if (!answer) continue;
      published++;
      expect(answer.revision?.modules[0]?.lessons).toHaveLength(course!.modules[0]!.lessons.length);
    }
  })();
  await Promise.all([...adding, publishing]);
  expect(published).toBeGreaterThan(0);

  const rows = await cms.database.pool<{ revision: number; snapshot: Buffer; sha256: Buffer }[]>`
    select revision, snapshot, sha256 from course_revision
    where course_id = ${courseId} order by revision
  `;
  const [{ count } = { count: 0n }] = await cms.database.pool<{ count: bigint }[]>`
    select count(*) from revision_lesson where course_id = ${courseId}
  `;
  let lessons = 0;
  for (const { snapshot, sha256 } of rows) {
    expect(createHash("sha256").update(snapshot).digest()).toEqual(sha256);
    const content = fromBinary(CourseRevisionSchema, snapshot);
    lessons += content.modules[0]!.lessons.length;
  }
  expect(Number(count)).toBe(lessons);
  expect(await publishedEvents(courseId)).toHaveLength(rows.length);
});

test.each([
  "update course_revision set title = 'forged'",
  "delete from course_revision",
  "truncate course_revision cascade",
  "update revision_lesson set lesson = ''",
  "delete from revision_lesson",
  "truncate revision_lesson",
])("not even the owner may: %s", async (statement) => {
  await makeCourse(cms);
  await expect(cms.asOwner(statement)).rejects.toThrow(/never changed/);
});

test("a snapshot whose hash is another's is not stored", async () => {
  const { courseId } = await makeCourse(cms);
  await expect(
    cms.asOwner(
      `insert into course_revision select course_id, 99, title, slug, '\\x00', sha256, outline,
       publish_time from course_revision where course_id = '${courseId}'`,
    ),
  ).rejects.toThrow(/sha256_of_snapshot/);
});

async function publishedEvents(courseId: string) {
  const rows = await cms.database.pool<{ data: Buffer }[]>`
    select data from outbox where subject = 'bursar.cms.v1.CoursePublished'
  `;
  return rows.filter(({ data }) => data.includes(courseId));
}
