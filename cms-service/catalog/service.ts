// CatalogService: published courses for whoever may see them, lessons for learners
// whose access is open, and the search for both.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { type AccessChecker, accessChecker } from "../access/check.ts";
import { namedLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound } from "../requests/refusal.ts";
import { catalogSearch } from "../search/search.ts";
import { localised, outlineForLearner } from "./deliver.ts";
import { lessonReader } from "./lesson.ts";
import { liveCourses } from "./live.ts";
import { publishedLessons } from "./published.ts";
import * as store from "./store.ts";

export function catalogService(
  pool: Pool,
  access: AccessChecker = accessChecker(pool),
): ServiceImpl<typeof CatalogService> {
  const live = liveCourses(pool);
  const published = publishedLessons(pool);
  const readLesson = lessonReader({ live, published, access });
  const search = catalogSearch(pool, access);

  /** Under the slug it has now. */
  async function readOutline({ courseId, revision, slug }: store.LiveCourse) {
    const outline = await published.outline(courseId, revision);
    assert(outline, `course ${courseId} shows revision ${revision}, which cannot be read`);
    return { ...outline, slug };
  }

  return {
    async getCatalogCourse({ name, locales }) {
      const { value = "" } = name;
      const course = await (name.case === "slug"
        ? store.readLiveCourseBySlug(pool, value)
        : live.course(value));
      if (!course) throw notFound("COURSE_NOT_FOUND", value);
      return {
        course: outlineForLearner(localised(await readOutline(course), locales)),
        redirected: name.case === "slug" && value !== course.slug,
        listed: course.listed,
      };
    },

    async listCatalogCourses(request) {
      const question = ["ListCatalogCourses"];
      const page = readPage(request, question);
      const listed = await store.readListedCourses(pool, page);
      const { rows, nextPageToken } = cutPage(listed, page, question, ({ courseId }) => courseId);
      const outlines = await Promise.all(rows.map(readOutline));
      const courses = outlines.map((outline) => {
        return outlineForLearner(localised({ ...outline, modules: [] }, request.locales));
      });
      return { courses, nextPageToken };
    },

    async getCatalogLesson({ lessonId, learnerId: named, locales }, context) {
      return readLesson({ lessonId, learnerId: namedLearner(context, named), locales });
    },

    async resolveSlug({ slug: asked }) {
      const course = await store.readLiveCourseBySlug(pool, asked);
      if (!course) throw notFound("COURSE_NOT_FOUND", asked);
      const { courseId, slug } = course;
      return { courseId, slug, redirected: slug !== asked };
    },

    async searchCatalog(request, context) {
      return search(request, namedLearner(context, request.learnerId));
    },
  };
}
