// The YAML of a course's files: texts in double quotes, so that each is exactly what it was, and
// read without tags of our own and with few aliases, so that a small file stays small.

import type { JsonValue } from "@bufbuild/protobuf";
import { LineCounter, parseDocument, stringify } from "yaml";

const aliasCountMax = 20;

export function yamlOf(value: JsonValue): string {
  return stringify(value, {
    lineWidth: 0,
    defaultStringType: "QUOTE_DOUBLE",
    defaultKeyType: "PLAIN",
    doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER,
    aliasDuplicateObjects: false,
  }).replace(/\n$/, "");
}

/** Lines count from 1. Undefined when it is not YAML. */
export function readYaml(
  text: string,
  report: (problem: string, line: number) => void,
): unknown | undefined {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, schema: "core" });
  for (const { message, pos } of document.errors) {
    report(message, lineCounter.linePos(pos[0]).line);
  }
  if (document.errors.length > 0) return undefined;
  try {
    return document.toJS({ maxAliasCount: aliasCountMax }) ?? {};
  } catch (error) {
    report((error as Error).message, 1);
    return undefined;
  }
}
