import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { urlAs } from "#mesh/database/roles.ts";
import { startTestServer, type TestServer } from "#mesh/testing/rpc.ts";
import { cmsService, schema } from "../app.ts";
import { catalogService } from "../catalog/service.ts";
import { makeCourse, makeDraft, openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";

// What authors are still working on. Of a course the catalog may know its names and
// what never changes; where it is in its life it learns from live_course.
const drafts = ["course", "module", "lesson", "course_prerequisite", "lesson_prerequisite"];
const others = ["course_change", "course_publication", "preview_key", "request"];
const role = `reader_${crypto.randomUUID().replaceAll("-", "")}`;

let cms: TestCms;
let reading: Pool;
let server: TestServer;
beforeAll(async () => {
  cms = await openTestCms();
  const admin = openPool({ url: cms.database.superUrl, schema, connectionsMax: 1 });
  await admin.unsafe(`create role ${role} login password '${role}'`);
  await admin.unsafe(`grant usage on schema ${schema} to ${role}`);
  await admin.unsafe(`grant select on all tables in schema ${schema} to ${role}`);
  await admin.unsafe(`revoke all on ${[...drafts, ...others].join(", ")} from ${role}`);
  await admin.unsafe(`grant execute on all functions in schema ${schema} to ${role}`);
  await admin.unsafe(`grant select (course_id, slug, default_locale) on course to ${role}`);
  await admin.end({ timeout: 5 });
  reading = openPool({ url: urlAs(cms.database.url, role, role), schema, connectionsMax: 4 });
  server = await startTestServer({
    service: cmsService.service,
    routes: (router) => router.service(CatalogService, catalogService(reading)),
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await reading.end({ timeout: 5 });
  const admin = openPool({ url: cms.database.superUrl, schema, connectionsMax: 1 });
  await admin.unsafe(`drop owned by ${role}`);
  await admin.unsafe(`drop role ${role}`);
  await admin.end({ timeout: 5 });
  await cms[Symbol.asyncDispose]();
});

test("the catalog answers everything without a right to read any draft", async () => {
  const { courseId, slug, lessonId, freeLessonId } = await makeCourse(cms);
  const catalog = await server.client(CatalogService);
  await expect(reading`select title from course`).rejects.toThrow(/permission denied/);
  await expect(reading`select from lesson`).rejects.toThrow(/permission denied/);

  const bySlug = await catalog.getCatalogCourse({ name: { case: "slug", value: slug } });
  expect(bySlug.course?.courseId).toBe(courseId);
  const byId = await catalog.getCatalogCourse({ name: { case: "courseId", value: courseId } });
  expect(byId.course?.slug).toBe(slug);
  const { courses } = await catalog.listCatalogCourses({});
  expect(courses.map((course) => course.courseId)).toContain(courseId);
  const { lesson } = await catalog.getCatalogLesson({ lessonId: freeLessonId });
  expect(lesson?.title).toBe("Welcome");
  expect((await refusalOf(catalog.getCatalogLesson({ lessonId, learnerId: "eve" }))).code).toBe(
    Code.PermissionDenied,
  );
  const found = await catalog.searchCatalog({ query: "algebra" });
  expect(
    JSON.stringify(found, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
  ).toContain(courseId);
});

test("a draft is not there for it, by any name", async () => {
  const { courseId, slug, freeLessonId } = await makeDraft(cms);
  const catalog = await server.client(CatalogService);
  for (const call of [
    () => catalog.getCatalogCourse({ name: { case: "slug", value: slug } }),
    () => catalog.getCatalogCourse({ name: { case: "courseId", value: courseId } }),
    () => catalog.getCatalogLesson({ lessonId: freeLessonId }),
  ]) {
    expect((await refusalOf(call())).code).toBe(Code.NotFound);
  }
});
