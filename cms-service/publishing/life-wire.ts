// The states of a course's life as the wire names them.

import { CourseState } from "#gen/bursar/cms/v1/course_pb.ts";
import type { LifeState } from "./life.ts";

export const wireStates = {
  draft: CourseState.DRAFT,
  published: CourseState.PUBLISHED,
  scheduled: CourseState.SCHEDULED,
  unpublished: CourseState.UNPUBLISHED,
  archived: CourseState.ARCHIVED,
} as const satisfies Record<LifeState, CourseState>;
