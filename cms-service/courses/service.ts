// CourseService: authors' changes to a draft, each one SQL transaction that
// locks the course, changes the tree and raises its version.

import type { ServiceImpl } from "@connectrpc/connect";
import {
  type AddLessonRequest,
  type AddModuleRequest,
  CourseService,
  type CreateCourseRequest,
  type PublishCourseRequest,
  type UpdateLessonRequest,
} from "#gen/bursar/cms/v1/course_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { newId } from "../requests/identifiers.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { publishCourse } from "./publishing.ts";
import { rankAfter } from "./rank.ts";
import { type CourseRefusal, refuseChange } from "./rules.ts";
import * as store from "./store.ts";
import { courseToWire } from "./wire.ts";

const { method } = CourseService;

export function courseService(pool: Pool): ServiceImpl<typeof CourseService> {
  return {
    createCourse: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, method.createCourse, request, () => createCourse(tx, request)),
      ),

    async getCourse({ courseId }) {
      const tree = await store.readTree(pool, courseId, { texts: true });
      if (!tree) throw notFound("COURSE_NOT_FOUND", courseId);
      return { course: courseToWire(tree) };
    },

    async listCourses(request) {
      const question = ["ListCourses"];
      const page = readPage(request, question);
      const courses = await store.readCourses(pool, page);
      const { rows, nextPageToken } = cutPage(courses, page, question, (row) => row.courseId);
      return { courses: rows.map(courseToWire), nextPageToken };
    },

    addModule: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, method.addModule, request, () => addModule(tx, request)),
      ),

    addLesson: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, method.addLesson, request, () => addLesson(tx, request)),
      ),

    updateLesson: (request) => inTransaction(pool, (tx) => updateLesson(tx, request)),

    publishCourse: (request) => inTransaction(pool, (tx) => publish(tx, request)),
  };
}

async function createCourse(tx: Tx, { slug, title }: CreateCourseRequest) {
  const courseId = newId("crs");
  if (!(await store.insertCourse(tx, { courseId, slug, title }))) {
    throw refused("SLUG_TAKEN", `another course is called ${slug}`, { resource: slug });
  }
  return { course: await outline(tx, courseId) };
}

async function addModule(tx: Tx, { courseId, title }: AddModuleRequest) {
  await lockCourse(tx, courseId);
  const module = { moduleId: newId("mod"), title };
  const rank = rankAfter(await store.readLastModuleRank(tx, courseId));
  await store.insertModule(tx, courseId, rank, module);
  await store.raiseVersion(tx, courseId);
  return { module, course: await outline(tx, courseId) };
}

async function addLesson(tx: Tx, request: AddLessonRequest) {
  const { moduleId, title, bodyMarkdown, freePreview } = request;
  const courseId = await store.findCourseOfModule(tx, moduleId);
  if (courseId === undefined) throw notFound("MODULE_NOT_FOUND", moduleId);
  await lockCourse(tx, courseId);
  const lesson = { lessonId: newId("les"), title, bodyMarkdown, freePreview };
  const rank = rankAfter(await store.readLastLessonRank(tx, moduleId));
  await store.insertLesson(tx, { courseId, moduleId, rank }, lesson);
  await store.raiseVersion(tx, courseId);
  return { lesson, course: await outline(tx, courseId) };
}

async function updateLesson(tx: Tx, request: UpdateLessonRequest) {
  const { lessonId, etag, title, bodyMarkdown, freePreview } = request;
  const courseId = await store.findCourseOfLesson(tx, lessonId);
  if (courseId === undefined) throw notFound("LESSON_NOT_FOUND", lessonId);
  const refusal = refuseChange(await lockCourse(tx, courseId), etag);
  if (refusal) throw courseRefused(courseId, refusal);
  await store.updateLesson(tx, { lessonId, title, bodyMarkdown, freePreview });
  await store.raiseVersion(tx, courseId);
  return { course: await outline(tx, courseId) };
}

async function publish(tx: Tx, { courseId, etag }: PublishCourseRequest) {
  await lockCourse(tx, courseId);
  const outcome = await publishCourse(tx, { courseId, etag, now: new Date() });
  if (outcome.kind === "refused") throw courseRefused(courseId, outcome.refusal);
  return { course: await outline(tx, courseId), revision: outcome.outline };
}

/** Gives its version. Every change of a tree waits here for the one before. */
async function lockCourse(tx: Tx, courseId: string): Promise<bigint> {
  const version = await store.lockCourse(tx, courseId);
  if (version === undefined) throw notFound("COURSE_NOT_FOUND", courseId);
  return version;
}

async function outline(tx: Tx, courseId: string) {
  const tree = await store.readTree(tx, courseId, { texts: false });
  if (!tree) throw notFound("COURSE_NOT_FOUND", courseId);
  return courseToWire(tree);
}

function courseRefused(courseId: string, refusal: CourseRefusal) {
  if (refusal.reason === "course-empty") {
    return refused("COURSE_EMPTY", `course ${courseId} has no lesson to publish`, {
      resource: courseId,
    });
  }
  const { currentEtag } = refusal;
  return refused("ETAG_MISMATCH", `course ${courseId} was changed; its etag is ${currentEtag}`, {
    resource: courseId,
    currentEtag,
  });
}
