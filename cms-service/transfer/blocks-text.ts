// The blocks of a lesson as the body of a Markdown file. A block begins at a marker line, a
// comment that readers of Markdown do not see, and ends before the next; its text is verbatim.

import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  type Block,
  BlockSchema,
  CalloutKind,
  EmbedSchema,
  FileSchema,
  QuizSchema,
  VideoSchema,
} from "#gen/bursar/cms/v1/block_pb.ts";
import type { Report } from "./problem.ts";
import { readYaml, yamlOf } from "./yaml-text.ts";

const structured = {
  video: VideoSchema,
  file: FileSchema,
  embed: EmbedSchema,
  quiz: QuizSchema,
} as const;

const calloutKinds: Readonly<Record<string, CalloutKind>> = {
  note: CalloutKind.NOTE,
  tip: CalloutKind.TIP,
  warning: CalloutKind.WARNING,
};

const marker = /^<!-- block: ([a-z]+)(?: (blk_[0-9a-z]{26}))?(?: (.+))? -->$/s;
const markerLike = /^<!-- (\\*)block:/;
const simpleLanguage = /^[A-Za-z0-9+#.-]+$/;

export function blocksToText(blocks: readonly Block[]): string {
  return blocks.map(blockToText).join("");
}

function blockToText({ blockId, content }: Block): string {
  switch (content.case) {
    case "richText":
      return markerOf("text", blockId) + escaped(content.value.markdown);
    case "callout": {
      const { kind, markdown } = content.value;
      const [name] = Object.entries(calloutKinds).find(([, value]) => value === kind) ?? [];
      return markerOf("callout", blockId, name) + escaped(markdown);
    }
    case "code": {
      const { text, language } = content.value;
      const simple = language === "" || simpleLanguage.test(language);
      const extra = simple ? undefined : JSON.stringify(language);
      return markerOf("code", blockId, extra) + fenced(simple ? language : "", text);
    }
    case undefined:
      throw new Error(`block ${blockId} has no content`);
    default: {
      const json = toJson(BlockSchema, create(BlockSchema, { content })) as Record<string, object>;
      const value = json[content.case] as JsonValue;
      return markerOf(content.case, blockId) + fenced("yaml", yamlOf(value));
    }
  }
}

function markerOf(kind: string, blockId: string, extra?: string): string {
  const parts = [kind, blockId, extra].filter((part) => part !== undefined && part !== "");
  return `<!-- block: ${parts.join(" ")} -->\n`;
}

/** A line of the text that looks like a marker gets a backslash more. */
function escaped(text: string): string {
  const lines = text.split("\n");
  return `${lines.map((line) => line.replace(markerLike, "<!-- \\$1block:")).join("\n")}\n`;
}

function unescaped(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/^<!-- \\(\\*)block:/, "<!-- $1block:")).join("\n");
}

/** The fence is longer than every row of backticks in it. */
function fenced(language: string, text: string): string {
  const rows = (text.match(/`+/g) ?? []).map((row) => row.length);
  const fence = "`".repeat(rows.reduce((most, length) => Math.max(most, length + 1), 3));
  return `${fence}${language}\n${escaped(text)}${fence}\n`;
}

type Section = { readonly head: string | undefined; readonly line: number; lines: string[] };

/** `firstLine` is where the body begins in its file. Blocks without an id are left without. */
export function blocksOfText(
  body: string,
  { path, firstLine, report }: { path: string; firstLine: number; report: Report },
): Block[] {
  const sections: Section[] = [{ head: undefined, line: firstLine, lines: [] }];
  const lines = body.split("\n");
  // Every block ends its last line; a file that does not is one that a person wrote.
  if (lines.at(-1) === "") lines.pop();
  for (const [index, line] of lines.entries()) {
    if (/^<!-- block:/.test(line)) {
      sections.push({ head: line, line: firstLine + index, lines: [] });
    } else sections.at(-1)?.lines.push(line);
  }
  return sections.flatMap((section): Block[] => {
    const { head, line, lines: own } = section;
    if (head === undefined) {
      if (own.every((one) => one.trim() === "")) return [];
      return [textBlock("", unescaped(own).trim())];
    }
    const at = (problem: string, offset = 0) => report(path, line + offset, problem);
    const [, kind = "", blockId = "", extra] = marker.exec(head) ?? [];
    const block = kind === "" ? undefined : blockOf(kind, blockId, extra, own, at);
    if (kind === "") at("a block begins as `<!-- block: <kind> <id> -->`, its id may be left out");
    return block ? [block] : [];
  });
}

type At = (problem: string, offset?: number) => void;

function blockOf(
  kind: string,
  blockId: string,
  extra: string | undefined,
  lines: readonly string[],
  at: At,
): Block | undefined {
  if (extra !== undefined && kind !== "callout" && kind !== "code") {
    at(`a ${kind} block takes nothing but an id: ${extra}`);
    return undefined;
  }
  if (kind === "text") return textBlock(blockId, unescaped(lines));
  if (kind === "callout") {
    const callout = calloutKinds[extra ?? ""];
    if (callout === undefined) at("a callout is a note, a tip or a warning");
    const value = { kind: callout ?? CalloutKind.NOTE, markdown: unescaped(lines) };
    return create(BlockSchema, { blockId, content: { case: "callout", value } });
  }
  if (kind !== "code" && !Object.hasOwn(structured, kind)) {
    at(`there are no ${kind} blocks: text, callout, code, video, file, embed and quiz`);
    return undefined;
  }
  const inside = insideFence(lines, at);
  if (inside === undefined) return undefined;
  if (kind === "code") {
    const language = extra === undefined ? inside.language : languageOf(extra, at);
    return create(BlockSchema, {
      blockId,
      content: { case: "code", value: { text: inside.text, language } },
    });
  }
  const value = readYaml(inside.text, (problem, line) => at(problem, line + 1));
  if (value === undefined) return undefined;
  try {
    return fromJson(BlockSchema, { blockId, [kind]: value as JsonValue });
  } catch (error) {
    at((error as Error).message);
    return undefined;
  }
}

function insideFence(lines: readonly string[], at: At) {
  // Empty lines behind the fence are a person's.
  const end = lines.findLastIndex((line) => line.trim() !== "");
  const [, fence, language = ""] = /^(`{3,})([^`]*)$/.exec(lines[0] ?? "") ?? [];
  if (fence === undefined || end < 1 || lines[end] !== fence) {
    at("stands between two lines of at least three backticks, the same number in both");
    return undefined;
  }
  return { language, text: unescaped(lines.slice(1, end)) };
}

function languageOf(extra: string, at: At): string {
  try {
    const language: unknown = JSON.parse(extra);
    if (typeof language === "string") return language;
  } catch {}
  at(`the language of code is written behind its fence, or as a text of JSON, not ${extra}`);
  return "";
}

function textBlock(blockId: string, markdown: string): Block {
  return create(BlockSchema, { blockId, content: { case: "richText", value: { markdown } } });
}
