// One lesson for one reader, the hot path: what may be read is decided anew each
// time, by the pointer and the access of this moment; what is answered was made
// before, once a revision, lesson and locale.

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import {
  type GetCatalogLessonResponse,
  GetCatalogLessonResponseSchema,
} from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import type { AccessAnswer, AccessChecker } from "../access/check.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { createBoundedCache } from "./bounded-cache.ts";
import { forLearner, localised, withHtml } from "./deliver.ts";
import type { LiveCourses } from "./live.ts";
import { localeChain } from "./locale.ts";
import type { Published, PublishedLesson } from "./published.ts";

export type LessonQuestion = {
  readonly lessonId: string;
  readonly learnerId: string | undefined;
  readonly locales: readonly string[];
};

export type LessonReaderOptions = {
  readonly live: LiveCourses;
  readonly published: Published;
  readonly access: AccessChecker;
};

const cacheBytesMax = 64 * 1024 * 1024;
/** The text, its HTML, and what the message takes beside them: so much more than the bytes. */
const bytesDelivered = 3;

export function lessonReader({ live, published, access }: LessonReaderOptions) {
  const delivered = createBoundedCache<GetCatalogLessonResponse>(cacheBytesMax);

  return async (question: LessonQuestion): Promise<GetCatalogLessonResponse> => {
    const { lessonId, learnerId, locales } = question;
    const courseId = await live.courseOfLesson(lessonId);
    if (courseId === undefined) throw notFound("LESSON_NOT_FOUND", lessonId);
    // One statement, shared with all who ask at the same time: what the learner may do and the
    // revision that this is about are of one moment.
    const answer = await access.check({ learnerId, courseId, lessonId });
    requireAccess(answer, question, courseId);
    const { revision } = answer;
    assert(revision !== undefined, `lesson ${lessonId} is open, and its course not published`);
    const found = await published.lesson(courseId, revision, lessonId);
    assert(found, `revision ${revision} of course ${courseId} shows no lesson ${lessonId}`);
    return deliver(found, courseId, revision, locales);
  };

  function deliver(
    found: PublishedLesson,
    courseId: string,
    revision: number,
    locales: readonly string[],
  ): GetCatalogLessonResponse {
    const { lesson, defaultLocale, bytes } = found;
    const available = lesson.translations.map(({ locale }) => locale);
    const chain = localeChain(locales, available, defaultLocale);
    const key = `${courseId}/${revision}/${lesson.lessonId}/${chain.join("/")}`;
    const known = delivered.get(key);
    if (known) return known;
    const shown = withHtml(forLearner(localised(lesson, chain, defaultLocale)));
    const response = create(GetCatalogLessonResponseSchema, { courseId, revision, lesson: shown });
    delivered.set(key, response, bytes * bytesDelivered);
    return response;
  }
}

function requireAccess(
  answer: AccessAnswer,
  { lessonId, learnerId }: LessonQuestion,
  courseId: string,
): void {
  if (answer.allowed) return;
  switch (answer.reason) {
    case "course-not-published":
    case "lesson-not-found":
      throw notFound("LESSON_NOT_FOUND", lessonId);
    case "prerequisite-missing": {
      const missing = [...answer.missingCourseIds, ...answer.missingLessonIds];
      const [resource = courseId] = missing;
      const message = `lesson ${lessonId} opens when these are completed: ${missing.join(", ")}`;
      throw refused("PREREQUISITES_INCOMPLETE", message, { resource });
    }
    default:
      if (learnerId === undefined) {
        throw refused("LEARNER_MISSING", `lesson ${lessonId} is no free preview; name a learner`);
      }
      throw refused("ACCESS_DENIED", `the learner has no access to course ${courseId}`, {
        resource: courseId,
      });
  }
}
