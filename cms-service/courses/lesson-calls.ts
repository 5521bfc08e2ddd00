// What authors do with lessons. Each is one SQL transaction under the lock of the course.

import { clone, create } from "@bufbuild/protobuf";
import { type Block, BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import type {
  AddLessonRequest,
  DeleteLessonRequest,
  MoveLessonRequest,
  UpdateLessonRequest,
} from "#gen/bursar/cms/v1/course_service_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { newId } from "../requests/identifiers.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { recordChange, refuseStaleParts } from "./change.ts";
import { cycleFrom } from "./cycle.ts";
import { lockDraft, masked, outline, refuseProblems } from "./draft.ts";
import { type DraftProblem, lessonProblems } from "./draft-problems.ts";
import { requireLesson } from "./lessons.ts";
import { refuseNeeded } from "./module-calls.ts";
import * as store from "./part-store.ts";
import { placeAmong } from "./place.ts";
import { rankAfter } from "./rank.ts";

const lessonsMax = 5_000;
const changeable = ["title", "free_preview", "blocks", "translations", "prerequisite_lesson_ids"];

export async function addLesson(tx: Tx, request: AddLessonRequest, actor: string) {
  const { moduleId, title, freePreview, translations, prerequisiteLessonIds } = request;
  const courseId = await store.findCourseOfModule(tx, moduleId);
  if (courseId === undefined) throw notFound("MODULE_NOT_FOUND", moduleId);
  const { defaultLocale } = await lockDraft(tx, courseId);
  const modules = await store.readModules(tx, courseId);
  if (!modules.some(({ id }) => id === moduleId)) throw notFound("MODULE_NOT_FOUND", moduleId);
  if ((await store.countLessons(tx, courseId)) >= lessonsMax) {
    const what = `course ${courseId} has ${lessonsMax} lessons, which is all it may have`;
    throw refused("COURSE_FULL", what, { resource: courseId });
  }
  const lessonId = newId("les");
  const blocks = withIds(blocksOf(request, lessonId));
  refuseProblems(moduleId, lessonProblems({ title, blocks, translations }, defaultLocale));
  const rank = rankAfter((await store.readLessons(tx, moduleId)).at(-1)?.rank);
  const change = { courseId, resources: [lessonId], what: "lesson added", actor };
  const version = await recordChange(tx, change);
  const fields = { title, freePreview, blocks, translations };
  await store.insertLesson(tx, { courseId, moduleId, lessonId, rank, version }, fields);
  await replaceNeeds(tx, courseId, lessonId, prerequisiteLessonIds);
  return { lesson: await requireLesson(tx, lessonId), course: await outline(tx, courseId) };
}

/** `body_markdown` is short for one block of rich text. */
function blocksOf({ blocks, bodyMarkdown }: AddLessonRequest, lessonId: string): Block[] {
  if (bodyMarkdown === "") return blocks;
  if (blocks.length > 0) {
    refuseProblems(lessonId, [{ field: "body_markdown", problem: "stands beside blocks" }]);
  }
  const blockId = lessonId.replace(/^les_/, "blk_");
  const content = { case: "richText", value: { markdown: bodyMarkdown } } as const;
  return [create(BlockSchema, { blockId, content })];
}

export async function updateLesson(tx: Tx, request: UpdateLessonRequest, actor: string) {
  const { lesson: sent, updateMask, etag } = request;
  const fields = masked(updateMask, changeable);
  const lessonId = sent?.lessonId ?? "";
  if (!sent || lessonId === "") throw notFound("LESSON_NOT_FOUND", lessonId);
  const { courseId, defaultLocale } = await lockLesson(tx, lessonId, etag);
  const before = await requireLesson(tx, lessonId);
  const isChanged = (field: string) => fields.has(field);
  const after = {
    title: isChanged("title") ? sent.title : before.title,
    blocks: isChanged("blocks") ? withIds(sent.blocks) : before.blocks,
    translations: isChanged("translations") ? sent.translations : before.translations,
  };
  refuseProblems(lessonId, lessonProblems(after, defaultLocale));
  const change = { courseId, resources: [lessonId], what: "lesson updated", actor };
  const version = await recordChange(tx, change);
  const { title, blocks, translations } = after;
  await store.updateLesson(
    tx,
    { lessonId, version },
    {
      title,
      ...(isChanged("blocks") && { blocks }),
      ...(isChanged("translations") && { translations }),
      ...(isChanged("free_preview") && { freePreview: sent.freePreview }),
    },
  );
  if (isChanged("prerequisite_lesson_ids")) {
    await replaceNeeds(tx, courseId, lessonId, sent.prerequisiteLessonIds);
  }
  return { lesson: await requireLesson(tx, lessonId), course: await outline(tx, courseId) };
}

/** What a block is shown as is the service's to say, and so is the id of a new one. */
function withIds(blocks: readonly Block[]): Block[] {
  return blocks.map((sent) => {
    const block = clone(BlockSchema, sent);
    if (block.blockId === "") block.blockId = newId("blk");
    const { content } = block;
    if (content.case === "richText" || content.case === "callout") content.value.html = "";
    if (content.case !== "quiz") return block;
    for (const question of content.value.questions) {
      question.promptHtml = "";
      if (question.kind.case !== "choice") continue;
      for (const choice of question.kind.value.choices) choice.textHtml = "";
    }
    return block;
  });
}

async function replaceNeeds(
  tx: Tx,
  courseId: string,
  lessonId: string,
  ids: readonly string[],
): Promise<void> {
  const wanted = [...new Set(ids)];
  const there = await store.readLessonIds(tx, courseId, wanted);
  const problems = wanted.flatMap((id, n): DraftProblem[] => {
    const field = `prerequisite_lesson_ids[${n}]`;
    return there.has(id) ? [] : [{ field, problem: `${id} is no lesson of the course` }];
  });
  refuseProblems(lessonId, problems);
  const others = (await store.readNeeds(tx, courseId)).filter(({ id }) => id !== lessonId);
  const cycle = cycleFrom(lessonId, [...others, { id: lessonId, needs: wanted }]);
  if (cycle) {
    const way = cycle.join(" needs ");
    throw refused("PREREQUISITES_CYCLIC", `nobody could open them: ${way}`, { resource: lessonId });
  }
  await store.replaceNeeds(tx, lessonId, wanted);
}

export async function moveLesson(tx: Tx, request: MoveLessonRequest, actor: string) {
  const { lessonId, etag, beforeLessonId } = request;
  const { courseId, moduleId: from } = await lockLesson(tx, lessonId, etag);
  const moduleId = request.moduleId || from;
  const modules = await store.readModules(tx, courseId);
  if (!modules.some(({ id }) => id === moduleId)) {
    const what = `module ${moduleId} is not in course ${courseId}`;
    throw refused("PLACE_UNKNOWN", what, { resource: moduleId });
  }
  const placing = placeAmong(await store.readLessons(tx, moduleId), lessonId, beforeLessonId);
  if (placing.kind === "unknown") {
    const what = `lesson ${beforeLessonId} is not in module ${moduleId}`;
    throw refused("PLACE_UNKNOWN", what, { resource: beforeLessonId });
  }
  const ranks = placing.kind === "placed" ? [{ id: lessonId, rank: placing.rank }] : placing.ranks;
  await store.placeLessons(tx, moduleId, ranks);
  const change = { courseId, resources: [lessonId], what: "lesson moved", actor };
  await store.updateLesson(tx, { lessonId, version: await recordChange(tx, change) });
  return { course: await outline(tx, courseId) };
}

export async function deleteLesson(tx: Tx, request: DeleteLessonRequest, actor: string) {
  const { lessonId, etag } = request;
  const { courseId } = await lockLesson(tx, lessonId, etag);
  await refuseNeeded(tx, courseId, new Set([lessonId]));
  await recordChange(tx, { courseId, resources: [lessonId], what: "lesson deleted", actor });
  await store.deleteLesson(tx, lessonId);
  return { course: await outline(tx, courseId) };
}

async function lockLesson(tx: Tx, lessonId: string, etag: string) {
  const found = await store.findLesson(tx, lessonId);
  if (!found) throw notFound("LESSON_NOT_FOUND", lessonId);
  const { courseId } = found;
  const { version, defaultLocale } = await lockDraft(tx, courseId);
  // It may have moved, or gone, while the lock was waited for.
  const lesson = await store.findLesson(tx, lessonId);
  if (!lesson) throw notFound("LESSON_NOT_FOUND", lessonId);
  await refuseStaleParts(tx, { courseId, etag, version }, [
    { resource: lessonId, version: lesson.version },
  ]);
  return { courseId, moduleId: lesson.moduleId, defaultLocale };
}
