// The id of an event, where its schema says what it is made of: the same fact has the same id,
// however often it is published, and two facts never share one.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { eventPolicy } from "./event-policy.ts";

/** Undefined: the schema leaves the id to its producer. Throws where a field of it is empty. */
export function eventIdOf<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
): string | undefined {
  const names = eventPolicy(schema).dedupeIdFields;
  if (names.length === 0) return undefined;
  const values = names.map((name) => {
    const field = schema.fields.find((candidate) => candidate.name === name);
    const value = field && (message as Record<string, unknown>)[field.localName];
    const text = value === undefined ? "" : String(value);
    assert(text !== "", `${schema.typeName} has no id: its ${name} is empty`);
    return text;
  });
  // A slash inside any value but the last would let two lists of values make the same id.
  const last = values.length - 1;
  const id = values
    .map((value, n) => encode(value, n === last ? foreign : foreignOrSlash))
    .join("/");
  return id.length <= idLengthMax ? id : `sha256/${hash("sha256", id, "hex")}`;
}

/** What a header carries and an index can hold. */
const idLengthMax = 512;

/** What is no printable ASCII, and the percent sign that stands before what was encoded. */
const foreign = /[^\x21-\x24\x26-\x7e]+/gu;
const foreignOrSlash = /[^\x21-\x24\x26-\x2e\x30-\x7e]+/gu;

function encode(text: string, pattern: RegExp): string {
  return text.toWellFormed().replaceAll(pattern, (part) => encodeURIComponent(part));
}
