// A course as the files of a folder, in the order of their paths. What it writes is the canonical
// form: read back and printed again, it is the same bytes.

import {
  create,
  type DescMessage,
  type JsonObject,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import {
  type CourseRevision,
  CourseRevisionSchema,
  type Lesson,
  LessonSchema,
  ModuleSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import { blocksToText } from "./blocks-text.ts";
import { yamlOf } from "./yaml-text.ts";

/** Texts by path. */
export type Folder = ReadonlyMap<string, string>;

/** What a folder holds of a course: its content, and beside it what only names it. */
export type FolderCourse = {
  readonly slug: string;
  readonly prerequisiteSlugs: readonly string[];
  readonly content: CourseRevision;
};

export function printCourse({ slug, prerequisiteSlugs, content }: FolderCourse): Folder {
  const files = new Map<string, string>();
  const { title, summary, defaultLocale, translations, completionRule } = content;
  const own = create(CourseRevisionSchema, {
    ...{ title, summary, defaultLocale, translations },
    ...(completionRule && { completionRule }),
  });
  const course = {
    slug,
    ...jsonOf(CourseRevisionSchema, own),
    ...(prerequisiteSlugs.length > 0 && { prerequisites: [...prerequisiteSlugs] }),
  };
  files.set("course.yaml", `${yamlOf(course)}\n`);
  for (const [index, module] of content.modules.entries()) {
    const folder = nameOf(index, content.modules.length, module.title);
    const head = create(ModuleSchema, { ...module, lessons: [], etag: "" });
    files.set(`${folder}/module.yaml`, `${yamlOf(jsonOf(ModuleSchema, head))}\n`);
    for (const [place, lesson] of module.lessons.entries()) {
      const path = `${folder}/${nameOf(place, module.lessons.length, lesson.title)}`;
      printLesson(files, path, lesson);
    }
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function printLesson(files: Map<string, string>, path: string, lesson: Lesson): void {
  const { lessonId, title, freePreview, prerequisiteLessonIds, translations, blocks } = lesson;
  const head = create(LessonSchema, { lessonId, title, freePreview, prerequisiteLessonIds });
  const locales = translations.map(({ locale }) => locale);
  const front = { ...jsonOf(LessonSchema, head), ...(locales.length > 0 && { locales }) };
  files.set(`${path}.md`, `---\n${yamlOf(front)}\n---\n${blocksToText(blocks)}`);
  for (const translation of translations) {
    const own = { title: translation.title };
    const body = blocksToText(translation.blocks);
    files.set(`${path}.${translation.locale}.md`, `---\n${yamlOf(own)}\n---\n${body}`);
  }
}

/** The number says the place; the words are for people, and nothing is read from them. */
function nameOf(index: number, count: number, title: string): string {
  const number = String(index + 1).padStart(Math.max(2, String(count).length), "0");
  const words =
    title
      .normalize("NFKD")
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? [];
  return [number, ...words].join("-").slice(0, 60).replace(/-$/, "");
}

function jsonOf<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonObject {
  return toJson(schema, message, { useProtoFieldName: true }) as JsonObject;
}
