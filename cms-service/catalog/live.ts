// Which revision of a course learners see: asked of the database each time, in few
// statements however many ask.

import type { Pool } from "#mesh/database/pool.ts";
import { createBoundedCache } from "./bounded-cache.ts";
import { gathered } from "./gather.ts";
import * as store from "./store.ts";

export type LiveCourses = {
  /** Undefined when learners do not see it. */
  course(courseId: string): Promise<store.LiveCourse | undefined>;
  /**
   * The course that a lesson was last seen in. A lesson stays with its course for good, so it is
   * remembered; whether the course still shows it is for the caller to find out.
   */
  courseOfLesson(lessonId: string): Promise<string | undefined>;
};

const keysMax = 256;
const cacheBytesMax = 32 * 1024 * 1024;

export function liveCourses(pool: Pool): LiveCourses {
  const courseIds = createBoundedCache<string>(cacheBytesMax);

  const course = gathered<store.LiveCourse>(
    async (keys) => {
      const rows = await store.readLiveCourses(pool, keys);
      return new Map(rows.map((row) => [row.courseId, row]));
    },
    { keysMax },
  );
  const find = gathered<string>(
    async (keys) => {
      const rows = await store.readCoursesOfLessons(pool, keys);
      for (const { lessonId, courseId } of rows) courseIds.set(lessonId, courseId, 0);
      return new Map(rows.map(({ lessonId, courseId }) => [lessonId, courseId]));
    },
    { keysMax },
  );

  return {
    course,
    courseOfLesson: async (lessonId) => courseIds.get(lessonId) ?? find(lessonId),
  };
}
