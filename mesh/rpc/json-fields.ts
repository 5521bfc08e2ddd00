// Holds a JSON request against the schema before it is decoded, and names every field at fault by
// its path: one that is no number though it should be, one given twice, two members of a oneof, one
// that the message does not have. Some of it the decoder takes without a word.

import { type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf";
import type { FieldProblem } from "./errors.ts";
import { inexactness } from "./exact-numbers.ts";
import type { Json } from "./json.ts";
import {
  enumMisfit,
  expected,
  scalarMisfit,
  wellKnownMisfit,
  wrappedScalars,
} from "./json-scalars.ts";

export type JsonProblems = {
  /** 64-bit numbers that would not be decoded to what is written. */
  readonly inexact: readonly FieldProblem[];
  readonly duplicate: readonly FieldProblem[];
  /** JSON that does not fit its field. */
  readonly malformed: readonly FieldProblem[];
  /** Fields that their message does not have, and names that their enum does not have. */
  readonly unknown: readonly FieldProblem[];
};

export function checkJson(message: DescMessage, json: Json): JsonProblems {
  const found: Found = { inexact: [], duplicate: [], malformed: [], unknown: [] };
  checkMessage(message, json, "", found);
  return found;
}

type Found = Readonly<Record<keyof JsonProblems, FieldProblem[]>>;

function checkMessage(message: DescMessage, json: Json, path: string, found: Found): void {
  const wrapped = wrappedScalars.get(message.typeName);
  if (wrapped !== undefined) {
    if (json.kind !== "null") checkScalar(wrapped, json, path, found);
    return;
  }
  // Durations and the like are texts; Struct and Value hold no 64-bit numbers.
  if (message.typeName.startsWith("google.protobuf.")) {
    note(found.malformed, path, wellKnownMisfit(message, json));
    return;
  }
  if (json.kind !== "object") {
    note(found.malformed, path, expected("an object", json));
    return;
  }
  const fields = fieldsByJsonName(message);
  const seen = new Set<string>();
  const chosen = new Map<DescOneof, string>();
  for (const [name, value] of json.members) {
    const field = fields.get(name);
    // A field may be called by either of its two names, but only once.
    const fieldName = field?.name ?? name.slice(0, nameLengthMax);
    const fieldPath = path ? `${path}.${fieldName}` : fieldName;
    if (seen.has(field?.name ?? name)) note(found.duplicate, fieldPath, "appears more than once");
    seen.add(field?.name ?? name);
    if (field === undefined) {
      note(found.unknown, fieldPath, `is no field of ${message.typeName}`);
      continue;
    }
    checkOneof(field, value, fieldPath, chosen, found);
    const isOne = field.fieldKind === "message" || field.fieldKind === "enum";
    if (value.kind !== "null" || (isOne && isNullValue(field)))
      checkField(field, value, fieldPath, found);
  }
}

const nameLengthMax = 100;
const numberLengthMax = 30;

function note(problems: FieldProblem[], field: string, problem: string | undefined): void {
  if (problem !== undefined) problems.push({ field, problem });
}

function checkOneof(
  field: DescField,
  value: Json,
  path: string,
  chosen: Map<DescOneof, string>,
  found: Found,
): void {
  if (field.oneof === undefined || (value.kind === "null" && field.fieldKind === "scalar")) return;
  const other = chosen.get(field.oneof);
  chosen.set(field.oneof, field.name);
  if (other === undefined || other === field.name) return;
  note(found.malformed, path, `excludes ${other}: only one of ${field.oneof.name} may be set`);
}

/** Where null is a value, and not the absence of one. */
function isNullValue(field: DescField): boolean {
  return (
    field.message?.typeName === "google.protobuf.Value" ||
    field.enum?.typeName === "google.protobuf.NullValue"
  );
}

function checkField(field: DescField, json: Json, path: string, found: Found): void {
  if (field.fieldKind === "list") checkList(field, json, path, found);
  else if (field.fieldKind === "map") checkMap(field, json, path, found);
  else checkOne(field, json, path, found);
}

/** A value by itself, an item of a list, or a value of a map. */
function checkOne(field: DescField, json: Json, path: string, found: Found): void {
  if (field.message) checkMessage(field.message, json, path, found);
  else if (field.enum) {
    if (json.kind === "null") return;
    const misfit = enumMisfit(field.enum, json);
    if (misfit) note(found[misfit.kind], path, misfit.problem);
  } else if (field.scalar !== undefined) checkScalar(field.scalar, json, path, found);
}

function checkList(field: DescField, json: Json, path: string, found: Found): void {
  if (json.kind !== "array") {
    note(found.malformed, path, expected("an array", json));
    return;
  }
  for (const [index, item] of json.items.entries()) {
    checkPart(field, item, `${path}[${index}]`, found);
  }
}

/** Null stands for no item and no value. */
function checkPart(field: DescField, json: Json, path: string, found: Found): void {
  if (json.kind !== "null" || isNullValue(field)) checkOne(field, json, path, found);
  else note(found.malformed, path, "must not be null");
}

function checkMap(
  field: DescField & { fieldKind: "map" },
  json: Json,
  path: string,
  found: Found,
): void {
  if (json.kind !== "object") {
    note(found.malformed, path, expected("an object", json));
    return;
  }
  const isText = field.mapKey === ScalarType.STRING || field.mapKey === ScalarType.BOOL;
  const seen = new Set<string>();
  for (const [key, value] of json.members) {
    const shown = key.slice(0, isText ? nameLengthMax : numberLengthMax);
    const keyPath = `${path}[${isText ? JSON.stringify(shown) : shown}]`;
    checkKey(field.mapKey, key, keyPath, found);
    if (seen.has(key)) note(found.duplicate, keyPath, "appears more than once");
    seen.add(key);
    checkPart(field, value, keyPath, found);
  }
}

function checkKey(mapKey: ScalarType, key: string, path: string, found: Found): void {
  if (mapKey !== ScalarType.BOOL) checkScalar(mapKey, { kind: "string", value: key }, path, found);
  else if (key !== "true" && key !== "false") note(found.malformed, path, "must be true or false");
}

function checkScalar(scalar: ScalarType, json: Json, path: string, found: Found): void {
  const misfit = scalarMisfit(scalar, json);
  note(found.malformed, path, misfit);
  if (misfit !== undefined || (json.kind !== "number" && json.kind !== "string")) return;
  const text = json.kind === "number" ? json.text : json.value;
  note(found.inexact, path, inexactness(scalar, text, json.kind));
}

const fieldNames = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

function fieldsByJsonName(message: DescMessage): ReadonlyMap<string, DescField> {
  let names = fieldNames.get(message);
  if (names === undefined) {
    names = new Map(
      message.fields.flatMap((field): [string, DescField][] => [
        [field.name, field],
        [field.jsonName, field],
      ]),
    );
    fieldNames.set(message, names);
  }
  return names;
}
