import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { PreviewService } from "#gen/bursar/cms/v1/preview_service_pb.ts";
import { fieldPolicy } from "#mesh/policy/field-policy.ts";
import { makeCourse, makeDraft, openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import { changeDraft, lessonOf } from "../testing/drafts.ts";
import { signPreview } from "./preview-token.ts";

let cms: TestCms;
beforeAll(async () => {
  cms = await openTestCms();
});
afterAll(() => cms[Symbol.asyncDispose]());

const invalid = { code: Code.PermissionDenied, refusal: "PREVIEW_TOKEN_INVALID" };

test("a token shows the draft as it is whenever somebody looks", async () => {
  const { courseId, lessonId, slug } = await makeDraft(cms);
  const { token, expireTime } = await cms.previews.createPreviewToken({ courseId });
  expect(timestampDate(expireTime!) > new Date()).toBe(true);
  const first = await cms.previews.getPreviewCourse({ token });
  expect(first.course).toMatchObject({ courseId, slug, revision: 0, title: "Algebra" });
  expect(first.course?.modules[0]?.lessons[0]?.blocks).toEqual([]);
  const { lesson } = await cms.previews.getPreviewLesson({ token, lessonId });
  expect(lesson?.blocks[0]?.content.value).toMatchObject({
    markdown: "*One*",
    html: expect.stringContaining("<em>One</em>"),
  });
  await changeDraft(cms, courseId, (content) => {
    content.title = "Changed";
  });
  const second = await cms.previews.getPreviewCourse({ token });
  expect(second.course?.title).toBe("Changed");
});

test("a token of a revision shows that one, published or not any more", async () => {
  const { courseId, lessonId } = await makeCourse(cms);
  const { token } = await cms.previews.createPreviewToken({ courseId, revision: 1 });
  const etag = await changeDraft(cms, courseId, (content) => {
    content.title = "Second";
    content.modules[0]!.lessons = [lessonOf("Only")];
  });
  await cms.courses.publishCourse({ courseId, etag });
  const { course } = await cms.previews.getPreviewCourse({ token });
  expect(course).toMatchObject({ revision: 1, title: "Algebra" });
  const { revision, lesson } = await cms.previews.getPreviewLesson({ token, lessonId });
  expect([revision, lesson?.title]).toEqual([1, "Axioms"]);
});

test("what is right in a quiz, and other locales, do not come along", async () => {
  const { courseId, lessonId } = await makeDraft(cms);
  await changeDraft(cms, courseId, (content) => {
    const [lesson] = content.modules[0]!.lessons;
    lesson!.translations = [
      { $typeName: "bursar.cms.v1.LessonTranslation", locale: "de", title: "Axiome", blocks: [] },
    ];
    lesson!.blocks = [
      {
        $typeName: "bursar.cms.v1.Block",
        blockId: `blk_${"a".repeat(26)}`,
        content: {
          case: "quiz",
          value: {
            $typeName: "bursar.cms.v1.Quiz",
            ...{ passPercent: 0, attemptsMax: 0, title: "" },
            questions: [
              {
                $typeName: "bursar.cms.v1.Question",
                ...{ questionId: "q", promptMarkdown: "6 · 7?", promptHtml: "", points: 1 },
                explanationMarkdown: "because",
                kind: {
                  case: "number",
                  value: {
                    $typeName: "bursar.cms.v1.NumberQuestion",
                    answer: "42",
                    tolerance: "1",
                  },
                },
              },
            ],
          },
        },
      },
    ];
  });
  const { token } = await cms.previews.createPreviewToken({ courseId });
  const { lesson } = await cms.previews.getPreviewLesson({ token, lessonId, locales: ["de-AT"] });
  expect(lesson).toMatchObject({ title: "Axiome", locale: "de", translations: [] });
  const text = JSON.stringify(lesson, (_, value) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  expect(text).toContain("6 · 7?");
  expect(text).not.toMatch(/42|because/);
});

test("a token shows no other course's lessons", async () => {
  const [mine, other] = [await makeDraft(cms), await makeDraft(cms)];
  const { token } = await cms.previews.createPreviewToken({ courseId: mine.courseId });
  const call = cms.previews.getPreviewLesson({ token, lessonId: other.lessonId });
  expect(await refusalOf(call)).toMatchObject({ code: Code.NotFound, refusal: "LESSON_NOT_FOUND" });
});

test("revoked tokens, other keys' and forged ones are refused alike, and no answer repeats one", async () => {
  const { courseId } = await makeDraft(cms);
  const { token } = await cms.previews.createPreviewToken({ courseId });
  const [payload, signature] = token.split(".");
  const claims = { courseId, revision: 0, expireSeconds: 4_000_000_000 };
  const longer = signPreview(Buffer.alloc(32), claims);
  await cms.previews.revokePreviewTokens({ courseId });
  for (const bad of [token, longer, `${longer.split(".")[0]}.${signature}`, payload!, "x", "ö"]) {
    const call = cms.previews.getPreviewCourse({ token: bad });
    expect(await refusalOf(call)).toMatchObject(invalid);
    const error = ConnectError.from(await call.catch((thrown: unknown) => thrown));
    expect(bad.length > 1 && error.message.includes(bad)).toBe(false);
  }
  const next = await cms.previews.createPreviewToken({ courseId });
  const { course } = await cms.previews.getPreviewCourse({ token: next.token });
  expect(course?.courseId).toBe(courseId);
  await cms.asOwner(`update course set delete_time = now(), purge_time = now()
    where course_id = '${courseId}'`);
  const gone = cms.previews.getPreviewCourse({ token: next.token });
  expect(await refusalOf(gone)).toMatchObject(invalid);
});

test("a token ends at its time", async () => {
  const { courseId } = await makeDraft(cms);
  const ttl = { seconds: 1n, nanos: 0 };
  const { token } = await cms.previews.createPreviewToken({ courseId, ttl });
  await expect
    .poll(() => refusalOf(cms.previews.getPreviewCourse({ token })), { timeout: 10_000 })
    .toMatchObject({ code: Code.PermissionDenied, refusal: "PREVIEW_TOKEN_EXPIRED" });
});

test("a token is asked for a course or revision that is there, for a bounded time", async () => {
  const { courseId } = await makeDraft(cms);
  const { previews } = cms;
  expect(await refusalOf(previews.createPreviewToken({ courseId, revision: 1 }))).toMatchObject({
    refusal: "REVISION_NOT_FOUND",
  });
  const missing = `crs_${"z".repeat(26)}`;
  for (const call of [
    () => previews.createPreviewToken({ courseId: missing }),
    () => previews.revokePreviewTokens({ courseId: missing }),
  ]) {
    expect(await refusalOf(call())).toMatchObject({ refusal: "COURSE_NOT_FOUND" });
  }
  for (const seconds of [0n, -1n, 30n * 86_400n + 1n]) {
    const call = previews.createPreviewToken({ courseId, ttl: { seconds, nanos: 0 } });
    expect((await refusalOf(call)).code).toBe(Code.InvalidArgument);
  }
});

test("of many who ask at once for the first token, all get a good one", async () => {
  const { courseId } = await makeDraft(cms);
  const asked = Array.from({ length: 6 }, () => cms.previews.createPreviewToken({ courseId }));
  for (const { token } of await Promise.all(asked)) {
    expect((await cms.previews.getPreviewCourse({ token })).course?.courseId).toBe(courseId);
  }
});

test("no token travels in an address, and the catalog takes none", () => {
  for (const method of [
    PreviewService.method.getPreviewCourse,
    PreviewService.method.getPreviewLesson,
  ]) {
    // Connect makes a GET, with the request in the address, of what has no side effects.
    expect(method.idempotency).toBe(2);
  }
  const fields = CatalogService.methods.flatMap(({ input }) => input.fields);
  expect(fields.map(({ name }) => name)).not.toContain("token");
});

test("a token is a secret wherever it travels, also in the answer to one that is too long", async () => {
  const { createPreviewToken, getPreviewCourse, getPreviewLesson } = PreviewService.method;
  const carriers = [createPreviewToken.output, getPreviewCourse.input, getPreviewLesson.input];
  for (const { field } of carriers) expect(fieldPolicy(field["token"]!).secret).toBe(true);
  const token = "s3cr3t".repeat(100);
  const error = ConnectError.from(
    await cms.previews.getPreviewCourse({ token }).catch((thrown: unknown) => thrown),
  );
  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.message).not.toContain("s3cr3t");
});
