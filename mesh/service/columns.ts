// How the fields of a message stand in the columns of a row: a number as a number, exactly; a time
// as a timestamptz; an enum as its number. A message within a message has no column.

import assert from "node:assert/strict";
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Value } from "../database/parameters.ts";
import type { Fields } from "./fields.ts";

/** In the order of the fields. Throws when one cannot be a column. */
export function columnsOf(schema: DescMessage): readonly string[] {
  for (const field of schema.fields) {
    const fits = field.fieldKind === "scalar" || field.fieldKind === "enum" || isTime(field);
    assert(fits, `${field} cannot be a column: it is neither a plain value nor a time`);
  }
  return schema.fields.map(({ name }) => name);
}

/** As the columns of `columnsOf`. What is absent is null; what was forgotten is a mistake. */
export function valuesOf<D extends DescMessage>(schema: D, fields: Fields<D>): Value[] {
  const given = fields as Readonly<Record<string, unknown>>;
  return schema.fields.map((field) => {
    const value = given[field.localName];
    if (value !== undefined) return isTime(field) ? timestampDate(value as Timestamp) : value;
    assert(hasPresence(field), `${field} is missing: nothing is kept by guessing`);
    return null;
  }) as Value[];
}

/** What `create` makes the message from. */
export function fieldsOf(schema: DescMessage, row: object): Record<string, unknown> {
  const columns = row as Readonly<Record<string, unknown>>;
  const known = schema.fields.map((field) => [
    field.localName,
    fieldValue(field, columns[field.name]),
  ]);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined));
}

/** `orderId` → `order_id` */
export function columnOf(localName: string): string {
  return localName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function fieldValue(field: DescField, value: unknown): unknown {
  assert(value !== undefined, `there is no column for ${field}`);
  if (value === null) return undefined;
  if (isTime(field)) return timestampFromDate(value as Date);
  return isLong(field) ? BigInt(value as bigint) : value;
}

function isTime(field: DescField): boolean {
  return field.fieldKind === "message" && field.message.typeName === "google.protobuf.Timestamp";
}

const longs: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
]);

function isLong(field: DescField): boolean {
  return field.fieldKind === "scalar" && longs.has(field.scalar);
}

/** Its absence says something. */
function hasPresence(field: DescField): boolean {
  return field.proto.proto3Optional || field.fieldKind === "message";
}
