// Events on the wire: the message alone in the body, everything about it in the headers
// (CloudEvents, binary mode). What is invalid is neither published nor handled.

import assert from "node:assert/strict";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { eventPolicy } from "../policy/policy.ts";
import { type Problem, validate } from "../policy/validation.ts";
import type { Headers, RawMessage } from "./raw-message.ts";

/** An event as it goes to the broker or into the outbox. */
export type EncodedEvent = {
  readonly subject: string;
  readonly stream: string;
  readonly messageId: string;
  /** Absent: the broker tells repetitions by the message id. */
  readonly dedupeId?: string;
  readonly data: Uint8Array;
  readonly headers: Headers;
};

export type EncodeOptions = {
  /** Consumers count one message an id; the same fact always has the same id. */
  readonly messageId: string;
  /**
   * The broker stores one message of these. Names the id and the bytes where another message under
   * the same id must reach its consumers, who can tell a repetition from a conflict.
   */
  readonly dedupeId?: string;
  /** Identity that publishes, for example `ledger-service`. */
  readonly source: string;
  readonly time: Date;
  readonly traceparent?: string | undefined;
};

/** The subject of an event is its message's full name: one name in proto, code and broker. */
export function encodeEvent<D extends DescMessage>(
  schema: D,
  event: MessageInitShape<D>,
  options: EncodeOptions,
): EncodedEvent {
  const message = create(schema, event);
  const problems = validate(schema, message);
  assert(problems.length === 0, `${schema.typeName} is invalid: ${describe(problems)}`);

  const key = keyOf(schema, message, eventPolicy(schema).keyField);
  return wrapEvent(schema, toBinary(schema, message), { ...options, key });
}

/** An event whose bytes exist already, exactly as they shall be published. */
export function wrapEvent(
  schema: DescMessage,
  data: Uint8Array,
  options: EncodeOptions & { readonly key: string },
): EncodedEvent {
  const { messageId, dedupeId, source, time, traceparent, key } = options;
  for (const id of [messageId, dedupeId ?? messageId]) {
    assert(isToken(id), `message id ${JSON.stringify(id)} is not a header value`);
  }
  return {
    subject: schema.typeName,
    stream: eventPolicy(schema).stream,
    messageId,
    ...(dedupeId !== undefined && { dedupeId }),
    data,
    headers: [
      ["ce-specversion", "1.0"],
      ["ce-id", messageId],
      ["ce-source", source],
      ["ce-type", schema.typeName],
      ["ce-subject", percentEncode(key)],
      ["ce-time", time.toISOString()],
      ["content-type", "application/protobuf"],
      ...(traceparent === undefined ? [] : [["traceparent", traceparent] as const]),
    ],
  };
}

/** An event that was decoded and is valid. */
export type Received<D extends DescMessage> = RawMessage & {
  readonly message: MessageShape<D>;
};

export type Decoded<D extends DescMessage> =
  | { readonly kind: "event"; readonly event: Received<D> }
  | { readonly kind: "dead"; readonly reason: DeadLetterReason; readonly detail: string };

/** Decodes a message once, however often it is asked. */
export function createDecoder<D extends DescMessage>(
  events: readonly D[],
): (raw: RawMessage) => Decoded<D> {
  const schemas = new Map(events.map((schema) => [schema.typeName, schema]));
  const known = new WeakMap<RawMessage, Decoded<D>>();
  return (raw) => {
    const decoded = known.get(raw) ?? decode(raw);
    known.set(raw, decoded);
    return decoded;
  };

  function decode(raw: RawMessage): Decoded<D> {
    const schema = schemas.get(raw.subject);
    if (schema === undefined) {
      return dead(DeadLetterReason.UNKNOWN_EVENT, `no event is called ${raw.subject}`);
    }
    let message: MessageShape<D>;
    try {
      message = fromBinary(schema, raw.data);
    } catch (error) {
      return dead(DeadLetterReason.UNDECODABLE, (error as Error).message);
    }
    const problems = validate(schema, message);
    if (problems.length > 0) return dead(DeadLetterReason.INVALID, describe(problems));
    return { kind: "event", event: { ...raw, message } };
  }
}

function dead(reason: DeadLetterReason, detail: string) {
  return { kind: "dead", reason, detail } as const;
}

function describe(problems: readonly Problem[]): string {
  return problems.map(({ field, problem }) => `${field || "message"}: ${problem}`).join("; ");
}

function keyOf<D extends DescMessage>(schema: D, message: MessageShape<D>, keyField: string) {
  const field = schema.fields.find(({ name }) => name === keyField);
  assert(field, `${schema.typeName} has no field ${keyField}`);
  return String((message as Record<string, unknown>)[field.localName]);
}

/** What a header carries unchanged and an index can hold. */
function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,512}$/.test(text);
}

/** As the HTTP binding of CloudEvents does: printable ASCII but `"` and `%` stays as it is. */
function percentEncode(text: string): string {
  return text.toWellFormed().replaceAll(/[^\x21\x23\x24\x26-\x7e]+/gu, encodeURIComponent);
}
