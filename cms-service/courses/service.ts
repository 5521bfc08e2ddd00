// CourseService: authors' changes to a draft, each one SQL transaction that
// locks the course, changes the tree and raises its version.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
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

const { createCourse, addModule, addLesson } = CourseService.method;

export function courseService(pool: Pool): ServiceImpl<typeof CourseService> {
  return {
    createCourse: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, createCourse, request, async () => {
          const { slug, title } = request;
          const courseId = newId("crs");
          if (!(await store.insertCourse(tx, { courseId, slug, title }))) {
            throw refused("SLUG_TAKEN", `another course is called ${slug}`, { resource: slug });
          }
          return { course: await outline(tx, courseId) };
        }),
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
        once(tx, addModule, request, async () => {
          const { courseId, title } = request;
          if (!(await store.lockCourse(tx, courseId))) throw notFound("COURSE_NOT_FOUND", courseId);
          const module = { moduleId: newId("mod"), title };
          const rank = rankAfter(await store.readLastModuleRank(tx, courseId));
          await store.insertModule(tx, courseId, rank, module);
          await store.raiseVersion(tx, courseId);
          return { module, course: await outline(tx, courseId) };
        }),
      ),

    addLesson: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, addLesson, request, async () => {
          const { moduleId, title, bodyMarkdown, freePreview } = request;
          const courseId = await store.findCourseOfModule(tx, moduleId);
          if (courseId === undefined) throw notFound("MODULE_NOT_FOUND", moduleId);
          await store.lockCourse(tx, courseId);
          const lesson = { lessonId: newId("les"), title, bodyMarkdown, freePreview };
          const rank = rankAfter(await store.readLastLessonRank(tx, moduleId));
          await store.insertLesson(tx, { courseId, moduleId, rank }, lesson);
          await store.raiseVersion(tx, courseId);
          return { lesson, course: await outline(tx, courseId) };
        }),
      ),

    updateLesson: ({ lessonId, etag, title, bodyMarkdown, freePreview }) =>
      inTransaction(pool, async (tx) => {
        const courseId = await store.findCourseOfLesson(tx, lessonId);
        if (courseId === undefined) throw notFound("LESSON_NOT_FOUND", lessonId);
        const version = await store.lockCourse(tx, courseId);
        assert(version, `lesson ${lessonId} has no course`);
        const refusal = refuseChange(version, etag);
        if (refusal) throw courseRefused(courseId, refusal);
        await store.updateLesson(tx, { lessonId, title, bodyMarkdown, freePreview });
        await store.raiseVersion(tx, courseId);
        return { course: await outline(tx, courseId) };
      }),

    publishCourse: ({ courseId, etag }) =>
      inTransaction(pool, async (tx) => {
        if (!(await store.lockCourse(tx, courseId))) throw notFound("COURSE_NOT_FOUND", courseId);
        const publication = await publishCourse(tx, { courseId, etag, now: new Date() });
        if (publication.kind === "refused") throw courseRefused(courseId, publication.refusal);
        return { course: await outline(tx, courseId), revision: publication.outline };
      }),
  };
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
