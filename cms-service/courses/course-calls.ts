// What authors do with a course as a whole: make it, change its own fields, take it away and bring
// it back. Each is one SQL transaction under the lock of the course.

import { create } from "@bufbuild/protobuf";
import { CompletionRuleSchema } from "#gen/bursar/cms/v1/course_pb.ts";
import type {
  CreateCourseRequest,
  DeleteCourseRequest,
  UndeleteCourseRequest,
  UpdateCourseRequest,
} from "#gen/bursar/cms/v1/course_service_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { stateOf } from "../publishing/life.ts";
import { writeDownDue } from "../publishing/write-down.ts";
import { newId } from "../requests/identifiers.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { recordChange, refuseStale, refuseStaleParts } from "./change.ts";
import * as store from "./course-store.ts";
import { cycleFrom } from "./cycle.ts";
import { lockDraft, masked, outline, refuseProblems } from "./draft.ts";
import { titleProblems, translationProblems } from "./draft-problems.ts";

const changeable = [
  "title",
  "summary",
  "slug",
  "translations",
  "prerequisite_course_ids",
  "completion_rule",
];
const slugPattern = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const slugMax = 80;
const summaryMax = 2_000;
const prerequisitesMax = 50;

export async function createCourse(tx: Tx, request: CreateCourseRequest) {
  return { course: await outline(tx, await makeCourse(tx, request)) };
}

export type CourseSeed = Pick<store.NewCourse, "slug" | "title" | "summary" | "defaultLocale">;

/** An empty draft. Throws a refusal when the slug is or was another course's. */
export async function makeCourse(tx: Tx, seed: CourseSeed): Promise<string> {
  const { slug, title, summary, defaultLocale } = seed;
  const courseId = newId("crs");
  const course = { courseId, slug, title, summary, defaultLocale: defaultLocale || "en" };
  const isFree =
    (await store.insertCourse(tx, course)) && (await store.takeSlug(tx, courseId, slug));
  if (!isFree) throw slugTaken(slug);
  return courseId;
}

export async function updateCourse(tx: Tx, request: UpdateCourseRequest, actor: string) {
  const { course, updateMask, etag } = request;
  const fields = masked(updateMask, changeable);
  const courseId = course?.courseId ?? "";
  if (!course || courseId === "") throw notFound("COURSE_NOT_FOUND", courseId);
  const isChanged = (field: string) => fields.has(field);
  // Before the course: whoever changes prerequisites waits here, and holds no course meanwhile.
  if (isChanged("prerequisite_course_ids")) await store.lockPrerequisites(tx);
  const { version, ownVersion, defaultLocale } = await lockDraft(tx, courseId);
  await refuseStaleParts(tx, { courseId, etag, version }, [
    { resource: courseId, version: ownVersion },
  ]);
  const { title, summary, slug, translations, prerequisiteCourseIds, completionRule } = course;
  refuseProblems(courseId, [
    ...(isChanged("title") ? titleProblems(title) : []),
    ...(isChanged("summary") && [...summary].length > summaryMax
      ? [{ field: "summary", problem: `has more than ${summaryMax} characters` }]
      : []),
    ...(isChanged("slug") && !(slugPattern.test(slug) && slug.length <= slugMax)
      ? [{ field: "slug", problem: "is no words of a-z and 0-9 joined by `-`, 80 in all" }]
      : []),
    ...(isChanged("translations") ? translationProblems(translations, defaultLocale) : []),
    ...(isChanged("prerequisite_course_ids") && prerequisiteCourseIds.length > prerequisitesMax
      ? [{ field: "prerequisite_course_ids", problem: `are more than ${prerequisitesMax}` }]
      : []),
  ]);
  if (isChanged("slug") && !(await store.takeSlug(tx, courseId, slug))) throw slugTaken(slug);
  if (isChanged("prerequisite_course_ids")) {
    await replacePrerequisites(tx, courseId, prerequisiteCourseIds);
  }
  await store.updateCourse(tx, courseId, {
    ...(isChanged("title") && { title }),
    ...(isChanged("summary") && { summary }),
    ...(isChanged("slug") && { slug }),
    ...(isChanged("translations") && { translations }),
    ...(isChanged("completion_rule") && {
      completionRule: completionRule ?? create(CompletionRuleSchema),
    }),
  });
  await recordChange(tx, { courseId, resources: [courseId], what: "course updated", actor });
  return { course: await outline(tx, courseId) };
}

async function replacePrerequisites(tx: Tx, courseId: string, ids: readonly string[]) {
  const wanted = [...new Set(ids)];
  const there = await store.readCourseIds(tx, wanted);
  const missing = wanted.find((id) => !there.has(id));
  if (missing !== undefined) {
    throw refused("PREREQUISITE_UNKNOWN", `prerequisite ${missing} is no course`, {
      resource: missing,
    });
  }
  const others = (await store.readPrerequisites(tx)).filter(({ id }) => id !== courseId);
  const cycle = cycleFrom(courseId, [...others, { id: courseId, needs: wanted }]);
  if (cycle) {
    const way = cycle.join(" needs ");
    throw refused("PREREQUISITES_CYCLIC", `nobody could open them: ${way}`, { resource: courseId });
  }
  await store.replacePrerequisites(tx, courseId, wanted);
}

export async function deleteCourse(tx: Tx, request: DeleteCourseRequest, actor: string) {
  const { courseId, etag } = request;
  await store.lockPrerequisites(tx);
  const { version } = await lockDraft(tx, courseId);
  await refuseStale(tx, { courseId, etag, version });
  const { life, now } = await writeDownDue(tx, courseId);
  const state = stateOf(life, now);
  if (state === "published" || life.scheduledRevision !== null) {
    const what = `course ${courseId} is ${state.toUpperCase()}: learners see it, or will`;
    throw refused("COURSE_VISIBLE", `${what}; unpublish it first`, { resource: courseId });
  }
  const dependent = await store.findDependent(tx, courseId);
  if (dependent !== undefined) {
    const what = `course ${dependent} needs course ${courseId} first; change its prerequisites`;
    throw refused("COURSE_NEEDED", what, { resource: dependent });
  }
  await recordChange(tx, { courseId, resources: [courseId], what: "course deleted", actor });
  await store.markDeleted(tx, courseId);
  return { course: await outline(tx, courseId) };
}

export async function undeleteCourse(tx: Tx, request: UndeleteCourseRequest, actor: string) {
  const { courseId } = request;
  const found = await store.lockDeleted(tx, courseId);
  if (!found?.isKept) throw notFound("COURSE_NOT_FOUND", courseId);
  if (found.deleteTime === null) {
    const what = `course ${courseId} is not deleted`;
    throw refused("COURSE_NOT_DELETED", what, { resource: courseId });
  }
  await store.unmarkDeleted(tx, courseId);
  await recordChange(tx, { courseId, resources: [courseId], what: "course undeleted", actor });
  return { course: await outline(tx, courseId) };
}

function slugTaken(slug: string) {
  return refused("SLUG_TAKEN", `another course is or was called ${slug}`, { resource: slug });
}
