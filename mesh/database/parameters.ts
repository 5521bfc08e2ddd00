// Values on their way into a statement. Postgres finds out each parameter's type from where it
// stands, so a value only has to be written the way that type is read.

import assert from "node:assert/strict";

/** What a statement may be given; an object is written as JSON, an array as an array. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | null
  | readonly Value[]
  | { readonly [name: string]: unknown };

/** Text, or bytes as they are, or null. */
export type Parameter = string | Buffer | null;

export function parameterOf(value: unknown): Parameter {
  if (value === null) return null;
  if (value instanceof Uint8Array) return bufferOf(value);
  return Array.isArray(value) ? arrayText(value) : textOf(value);
}

function textOf(value: unknown): string {
  assert(value !== undefined, "a parameter is undefined; null stands for a value that is absent");
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
    case "boolean":
      return String(value);
    case "object":
      return value instanceof Date ? value.toISOString() : JSON.stringify(value);
    default:
      assert.fail(`a parameter is a ${typeof value}`);
  }
}

function arrayText(values: readonly unknown[]): string {
  // Not map: it passes over the holes of an array.
  return `{${Array.from(values, elementText).join(",")}}`;
}

function elementText(value: unknown): string {
  if (value === null) return "NULL";
  if (Array.isArray(value)) return arrayText(value);
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  if (value instanceof Uint8Array) return `"\\\\x${bufferOf(value).toString("hex")}"`;
  return `"${textOf(value).replaceAll(/["\\]/g, "\\$&")}"`;
}

function bufferOf(value: Uint8Array): Buffer {
  if (Buffer.isBuffer(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
