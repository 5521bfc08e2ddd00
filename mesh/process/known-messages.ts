// The message types that a process deals with, as its server and consumers announce them: a message
// that is logged is shown by what its schema says of its fields, and a field of a log line that has
// the name of a personal one is masked like it.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import { maskOf } from "../policy/field-policy.ts";
import { redact } from "../policy/redact.ts";

const schemas = new Map<string, DescMessage>();
const masks = new Map<string, string>();

/** With every type that they contain. */
export function knowMessages(messages: Iterable<DescMessage>): void {
  for (const schema of messages) {
    if (schemas.has(schema.typeName)) continue;
    schemas.set(schema.typeName, schema);
    for (const field of schema.fields) {
      const mask = maskOf(field);
      if (mask !== undefined)
        for (const name of [field.name, field.localName]) masks.set(name, mask);
    }
    knowMessages(schema.fields.flatMap(({ message }) => message ?? []));
  }
}

/** What stands for the value of a log line's field; undefined where it may be seen. */
export function maskOfName(name: string): string | undefined {
  return masks.get(name);
}

/** Undefined for what is no message. Of a type that nobody announced only the name is shown. */
export function shownMessage(value: object): unknown {
  const { $typeName } = value as { readonly $typeName?: unknown };
  if (typeof $typeName !== "string") return undefined;
  const schema = schemas.get($typeName);
  return schema ? redact(schema, value as Message) : `[${$typeName}]`;
}
