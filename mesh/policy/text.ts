// What counts as text: Unicode without halves of characters, which protobuf cannot carry, and
// without U+0000, which Postgres cannot hold. No rule of the schema says so, hence every string of
// every message is looked at.

import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { maskOf } from "./field-policy.ts";

export const textProblem = "must be Unicode text without the character U+0000";

export function isText(value: string): boolean {
  return value.isWellFormed() && !value.includes("\0");
}

/** Paths, in proto names, of the fields that hold a string which is no text. */
export function findNoText(schema: DescMessage, message: Message): string[] {
  const found: string[] = [];
  lookInto(schema, message, "", found);
  return found;
}

function lookInto(schema: DescMessage, message: Message, prefix: string, found: string[]): void {
  for (const field of fieldsWithText(schema)) {
    const value = contentOf(field, message);
    if (value === undefined || value === null) continue;
    const path = prefix + field.name;
    if (field.fieldKind === "list") {
      for (const [n, item] of (value as unknown[]).entries()) {
        lookAt(field.message, item, `${path}[${n}]`, found);
      }
    } else if (field.fieldKind === "map") {
      for (const [key, item] of Object.entries(value)) {
        const itemPath = `${path}[${shownKey(field, key)}]`;
        if (!isText(key)) found.push(itemPath);
        lookAt(field.message, item, itemPath, found);
      }
    } else lookAt(field.message, value, path, found);
  }
}

function lookAt(
  schema: DescMessage | undefined,
  value: unknown,
  path: string,
  found: string[],
): void {
  if (typeof value === "string") {
    if (!isText(value)) found.push(path);
  } else if (schema !== undefined && isMessage(value)) {
    lookInto(schema, value, `${path}.`, found);
  }
}

/** A key may be what the schema hides, or fill the error. */
export function shownKey(map: DescField, key: unknown): string {
  const mask = maskOf(map);
  if (mask !== undefined) return JSON.stringify(mask);
  const isText = map.fieldKind === "map" && map.mapKey === ScalarType.STRING;
  return isText ? JSON.stringify(String(key).slice(0, keyLengthMax)) : String(key);
}

const keyLengthMax = 64;

/** False for what stands as itself in TypeScript, such as a wrapped number. */
function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "$typeName" in value;
}

function contentOf(field: DescField, message: Message): unknown {
  const values = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) return values[field.localName];
  const chosen = values[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

const known = new WeakMap<DescMessage, readonly DescField[]>();

function fieldsWithText(schema: DescMessage): readonly DescField[] {
  let fields = known.get(schema);
  if (fields === undefined) {
    fields = schema.fields.filter(mayHoldText);
    known.set(schema, fields);
  }
  return fields;
}

function mayHoldText(field: DescField): boolean {
  if (field.message !== undefined) return true;
  if (field.fieldKind === "map" && field.mapKey === ScalarType.STRING) return true;
  return field.scalar === ScalarType.STRING;
}
