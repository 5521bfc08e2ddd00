// Courses as the wire writes them. The texts of the lessons are most of a course
// and travel only where they were asked for; an outline is a tree without them.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type CourseRevision,
  CourseRevisionSchema,
  type CourseSchema,
  CourseState,
} from "#gen/bursar/cms/v1/course_pb.ts";
import { etagOf } from "./rules.ts";
import type { CourseRow, CourseTree } from "./store.ts";

export function courseToWire(
  course: CourseRow | CourseTree,
): MessageInitShape<typeof CourseSchema> {
  const { courseId, slug, title, version, publishedRevision, createTime, updateTime } = course;
  return {
    courseId,
    slug,
    title,
    state: publishedRevision === null ? CourseState.DRAFT : CourseState.PUBLISHED,
    modules: "modules" in course ? modulesToWire(course) : [],
    etag: etagOf(version),
    publishedRevision: publishedRevision ?? 0,
    createTime: timestampFromDate(createTime),
    updateTime: timestampFromDate(updateTime),
  };
}

/** What a publication holds: the tree, without a number or a time, so that equal is equal. */
export function contentOf(course: CourseTree): CourseRevision {
  const { courseId, slug, title } = course;
  return create(CourseRevisionSchema, { courseId, slug, title, modules: modulesToWire(course) });
}

export function outlineOf(revision: CourseRevision): CourseRevision {
  const modules = revision.modules.map((module) => ({
    ...module,
    lessons: module.lessons.map((lesson) => ({ ...lesson, bodyMarkdown: "" })),
  }));
  return { ...revision, modules };
}

function modulesToWire({ modules }: CourseTree) {
  return modules.map(({ moduleId, title, lessons }) => ({
    moduleId,
    title,
    lessons: lessons.map(({ lessonId, title, bodyMarkdown, freePreview }) => {
      return { lessonId, title, bodyMarkdown, freePreview };
    }),
  }));
}
