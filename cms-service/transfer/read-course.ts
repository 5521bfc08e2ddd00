// A folder of files as a course. Everything that is wrong is reported, and then there is no course.

import {
  create,
  type DescMessage,
  fromJson,
  type JsonObject,
  type MessageShape,
} from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import {
  CompletionRuleSchema,
  type CourseRevision,
  CourseRevisionSchema,
  type Lesson,
  LessonSchema,
  LessonTranslationSchema,
  type Module,
  ModuleSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import { blocksOfText } from "./blocks-text.ts";
import { idProblems } from "./check-ids.ts";
import type { Folder, FolderCourse } from "./print-course.ts";
import type { Problem, Report } from "./problem.ts";
import { readYaml } from "./yaml-text.ts";

const problemsMax = 200;
const validator = createValidator();

export type Read =
  | { readonly kind: "course"; readonly course: FolderCourse }
  | { readonly kind: "problems"; readonly problems: readonly Problem[] };

export function readCourse(folder: Folder): Read {
  const problems: Problem[] = [];
  const report: Report = (path, line, problem) => {
    if (problems.length < problemsMax) problems.push({ path, line, problem });
  };
  for (const problem of pathProblems([...folder.keys()])) report(problem.path, 0, problem.problem);
  const course = courseOf(folder, report);
  if (problems.length > 0 || course === undefined) return { kind: "problems", problems };
  return { kind: "course", course };
}

const reserved = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;

/** Paths that no disk takes, that leave the folder, or that are one file on some disks. */
export function pathProblems(paths: readonly string[]): readonly Problem[] {
  const seen = new Map<string, string>();
  return paths.flatMap((path) => {
    const parts = path.split("/");
    const unsafe = parts.some((part) => {
      return part === "" || /^\.|[. ]$|[\\:*?"<>|\p{Cc}]/u.test(part) || reserved.test(part);
    });
    if (unsafe || path.length > 200) return [{ path, line: 0, problem: "this path is not safe" }];
    const folded = path.normalize("NFC").toLowerCase();
    const other = seen.get(folded);
    seen.set(folded, path);
    if (other === undefined) return [];
    return [{ path, line: 0, problem: `is the same as ${other} where case does not count` }];
  });
}

function courseOf(folder: Folder, report: Report): FolderCourse | undefined {
  const text = folder.get("course.yaml");
  if (text === undefined) {
    report("course.yaml", 0, "is missing");
    return undefined;
  }
  const { slug, prerequisites, ...own } = objectOf(text, "course.yaml", 0, report);
  if (typeof slug !== "string" || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(slug) || slug.length > 100) {
    report("course.yaml", 0, "slug must be words of a-z and 0-9 with - between, at most 100 long");
  }
  const head = messageOf(CourseRevisionSchema, own, "course.yaml", report);
  const used = new Set(["course.yaml"]);
  const modules = modulePaths(folder).map((path) => moduleOf(folder, path, used, report));
  for (const path of folder.keys()) {
    if (!used.has(path)) report(path, 0, "belongs to no module or lesson");
  }
  const content: CourseRevision = create(CourseRevisionSchema, { ...head, modules });
  content.completionRule ??= create(CompletionRuleSchema);
  const prerequisiteSlugs = textsOf(prerequisites, "prerequisites", "course.yaml", report);
  for (const { field, message } of validator.validate(CourseRevisionSchema, content).violations ??
    []) {
    report(
      "",
      0,
      `${field.map((part) => ("name" in part ? part.name : "")).join(".")}: ${message}`,
    );
  }
  for (const problem of idProblems(content)) report("", 0, problem);
  return { slug: String(slug), prerequisiteSlugs, content };
}

function modulePaths(folder: Folder): readonly string[] {
  return [...folder.keys()].filter((path) => /^[^/]+\/module\.yaml$/.test(path)).sort(byNumber);
}

function byNumber(a: string, b: string): number {
  const number = (path: string) =>
    Number(/([0-9]+)[^/]*$/.exec(path.replace("/module.yaml", ""))?.[1] ?? 0);
  return number(a) - number(b) || (a < b ? -1 : 1);
}

function moduleOf(folder: Folder, path: string, used: Set<string>, report: Report): Module {
  used.add(path);
  const module = messageOf(
    ModuleSchema,
    objectOf(folder.get(path) ?? "", path, 0, report),
    path,
    report,
  );
  const room = path.slice(0, -"module.yaml".length);
  const lessons = [...folder.keys()]
    .filter((one) => one.startsWith(room) && /^[^/.]+\.md$/.test(one.slice(room.length)))
    .sort(byNumber)
    .map((one) => lessonOf(folder, one, used, report));
  return create(ModuleSchema, { ...module, lessons });
}

function lessonOf(folder: Folder, path: string, used: Set<string>, report: Report): Lesson {
  used.add(path);
  const { front, blocks } = markdownFile(folder.get(path) ?? "", path, report);
  const { locales, ...own } = front;
  const stem = path.slice(0, -".md".length);
  const found = [...folder.keys()]
    .filter((one) => one.startsWith(`${stem}.`) && one !== path)
    .map((one) => one.slice(stem.length + 1, -".md".length))
    .sort();
  const named = locales === undefined ? found : textsOf(locales, "locales", path, report);
  if (new Set(named).size < named.length) report(path, 0, "names a locale twice");
  const translations = named.map((locale) => {
    const file = `${stem}.${locale}.md`;
    const text = folder.get(file);
    if (text === undefined) report(path, 0, `names locale ${locale}, but there is no ${file}`);
    used.add(file);
    const { front: own, blocks } = markdownFile(text ?? "---\n---\n", file, report);
    const translation = messageOf(LessonTranslationSchema, own, file, report);
    return { ...translation, locale, blocks };
  });
  return create(LessonSchema, {
    ...messageOf(LessonSchema, own, path, report),
    blocks,
    translations,
  });
}

function markdownFile(text: string, path: string, report: Report) {
  const end = text.indexOf("\n---\n", 3);
  if (!text.startsWith("---\n") || end === -1) {
    report(path, 1, "begins with front matter between two lines of ---");
    return { front: {} as JsonObject, blocks: [] };
  }
  const head = text.slice("---\n".length, end);
  const front = objectOf(head, path, 1, report);
  const firstLine = head.split("\n").length + 3;
  const body = text.slice(end + "\n---\n".length);
  return { front, blocks: blocksOfText(body, { path, firstLine, report }) };
}

function objectOf(text: string, path: string, offset: number, report: Report): JsonObject {
  let faulty = false;
  const value = readYaml(text, (problem, line) => {
    faulty = true;
    report(path, offset + line, problem);
  });
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as JsonObject;
  if (!faulty) report(path, offset + 1, "must be keys and values");
  return {};
}

function messageOf<D extends DescMessage>(
  schema: D,
  json: JsonObject,
  path: string,
  report: Report,
): MessageShape<D> {
  try {
    return fromJson(schema, json);
  } catch (error) {
    report(path, 0, (error as Error).message);
    return create(schema);
  }
}

function textsOf(value: unknown, name: string, path: string, report: Report): readonly string[] {
  const list = value ?? [];
  if (Array.isArray(list) && list.every((one) => typeof one === "string")) return list;
  report(path, 0, `${name} must be a list of texts`);
  return [];
}
