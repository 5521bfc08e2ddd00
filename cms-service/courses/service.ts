// CourseService: authors' changes to a draft, each one SQL transaction that locks the course, changes
// the tree and raises its version.

import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { publishCourseCall } from "../publishing/service.ts";
import { actorOf } from "../requests/actor.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { createCourse, deleteCourse, undeleteCourse, updateCourse } from "./course-calls.ts";
import { readCourses } from "./course-store.ts";
import { addLesson, deleteLesson, moveLesson, updateLesson } from "./lesson-calls.ts";
import { requireLessons } from "./lessons.ts";
import { addModule, deleteModule, moveModule, updateModule } from "./module-calls.ts";
import { readTree } from "./tree.ts";
import { courseToWire } from "./wire.ts";

const { method } = CourseService;

export function courseService(pool: Pool): ServiceImpl<typeof CourseService> {
  const changed =
    <I, O>(call: (tx: Tx, request: I, actor: string) => Promise<O>) =>
    (request: I, context: HandlerContext) =>
      inTransaction(pool, (tx) => call(tx, request, actorOf(context)));
  return {
    createCourse: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, method.createCourse, request, () => createCourse(tx, request)),
      ),

    async getCourse({ courseId }) {
      const tree = await readTree(pool, courseId, { texts: true });
      if (!tree || tree.deleteTime !== null) throw notFound("COURSE_NOT_FOUND", courseId);
      return { course: courseToWire(tree) };
    },

    async listCourses(request) {
      const { showDeleted } = request;
      const question = ["ListCourses", String(showDeleted)];
      const page = readPage(request, question);
      const courses = await readCourses(pool, { showDeleted }, page);
      const { rows, nextPageToken } = cutPage(courses, page, question, (row) => row.courseId);
      return { courses: rows.map((row) => courseToWire(row)), nextPageToken };
    },

    updateCourse: changed(updateCourse),
    deleteCourse: changed(deleteCourse),
    undeleteCourse: changed(undeleteCourse),

    addModule: (request, context) =>
      inTransaction(pool, (tx) =>
        once(tx, method.addModule, request, () => addModule(tx, request, actorOf(context))),
      ),
    updateModule: changed(updateModule),
    moveModule: changed(moveModule),
    deleteModule: changed(deleteModule),

    addLesson: (request, context) =>
      inTransaction(pool, (tx) =>
        once(tx, method.addLesson, request, () => addLesson(tx, request, actorOf(context))),
      ),

    async getLesson({ lessonId }) {
      const [found] = await requireLessons(pool, [lessonId]);
      return { ...found };
    },

    async batchGetLessons({ lessonIds }) {
      const found = await requireLessons(pool, lessonIds);
      return { lessons: found.map(({ lesson }) => lesson) };
    },

    updateLesson: changed(updateLesson),
    moveLesson: changed(moveLesson),
    deleteLesson: changed(deleteLesson),

    publishCourse: publishCourseCall(pool),
  };
}
