// From bytes to an event, by what this release knows. What it does not know yet, or cannot read
// because the message was written with a newer schema, waits for the release that can.

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { eventPolicy } from "../policy/policy.ts";
import { describeProblems, validate } from "../policy/validation.ts";
import { readTraceparent } from "../telemetry/trace-context.ts";
import type { Received } from "./event.ts";
import { headerOf, type RawMessage, unreadableHeaders } from "./raw-message.ts";
import { dataSchemaOf, schemaVersionIn } from "./schema-digest.ts";
import { schemaKey } from "./schema-key.ts";

export type Decoded<D extends DescMessage> =
  | { readonly kind: "event"; readonly event: Received<D> }
  | { readonly kind: "parked"; readonly waitsFor: string }
  | { readonly kind: "dead"; readonly reason: DeadLetterReason; readonly detail: string };

/** Decodes a message once, however often it is asked. */
export function createDecoder<D extends DescMessage>(
  events: readonly D[],
): (raw: RawMessage) => Decoded<D> {
  const schemas = new Map(events.map((schema) => [schema.typeName, schema]));
  const known = new WeakMap<RawMessage, Decoded<D>>();
  return (raw) => {
    let decoded = known.get(raw);
    if (decoded === undefined) {
      decoded = decode(schemas.get(raw.subject), raw);
      known.set(raw, decoded);
    }
    return decoded;
  };
}

function decode<D extends DescMessage>(schema: D | undefined, raw: RawMessage): Decoded<D> {
  const [first] = raw.headers;
  // Its id stands in them: nobody can tell whether it was handled before.
  if (first?.[0] === unreadableHeaders) {
    return dead(DeadLetterReason.UNDECODABLE, `its headers cannot be read: ${first[1]}`);
  }
  if (schema === undefined) {
    if (isEventName(raw.subject)) return { kind: "parked", waitsFor: schemaKey(raw.subject) };
    return dead(DeadLetterReason.UNKNOWN_EVENT, "the subject is no name that an event can have");
  }
  let message: MessageShape<D>;
  try {
    message = fromBinary(schema, raw.data);
  } catch (error) {
    return unreadable(schema, raw, DeadLetterReason.UNDECODABLE, (error as Error).message);
  }
  const problems = validate(schema, message);
  if (problems.length > 0) {
    return unreadable(schema, raw, DeadLetterReason.INVALID, describeProblems(problems));
  }
  return { kind: "event", event: { ...raw, message, traceparent: traceparentOf(raw) } };
}

/** It is kept, and published with what the event causes, so nothing else may pass for it. */
function traceparentOf(raw: RawMessage): string | undefined {
  const traceparent = headerOf(raw, "traceparent");
  return readTraceparent(traceparent) && traceparent;
}

/** What breaks our rules may keep those of the newer schema it was written with. */
function unreadable(
  schema: DescMessage,
  raw: RawMessage,
  reason: DeadLetterReason,
  detail: string,
) {
  const version = newerVersionOf(schema, raw);
  if (version === undefined) return dead(reason, detail + schemaNote(schema, raw));
  return { kind: "parked", waitsFor: schemaKey(raw.subject, version) } as const;
}

/** The version of the schema that the message was written with, where it is newer than ours. */
export function newerVersionOf(schema: DescMessage, raw: RawMessage): number | undefined {
  const version = schemaVersionIn(headerOf(raw, "ce-dataschema"), schema.typeName);
  return version !== undefined && version > eventPolicy(schema).version ? version : undefined;
}

/** One version with two digests: somebody has changed a schema without counting it up. */
function schemaNote(schema: DescMessage, raw: RawMessage): string {
  const writtenWith = headerOf(raw, "ce-dataschema");
  const ours = dataSchemaOf(schema);
  if (writtenWith === undefined || writtenWith === ours) return "";
  return ` (written with ${writtenWith.slice(0, 300)}, read with ${ours})`;
}

function dead(reason: DeadLetterReason, detail: string) {
  return { kind: "dead", reason, detail } as const;
}

/** As long as an index can hold, with room for the words around it. */
function isEventName(subject: string): boolean {
  return /^[a-z][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$/.test(subject) && subject.length <= 255;
}
