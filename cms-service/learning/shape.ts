// What of a course counts for its completion, from the revision that learners see. Revisions never
// change, so a shape is made once for each that is in memory.

import type { CourseRevision, Lesson } from "#gen/bursar/cms/v1/course_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { liveCourses } from "../catalog/live.ts";
import { publishedLessons } from "../catalog/published.ts";
import type { CourseShape } from "./progress.ts";

export type CourseShapes = {
  /** Undefined when learners do not see the course. */
  live(courseId: string): Promise<CourseShape | undefined>;
};

const shapes = new WeakMap<CourseRevision, Promise<CourseShape>>();

export function courseShapes(pool: Pool): CourseShapes {
  const published = publishedLessons(pool);
  const courses = liveCourses(pool);

  async function shapeOf(outline: CourseRevision): Promise<CourseShape> {
    const { courseId, revision, title, modules, completionRule } = outline;
    const lessons = modules.flatMap((module) => module.lessons);
    const rule = completionRule;
    const quizIdsOf = async ({ lessonId }: Lesson) => {
      if (!rule?.quizzesPassed) return [];
      const lesson = await published.read(courseId, revision, lessonId);
      const blocks = lesson?.blocks ?? [];
      return blocks.filter(({ content }) => content.case === "quiz").map(({ blockId }) => blockId);
    };
    return {
      courseId,
      revision,
      title,
      lessons: await Promise.all(
        lessons.map(async (lesson) => ({
          lessonId: lesson.lessonId,
          prerequisiteLessonIds: lesson.prerequisiteLessonIds,
          quizIds: await quizIdsOf(lesson),
        })),
      ),
      lessonsPercent: rule?.lessonsPercent || 100,
      certificate: rule?.certificate ?? false,
    };
  }

  return {
    async live(courseId) {
      const course = await courses.course(courseId);
      if (!course) return undefined;
      const outline = await published.outline(courseId, course.revision);
      if (!outline) return undefined;
      const known = shapes.get(outline);
      if (known) return known;
      const shape = shapeOf({ ...outline, courseId });
      shapes.set(outline, shape);
      // What could not be read is asked for again.
      shape.catch(() => shapes.delete(outline));
      return shape;
    },
  };
}
