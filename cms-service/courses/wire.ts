// Courses as the wire writes them. The texts of the lessons are most of a course
// and travel only where they were asked for; an outline is a tree without them.

import { fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  CompletionRuleSchema,
  type CourseSchema,
  CourseTranslationSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import { asOf, stateOf } from "../publishing/life.ts";
import { wireStates } from "../publishing/life-wire.ts";
import type { CourseRow } from "./course-store.ts";
import { etagOf } from "./rules.ts";
import { type CourseTree, contentOf } from "./tree.ts";

export function courseToWire(
  course: CourseRow | CourseTree,
  now = new Date(),
): MessageInitShape<typeof CourseSchema> {
  const { courseId, slug, title, summary, defaultLocale, version } = course;
  const { createTime, updateTime, deleteTime, purgeTime } = course;
  const { life } = asOf(course, now);
  return {
    courseId,
    slug,
    title,
    summary,
    defaultLocale,
    state: wireStates[stateOf(course, now)],
    etag: etagOf(version),
    publishedRevision: life.publishedRevision ?? 0,
    scheduledRevision: life.scheduledRevision ?? 0,
    ...(life.scheduledTime && { scheduledPublishTime: timestampFromDate(life.scheduledTime) }),
    ...(deleteTime && { deleteTime: timestampFromDate(deleteTime) }),
    ...(purgeTime && { purgeTime: timestampFromDate(purgeTime) }),
    createTime: timestampFromDate(createTime),
    updateTime: timestampFromDate(updateTime),
    ...("modules" in course && treeToWire(course)),
  };
}

function treeToWire(tree: CourseTree): MessageInitShape<typeof CourseSchema> {
  const { prerequisiteCourseIds } = tree;
  const etags = new Map(
    tree.modules.flatMap(({ moduleId, version, lessons }) => [
      [moduleId, etagOf(version)] as const,
      ...lessons.map((lesson) => [lesson.lessonId, etagOf(lesson.version)] as const),
    ]),
  );
  return {
    prerequisiteCourseIds: [...prerequisiteCourseIds],
    translations: tree.translations.map((each) => fromJson(CourseTranslationSchema, each)),
    completionRule: fromJson(CompletionRuleSchema, tree.completionRule),
    modules: contentOf(tree).modules.map((module) => ({
      ...module,
      etag: etags.get(module.moduleId) ?? "",
      lessons: module.lessons.map((lesson) => {
        return { ...lesson, etag: etags.get(lesson.lessonId) ?? "" };
      }),
    })),
  };
}
