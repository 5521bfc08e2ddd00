// What JSON may stand for a scalar, an enum, or a message that has a JSON form of its own. The
// decoder knows it too, but says where it stumbled without the way there.

import { type DescEnum, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import type { Json } from "./json.ts";

/** What is wrong; undefined for JSON that fits. Null is for the caller to judge. */
export function scalarMisfit(scalar: ScalarType, json: Json): string | undefined {
  switch (scalar) {
    case ScalarType.STRING:
      return json.kind === "string" ? undefined : expected("a string", json);
    case ScalarType.BOOL:
      return json.kind === "boolean" ? undefined : expected("true or false", json);
    case ScalarType.BYTES:
      return bytesMisfit(json);
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return decimalMisfit(json, scalar === ScalarType.FLOAT ? floatMax : Number.MAX_VALUE);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return wholeMisfit(json, 0, 2 ** 32 - 1);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return wholeMisfit(json, -(2 ** 31), 2 ** 31 - 1);
    default:
      return isNumeric(json) ? undefined : expected("a number", json);
  }
}

const floatMax = 3.4028234663852886e38;

function isNumeric(json: Json): json is Json & { kind: "number" | "string" } {
  return json.kind === "number" || json.kind === "string";
}

/** Not a number where it is none. */
function numberIn(json: Json): number {
  if (json.kind === "number") return Number(json.text);
  if (json.kind !== "string" || json.value === "" || json.value !== json.value.trim()) {
    return Number.NaN;
  }
  return Number(json.value);
}

function wholeMisfit(json: Json, min: number, max: number): string | undefined {
  if (!isNumeric(json)) return expected("a number", json);
  const value = numberIn(json);
  const fits = Number.isInteger(value) && value >= min && value <= max;
  return fits ? undefined : `must be a whole number from ${min} to ${max}`;
}

function decimalMisfit(json: Json, max: number): string | undefined {
  if (!isNumeric(json)) return expected("a number", json);
  if (json.kind === "string" && notFinite.has(json.value)) return undefined;
  return Math.abs(numberIn(json)) <= max ? undefined : "must be a finite number";
}

const notFinite: ReadonlySet<string> = new Set(["NaN", "Infinity", "-Infinity"]);

function bytesMisfit(json: Json): string | undefined {
  if (json.kind !== "string") return expected("a string", json);
  try {
    base64Decode(json.value);
    return undefined;
  } catch {
    return "must be base64";
  }
}

export type EnumMisfit = { readonly kind: "unknown" | "malformed"; readonly problem: string };

export function enumMisfit(desc: DescEnum, json: Json): EnumMisfit | undefined {
  if (json.kind === "string") {
    const isKnown = desc.values.some(({ name, jsonName }) => [name, jsonName].includes(json.value));
    if (isKnown) return undefined;
    return { kind: "unknown", problem: `is no value of ${desc.typeName}` };
  }
  if (json.kind !== "number") {
    return { kind: "malformed", problem: expected("the name of a value", json) };
  }
  const number = Number(json.text);
  const isOpen = desc.open && Number.isInteger(number) && Math.abs(number) < 2 ** 31;
  if (isOpen || desc.values.some((value) => value.number === number)) return undefined;
  return { kind: "malformed", problem: `is no value of ${desc.typeName}` };
}

/** Messages of `google.protobuf` whose JSON is no object with their fields. */
export function wellKnownMisfit({ typeName }: DescMessage, json: Json): string | undefined {
  switch (typeName) {
    case "google.protobuf.Timestamp":
      return timeMisfit(json);
    case "google.protobuf.Duration":
      return textMisfit(json, /^-?\d{1,12}(\.\d{1,9})?s$/, "a duration such as 1.5s");
    case "google.protobuf.FieldMask":
      return textMisfit(json, /^[^_]*$/, "a list of fields such as title,priceMinor");
    case "google.protobuf.Value":
      return undefined;
    case "google.protobuf.ListValue":
      return json.kind === "array" ? undefined : expected("an array", json);
    default:
      return json.kind === "object" ? undefined : expected("an object", json);
  }
}

function textMisfit(json: Json, pattern: RegExp, what: string): string | undefined {
  if (json.kind !== "string") return expected(what, json);
  return pattern.test(json.value) ? undefined : `must be ${what}`;
}

const time = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):\d{2}:\d{2}(?:\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** The decoder rolls a day that its month does not have over into the next month. */
function timeMisfit(json: Json): string | undefined {
  if (json.kind !== "string") return expected("a time", json);
  const [, year = "", month = "", day = "", hour = ""] = time.exec(json.value) ?? [];
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const isTime = hour !== "" && !Number.isNaN(Date.parse(json.value));
  if (
    year !== "" &&
    (date.getUTCMonth() + 1 !== Number(month) || date.getUTCDate() !== Number(day))
  ) {
    return `is no day of the calendar: ${year}-${month}-${day}`;
  }
  if (isTime && Number(hour) < 24 && Number(year) > 0) return undefined;
  return "must be a time such as 2026-01-31T12:00:00Z";
}

const kindNames: Readonly<Record<Json["kind"], string>> = {
  object: "an object",
  array: "an array",
  string: "a string",
  number: "a number",
  boolean: "true or false",
  null: "null",
};

export function expected(what: string, { kind }: Json): string {
  return `must be ${what}, got ${kindNames[kind]}`;
}

/** Wrapper messages whose JSON is the bare scalar. */
export const wrappedScalars: ReadonlyMap<string, ScalarType> = new Map([
  ["google.protobuf.DoubleValue", ScalarType.DOUBLE],
  ["google.protobuf.FloatValue", ScalarType.FLOAT],
  ["google.protobuf.Int64Value", ScalarType.INT64],
  ["google.protobuf.UInt64Value", ScalarType.UINT64],
  ["google.protobuf.Int32Value", ScalarType.INT32],
  ["google.protobuf.UInt32Value", ScalarType.UINT32],
  ["google.protobuf.BoolValue", ScalarType.BOOL],
  ["google.protobuf.StringValue", ScalarType.STRING],
  ["google.protobuf.BytesValue", ScalarType.BYTES],
]);
