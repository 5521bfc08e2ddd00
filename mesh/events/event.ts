// Events on the wire: the message alone in the body, everything about it in the headers
// (CloudEvents, binary mode; docs/events.md). What is invalid is not published, nor is what the
// policy does not let the publisher say.

import assert from "node:assert/strict";
import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { isProducer } from "../policy/check.ts";
import { eventIdOf } from "../policy/event-id.ts";
import { eventPolicy } from "../policy/policy.ts";
import { remembered } from "../policy/problem.ts";
import { describeProblems, validate } from "../policy/validation.ts";
import { currentTraceparent } from "../telemetry/trace.ts";
import type { Headers, RawMessage } from "./raw-message.ts";
import { dataSchemaOf } from "./schema-digest.ts";

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
  /**
   * Consumers count one message an id; the same fact always has the same id. Left out where the
   * policy names `dedupe_id_fields`: the id is made of those.
   */
  readonly messageId?: string | undefined;
  /**
   * The broker stores one message of these. Names the id and the bytes where another message under
   * the same id must reach its consumers, who can tell a repetition from a conflict.
   */
  readonly dedupeId?: string;
  /** Identity that publishes, for example `ledger-service`. */
  readonly source: string;
  readonly time: Date;
  /** Of what caused the event; left out, of the span that runs now. */
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
  assert(problems.length === 0, `${schema.typeName} is invalid: ${describeProblems(problems)}`);

  const messageId = idOf(schema, message, options.messageId);
  const key = keyOf(schema, message, eventPolicy(schema).keyField);
  return wrapEvent(schema, toBinary(schema, message), { ...options, messageId, key });
}

function idOf<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
  given: string | undefined,
): string {
  const derived = eventIdOf(schema, message);
  assert(
    given === undefined || derived === undefined || given === derived,
    `the id of ${schema.typeName} is made of its dedupe_id_fields: ${derived}, not ${given}`,
  );
  const id = derived ?? given;
  assert(id !== undefined, `${schema.typeName} names no dedupe_id_fields: give it a messageId`);
  return id;
}

/** An event whose bytes exist already, exactly as they shall be published. */
export function wrapEvent(
  schema: DescMessage,
  data: Uint8Array,
  options: EncodeOptions & { readonly messageId: string; readonly key: string },
): EncodedEvent {
  const { messageId, dedupeId, source, time, key } = options;
  const { traceparent = currentTraceparent() } = options;
  assert(
    isProducer(schema, source),
    `${source} is none of the producers that the policy of ${schema.typeName} lists`,
  );
  for (const id of [messageId, dedupeId ?? messageId]) {
    assert(isToken(id), `message id ${JSON.stringify(id)} is not a header value`);
  }
  const { stream, constant } = sameForAll(schema);
  const about = percentEncode(key);
  return {
    subject: schema.typeName,
    stream,
    messageId,
    ...(dedupeId !== undefined && { dedupeId }),
    data,
    headers: [
      ...constant,
      ["ce-id", messageId],
      ["ce-source", source],
      ["ce-subject", about],
      ["ce-partitionkey", about],
      ["ce-time", time.toISOString()],
      ...(traceparent === undefined ? [] : [["traceparent", traceparent] as const]),
    ],
  };
}

const sameForAll = remembered((schema: DescMessage) => {
  const constant: Headers = [
    ["ce-specversion", "1.0"],
    ["ce-type", schema.typeName],
    ["ce-dataschema", dataSchemaOf(schema)],
    ["content-type", "application/protobuf"],
  ];
  return { stream: eventPolicy(schema).stream, constant };
});

/** An event that was decoded and is valid. */
export type Received<D extends DescMessage> = RawMessage & {
  readonly message: MessageShape<D>;
  /** What it causes is encoded with this, and stands in the same trace. */
  readonly traceparent: string | undefined;
};

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
