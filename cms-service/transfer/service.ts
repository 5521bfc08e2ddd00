// TransferService: a draft as a folder of files, and such a folder as a draft, whole or not at all.

import type { ServiceImpl } from "@connectrpc/connect";
import type { CourseRevision } from "#gen/bursar/cms/v1/course_pb.ts";
import {
  ImportCourseResponseSchema,
  type ImportTarget,
  ImportTargetSchema,
  type TransferService,
} from "#gen/bursar/cms/v1/transfer_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { refuseStale } from "../courses/change.ts";
import { makeCourse } from "../courses/course-calls.ts";
import { lockCourse } from "../courses/lock.ts";
import { etagOf } from "../courses/rules.ts";
import { contentOf, readTree, replaceTree } from "../courses/tree.ts";
import { archivedCourse } from "../publishing/locked.ts";
import { actorOf } from "../requests/actor.ts";
import { newId } from "../requests/identifiers.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { type FolderCourse, printCourse } from "./print-course.ts";
import type { Problem } from "./problem.ts";
import { readCourse } from "./read-course.ts";
import { receive } from "./receive.ts";
import * as store from "./store.ts";

const pieceBytes = 256 * 1024;
const importOnce = {
  name: "ImportCourse",
  input: ImportTargetSchema,
  output: ImportCourseResponseSchema,
};

export function transferService(pool: Pool): ServiceImpl<typeof TransferService> {
  return {
    async *exportCourse({ courseId }) {
      const tree = await readTree(pool, courseId, { texts: true });
      if (!tree || tree.deleteTime !== null) throw notFound("COURSE_NOT_FOUND", courseId);
      const slugs = await store.readSlugs(pool, tree.prerequisiteCourseIds);
      const folder = printCourse({
        slug: tree.slug,
        prerequisiteSlugs: slugs.map(({ slug }) => slug),
        content: contentOf(tree),
      });
      for (const [path, text] of folder) {
        const bytes = Buffer.from(text);
        for (let from = 0; from === 0 || from < bytes.length; from += pieceBytes) {
          const content = bytes.subarray(from, from + pieceBytes);
          yield { part: { case: "file", value: { path, content } } };
        }
      }
      const end = { fileCount: folder.size, etag: etagOf(tree.version) };
      yield { part: { case: "end", value: end } };
    },

    async importCourse(requests, context) {
      const { target, folder } = await receive(requests);
      const read = readCourse(folder);
      if (read.kind === "problems") throw invalid(read.problems);
      return inTransaction(pool, (tx) =>
        once(tx, importOnce, target, () => importCourse(tx, target, read.course, actorOf(context))),
      );
    },
  };
}

async function importCourse(
  tx: Tx,
  target: ImportTarget,
  { slug, prerequisiteSlugs, content }: FolderCourse,
  actor: string,
) {
  const courseId =
    target.courseId === ""
      ? await createDraft(tx, target.slug || slug, content)
      : await lockDraft(tx, target, content);
  const found = await store.readCoursesOfSlugs(tx, prerequisiteSlugs);
  const missing = prerequisiteSlugs.filter((one) => !found.some(({ slug }) => slug === one));
  if (missing.length > 0) {
    const problem = `there is no course ${missing.join(", ")} to be a prerequisite`;
    throw invalid([{ path: "course.yaml", line: 0, problem }]);
  }
  content.prerequisiteCourseIds = found.map((one) => one.courseId);
  giveIds(content, await store.readForeignIds(tx, courseId, idsOf(content)));
  await replaceTree(tx, courseId, content, actor);
  return { courseId, etag: etagOf((await lockCourse(tx, courseId)).version) };
}

function createDraft(tx: Tx, slug: string, { title, summary, defaultLocale }: CourseRevision) {
  return makeCourse(tx, { slug, title, summary, defaultLocale });
}

async function lockDraft(tx: Tx, { courseId, etag }: ImportTarget, content: CourseRevision) {
  const locked = await lockCourse(tx, courseId);
  await refuseStale(tx, { courseId, etag, version: locked.version });
  if (locked.archiveTime !== null) throw archivedCourse(locked);
  const { defaultLocale } = await store.readDefaultLocale(tx, courseId);
  if (content.defaultLocale !== defaultLocale) {
    const problem = `default_locale must be ${defaultLocale}, as the course's, and never changes`;
    throw invalid([{ path: "course.yaml", line: 0, problem }]);
  }
  return courseId;
}

function idsOf({ modules }: CourseRevision): readonly string[] {
  const lessons = modules.flatMap((module) => module.lessons);
  return [...modules.map((one) => one.moduleId), ...lessons.map((one) => one.lessonId)];
}

/** New ones where the files name none, or another course's. */
function giveIds({ modules }: CourseRevision, foreign: ReadonlySet<string>): void {
  const given = new Map<string, string>();
  const idOf = (prefix: "mod" | "les", id: string) => {
    if (id !== "" && !foreign.has(id)) return id;
    const fresh = newId(prefix);
    if (id !== "") given.set(id, fresh);
    return fresh;
  };
  for (const module of modules) {
    module.moduleId = idOf("mod", module.moduleId);
    for (const lesson of module.lessons) {
      lesson.lessonId = idOf("les", lesson.lessonId);
      for (const block of lesson.blocks) block.blockId ||= newId("blk");
    }
  }
  for (const lesson of modules.flatMap((module) => module.lessons)) {
    const ids = lesson.prerequisiteLessonIds.map((id) => given.get(id) ?? id);
    lesson.prerequisiteLessonIds = ids;
  }
}

function invalid(problems: readonly Problem[]) {
  const [first] = problems;
  const where = `${first?.path}${first?.line ? `:${first.line}` : ""}`;
  const message = `import: ${problems.length} problems; the first: ${where}: ${first?.problem}`;
  return refused("IMPORT_INVALID", message, { importProblems: problems });
}
