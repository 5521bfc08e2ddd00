// What authors do with modules. Each is one SQL transaction under the lock of the course.

import type {
  AddModuleRequest,
  DeleteModuleRequest,
  MoveModuleRequest,
  UpdateModuleRequest,
} from "#gen/bursar/cms/v1/course_service_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { newId } from "../requests/identifiers.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { recordChange, refuseStaleParts } from "./change.ts";
import { lockDraft, masked, outline, refuseProblems } from "./draft.ts";
import { titleProblems, translationProblems } from "./draft-problems.ts";
import * as store from "./part-store.ts";
import { placeAmong } from "./place.ts";
import { rankAfter } from "./rank.ts";

const modulesMax = 500;

export async function addModule(tx: Tx, { courseId, title }: AddModuleRequest, actor: string) {
  await lockDraft(tx, courseId);
  const modules = await store.readModules(tx, courseId);
  if (modules.length >= modulesMax) {
    const what = `course ${courseId} has ${modulesMax} modules, which is all it may have`;
    throw refused("COURSE_FULL", what, { resource: courseId });
  }
  const module = { moduleId: newId("mod"), title };
  const rank = rankAfter(modules.at(-1)?.rank);
  const resources = [module.moduleId];
  const version = await recordChange(tx, { courseId, resources, what: "module added", actor });
  await store.insertModule(tx, { courseId, rank, version, ...module });
  const course = await outline(tx, courseId);
  return { module: course.modules?.find(({ moduleId }) => moduleId === module.moduleId), course };
}

export async function updateModule(tx: Tx, request: UpdateModuleRequest, actor: string) {
  const { module, updateMask, etag } = request;
  const fields = masked(updateMask, ["title", "translations"]);
  const moduleId = module?.moduleId ?? "";
  const { courseId, defaultLocale } = await lockModule(tx, moduleId, etag);
  const [isTitle, isTranslated] = [fields.has("title"), fields.has("translations")];
  const { title = "", translations = [] } = module ?? {};
  refuseProblems(moduleId, [
    ...(isTitle ? titleProblems(title) : []),
    ...(isTranslated ? translationProblems(translations, defaultLocale) : []),
  ]);
  const change = { courseId, resources: [moduleId], what: "module updated", actor };
  const version = await recordChange(tx, change);
  const changed = { ...(isTitle && { title }), ...(isTranslated && { translations }) };
  await store.updateModule(tx, { moduleId, version }, changed);
  return { course: await outline(tx, courseId) };
}

export async function moveModule(tx: Tx, request: MoveModuleRequest, actor: string) {
  const { moduleId, etag, beforeModuleId } = request;
  const { courseId, modules } = await lockModule(tx, moduleId, etag);
  const placing = placeAmong(modules, moduleId, beforeModuleId);
  if (placing.kind === "unknown") {
    const what = `module ${beforeModuleId} is not in course ${courseId}`;
    throw refused("PLACE_UNKNOWN", what, { resource: beforeModuleId });
  }
  const { rank = "" } = placing.kind === "placed" ? placing : {};
  await store.placeModules(
    tx,
    placing.kind === "placed" ? [{ id: moduleId, rank }] : placing.ranks,
  );
  const change = { courseId, resources: [moduleId], what: "module moved", actor };
  await store.touchModule(tx, { moduleId, version: await recordChange(tx, change) });
  return { course: await outline(tx, courseId) };
}

export async function deleteModule(tx: Tx, request: DeleteModuleRequest, actor: string) {
  const { moduleId, etag } = request;
  const { courseId, version } = await lockModule(tx, moduleId, etag);
  const lessons = await store.readLessons(tx, moduleId);
  const parts = lessons.map(({ id, version: own }) => ({ resource: id, version: own }));
  await refuseStaleParts(tx, { courseId, etag, version }, parts);
  const own = new Set(lessons.map(({ id }) => id));
  await refuseNeeded(tx, courseId, own);
  const resources = [moduleId, ...own];
  await recordChange(tx, { courseId, resources, what: "module deleted", actor });
  await store.deleteModule(tx, moduleId);
  return { course: await outline(tx, courseId) };
}

/** Throws a refusal when a lesson that stays needs one of those that go. */
export async function refuseNeeded(
  tx: Tx,
  courseId: string,
  going: ReadonlySet<string>,
): Promise<void> {
  for (const { id, needs } of await store.readNeeds(tx, courseId)) {
    const needed = going.has(id) ? undefined : needs.find((one) => going.has(one));
    if (needed === undefined) continue;
    const what = `lesson ${id} needs lesson ${needed} first; change its prerequisites before`;
    throw refused("LESSON_NEEDED", what, { resource: id });
  }
}

async function lockModule(tx: Tx, moduleId: string, etag: string) {
  const courseId = await store.findCourseOfModule(tx, moduleId);
  if (courseId === undefined) throw notFound("MODULE_NOT_FOUND", moduleId);
  const { version, defaultLocale } = await lockDraft(tx, courseId);
  const modules = await store.readModules(tx, courseId);
  // It may have been deleted while the lock was waited for.
  const module = modules.find(({ id }) => id === moduleId);
  if (!module) throw notFound("MODULE_NOT_FOUND", moduleId);
  await refuseStaleParts(tx, { courseId, etag, version }, [
    { resource: moduleId, version: module.version },
  ]);
  return { courseId, defaultLocale, version, modules };
}
