// Whether a learner may open something now, from what stands about it. The first of the questions
// below that has an answer decides.

import type { EnrollmentState } from "./enrollment.ts";

export type AccessReason =
  | "granted"
  | "free-preview"
  | "suspended"
  | "revoked"
  | "expired"
  | "not-enrolled"
  | "course-not-published"
  | "lesson-not-found"
  | "prerequisite-missing";

export type AccessAnswer = {
  readonly allowed: boolean;
  readonly reason: AccessReason;
  /** To complete first. */
  readonly missingCourseIds: readonly string[];
  readonly missingLessonIds: readonly string[];
};

export type AccessFacts = {
  /** Learners see a revision of the course. */
  readonly coursePublished: boolean;
  /** What they see of the lesson; undefined when the question is about the course as a whole. */
  readonly lesson: "absent" | "free" | "closed" | undefined;
  readonly enrollment: EnrollmentState;
  readonly missingCourseIds: readonly string[];
  readonly missingLessonIds: readonly string[];
};

const reasons = {
  none: "not-enrolled",
  active: "granted",
  suspended: "suspended",
  expired: "expired",
  revoked: "revoked",
} as const satisfies Record<EnrollmentState, AccessReason>;

export function judgeAccess(facts: AccessFacts): AccessAnswer {
  const { coursePublished, lesson, enrollment, missingCourseIds, missingLessonIds } = facts;
  if (!coursePublished) return answer("course-not-published");
  if (lesson === "absent") return answer("lesson-not-found");
  const misses = missingCourseIds.length + missingLessonIds.length > 0;
  // What is free for everybody is free for learners too, whatever else they lack.
  if (lesson === "free" && (enrollment !== "active" || misses)) return answer("free-preview");
  if (enrollment !== "active" || !misses) return answer(reasons[enrollment]);
  return { ...answer("prerequisite-missing"), missingCourseIds, missingLessonIds };
}

function answer(reason: AccessReason): AccessAnswer {
  const allowed = reason === "granted" || reason === "free-preview";
  return { allowed, reason, missingCourseIds: [], missingLessonIds: [] };
}
