// CatalogService: published courses for whoever may see them, and lessons for
// learners whose access is open.

import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  CatalogService,
  GetCatalogCourseRequest,
} from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CourseRevisionSchema, LessonSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { namedLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import * as store from "./store.ts";

export function catalogService(pool: Pool): ServiceImpl<typeof CatalogService> {
  return {
    async getCatalogCourse({ name }) {
      const found = await findOutline(pool, name);
      if (!found) throw notFound("COURSE_NOT_FOUND", name.value ?? "");
      const { outline, revision, publishTime } = found;
      const course = fromBinary(CourseRevisionSchema, outline);
      return { course: { ...course, revision, publishTime: timestampFromDate(publishTime) } };
    },

    async listCatalogCourses(request) {
      const question = ["ListCatalogCourses"];
      const page = readPage(request, question);
      const courses = await store.readPublishedCourses(pool, page);
      const { rows, nextPageToken } = cutPage(courses, page, question, ({ slug }) => slug);
      return { courses: rows.map(courseToWire), nextPageToken };
    },

    async getCatalogLesson({ lessonId, learnerId: named }, context) {
      const learnerId = namedLearner(context, named);
      const found = await store.readPublishedLesson(pool, lessonId, learnerId);
      if (!found) throw notFound("LESSON_NOT_FOUND", lessonId);
      const { courseId, revision, freePreview, enrollmentState, lesson } = found;
      if (!freePreview && learnerId === undefined) {
        throw refused("LEARNER_MISSING", `lesson ${lessonId} is no free preview; name a learner`);
      }
      if (!freePreview && enrollmentState !== "active") {
        throw refused("ACCESS_DENIED", `the learner has no access to course ${courseId}`, {
          resource: courseId,
        });
      }
      return { courseId, revision, lesson: fromBinary(LessonSchema, lesson) };
    },
  };
}

function findOutline(pool: Pool, name: GetCatalogCourseRequest["name"]) {
  if (name.case === "slug") return store.readOutlineBySlug(pool, name.value);
  return store.readOutlineById(pool, name.value ?? "");
}

function courseToWire({ publishTime, ...course }: store.PublishedCourse) {
  return { ...course, publishTime: timestampFromDate(publishTime) };
}
