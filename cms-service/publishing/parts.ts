// A revision, or the draft, as the parts that are compared. Fields have the names
// they have in the contract; what a part is called, numbered or versioned is no
// content.

import {
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type Block, BlockSchema } from "#gen/bursar/cms/v1/block_pb.ts";
import {
  type CourseRevision,
  CourseRevisionSchema,
  type Lesson,
  LessonSchema,
  type Module,
  ModuleSchema,
} from "#gen/bursar/cms/v1/course_pb.ts";
import type { Part } from "./diff.ts";

export function partOf(revision: CourseRevision): Part {
  const { courseId, title, modules } = revision;
  const own = ownFields(CourseRevisionSchema, { ...revision, modules: [] }, [
    "course_id",
    "revision",
    "slug",
    "publish_time",
    "sha256",
    "locale",
  ]);
  return { id: courseId, title, fields: own, children: modules.map(modulePart) };
}

function modulePart(module: Module): Part {
  const { moduleId, title, lessons } = module;
  const fields = ownFields(ModuleSchema, { ...module, lessons: [] }, ["module_id", "etag"]);
  return { id: moduleId, title, fields, children: lessons.map(lessonPart) };
}

function lessonPart(lesson: Lesson): Part {
  const { lessonId, title, blocks } = lesson;
  const names = ["lesson_id", "etag", "module_id", "locale"];
  const fields = ownFields(LessonSchema, { ...lesson, blocks: [] }, names);
  return { id: lessonId, title, fields, children: distinct(blocks.map(blockPart)) };
}

/** What a block is, is the beginning of the names of its fields: `rich_text.markdown`. */
function blockPart(block: Block): Part {
  const fields = new Map<string, string>();
  const json = toJson(BlockSchema, block, { useProtoFieldName: true }) as JsonObject;
  for (const [kind, content] of Object.entries(json)) {
    if (kind === "block_id") continue;
    const entries = Object.entries(content as JsonObject);
    for (const [name, value] of entries) fields.set(`${kind}.${name}`, JSON.stringify(value));
    // A block without any field is still of its kind.
    if (entries.length === 0) fields.set(kind, "{}");
  }
  const value = block.content.value;
  const title = value && "title" in value ? value.title : "";
  return { id: block.blockId, title, fields, children: [] };
}

/** Blocks of which two have one id are told by their order. */
function distinct(parts: readonly Part[]): readonly Part[] {
  const seen = new Map<string, number>();
  return parts.map((part) => {
    const count = (seen.get(part.id) ?? 0) + 1;
    seen.set(part.id, count);
    return count === 1 ? part : { ...part, id: `${part.id}#${count}` };
  });
}

function ownFields<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
  without: readonly string[],
): ReadonlyMap<string, string> {
  const json = toJson(schema, message, { useProtoFieldName: true }) as JsonObject;
  const said = Object.entries(json).filter(
    ([name, value]) => !without.includes(name) && !isEmpty(value),
  );
  return new Map(said.map(([name, value]) => [name, JSON.stringify(value)]));
}

/** A message that says nothing is as good as none. */
function isEmpty(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
