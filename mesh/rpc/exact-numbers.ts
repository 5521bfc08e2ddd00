// Holds a JSON request against the schema before it is decoded. The decoder
// takes 9007199254740993, "0x10" and 1e2 for an int64 and 30 February for a date
// without a word; here such a value is refused by the name of its field, and so
// is a field given twice.

import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import type { FieldProblem } from "./errors.ts";
import type { Json } from "./json.ts";

export type JsonProblems = {
  readonly inexact: readonly FieldProblem[];
  readonly duplicate: readonly FieldProblem[];
  /** Times that the calendar does not have. */
  readonly impossible: readonly FieldProblem[];
};

export function checkJson(message: DescMessage, json: Json): JsonProblems {
  const problems: Found = { inexact: [], duplicate: [], impossible: [] };
  checkMessage(message, json, "", problems);
  return problems;
}

type Found = Readonly<Record<keyof JsonProblems, FieldProblem[]>>;

function checkMessage(message: DescMessage, json: Json, path: string, found: Found): void {
  const wrapped = wrappedScalars.get(message.typeName);
  if (wrapped !== undefined) checkScalar(wrapped, json, path, found);
  if (message.typeName === "google.protobuf.Timestamp") checkTime(json, path, found);
  // Durations and the like are texts; Struct and Value hold no 64-bit numbers.
  if (json.kind !== "object" || message.typeName.startsWith("google.protobuf.")) return;

  const fields = fieldsByJsonName(message);
  const seen = new Set<string>();
  for (const [name, value] of json.members) {
    const field = fields.get(name);
    // A field may be called by either of its two names, but only once.
    const fieldName = field?.name ?? name;
    const fieldPath = path ? `${path}.${fieldName}` : fieldName;
    if (seen.has(fieldName)) {
      found.duplicate.push({ field: fieldPath, problem: "appears more than once" });
    }
    seen.add(fieldName);
    if (field) checkField(field, value, fieldPath, found);
  }
}

/** The decoder rolls a day that its month does not have over into the next month. */
function checkTime(json: Json, path: string, found: Found): void {
  const date = json.kind === "string" && /^(\d{4})-(\d{2})-(\d{2})T/.exec(json.value);
  if (!date) return;
  const [year, month, day] = date.slice(1).map(Number);
  const rolled = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day));
  if (rolled.getUTCMonth() + 1 === month && rolled.getUTCDate() === day) return;
  found.impossible.push({ field: path, problem: `is no day of the calendar: ${date[0]}` });
}

function checkField(field: DescField, json: Json, path: string, found: Found): void {
  if (field.fieldKind === "scalar") checkScalar(field.scalar, json, path, found);
  else if (field.fieldKind === "message") checkMessage(field.message, json, path, found);
  else if (field.fieldKind === "map") checkMap(field, json, path, found);
  else if (field.fieldKind === "list" && json.kind === "array") {
    for (const [index, item] of json.items.entries()) {
      const itemPath = `${path}[${index}]`;
      if (field.listKind === "scalar") checkScalar(field.scalar, item, itemPath, found);
      if (field.listKind === "message") checkMessage(field.message, item, itemPath, found);
    }
  }
}

function checkMap(
  field: DescField & { fieldKind: "map" },
  json: Json,
  path: string,
  found: Found,
): void {
  if (json.kind !== "object") return;
  const isNumber = field.mapKey !== ScalarType.STRING && field.mapKey !== ScalarType.BOOL;
  const seen = new Set<string>();
  for (const [key, value] of json.members) {
    const keyPath = `${path}[${isNumber ? key.slice(0, 30) : JSON.stringify(key.slice(0, 100))}]`;
    checkScalar(field.mapKey, { kind: "string", value: key }, keyPath, found);
    if (seen.has(key)) found.duplicate.push({ field: keyPath, problem: "appears more than once" });
    seen.add(key);
    if (field.mapKind === "scalar") checkScalar(field.scalar, value, keyPath, found);
    if (field.mapKind === "message") checkMessage(field.message, value, keyPath, found);
  }
}

const wholeNumber = /^-?(0|[1-9][0-9]*)$/;
/** Longest whole number of 64 bits: -9223372036854775808. */
const digitsMax = 20;

function checkScalar(scalar: ScalarType, json: Json, path: string, found: Found): void {
  const range = ranges.get(scalar);
  if (range === undefined || (json.kind !== "number" && json.kind !== "string")) return;
  const text = json.kind === "number" ? json.text : json.value;
  const problem = inexactness(text, json.kind, range);
  if (problem !== undefined) found.inexact.push({ field: path, problem });
}

function inexactness(text: string, kind: "number" | "string", range: Range): string | undefined {
  if (!wholeNumber.test(text)) {
    return `must be a whole number in plain digits, got ${shortened(text)}`;
  }
  const value = text.length <= digitsMax ? BigInt(text) : undefined;
  if (value === undefined || value < range.min || value > range.max) {
    return `must be from ${range.min} to ${range.max}, got ${shortened(text)}`;
  }
  const isSafe = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
  if (kind === "number" && !isSafe) {
    return `must be written as a string beyond 2^53-1, got the number ${text}`;
  }
  return undefined;
}

function shortened(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

type Range = { readonly min: bigint; readonly max: bigint };
const signed: Range = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const unsigned: Range = { min: 0n, max: 2n ** 64n - 1n };

const ranges: ReadonlyMap<ScalarType, Range> = new Map([
  [ScalarType.INT64, signed],
  [ScalarType.SINT64, signed],
  [ScalarType.SFIXED64, signed],
  [ScalarType.UINT64, unsigned],
  [ScalarType.FIXED64, unsigned],
]);

/** Wrapper messages whose JSON is the bare number. */
const wrappedScalars: ReadonlyMap<string, ScalarType> = new Map([
  ["google.protobuf.Int64Value", ScalarType.INT64],
  ["google.protobuf.UInt64Value", ScalarType.UINT64],
]);

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
