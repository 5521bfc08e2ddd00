// The streams, as the schema declares them. Whoever needs one makes sure of it; its configuration
// follows the StreamPolicy of its package.

import type { DescMessage } from "@bufbuild/protobuf";
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { streamPolicy } from "../policy/policy.ts";
import type { Broker } from "./broker.ts";
import { isForbidden } from "./broker-refusals.ts";

/** What the schema says of a stream: the StreamPolicy of the package whose events it keeps. */
export type Stream = {
  readonly name: string;
  readonly subject: string;
  readonly ageMsMax: number;
  readonly messageBytesMax: number;
  /** How long the broker itself recognises a repeated id. A help, never the guarantee. */
  readonly duplicateWindowMs: number;
};

export type Streams = ReadonlyMap<string, Stream>;

/** The streams that keep these events, as their packages declare them. */
export function streamsOf(events: readonly DescMessage[]): Streams {
  const streams = new Map<string, Stream>();
  for (const event of events) {
    const { name, retentionDays, messageBytesMax, duplicateWindowSeconds } = streamPolicy(event);
    const subject = `${event.file.proto.package}.>`;
    const other = streams.get(name)?.subject ?? subject;
    if (other !== subject) {
      throw new Error(`${other} and ${subject} both declare the stream ${name}: rename one`);
    }
    streams.set(name, {
      name,
      subject,
      ageMsMax: retentionDays * dayMs,
      messageBytesMax,
      duplicateWindowMs: duplicateWindowSeconds * 1_000,
    });
  }
  return streams;
}

const dayMs = 24 * 60 * 60 * 1_000;

/** Makes the stream, or brings the one that is there in line, and never shrinks it. Safe to repeat and to race. */
export async function ensureStream(broker: Broker, name: string): Promise<void> {
  const stream = broker.streams.get(name);
  if (stream === undefined) {
    const known = [...broker.streams.keys()].join(", ") || "none";
    throw new Error(
      `stream ${name} is not known here (known: ${known}): ` +
        "give openBroker the events that are published to it or consumed from it",
    );
  }
  const wanted = streamConfig(stream, broker.streamBytesMax);
  const manager = await broker.jsm();
  const found = await manager.streams.info(name).catch((error: unknown) => {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return undefined;
    throw error;
  });
  if (found === undefined) {
    await manager.streams.add({ ...wanted, ...unchangeable }).catch((error: unknown) => {
      // Another process made it in between, perhaps of another release: the next start aligns it.
      if (!isApiError(error, streamNameInUse)) throw error;
    });
    return;
  }
  const changed = { ...wanted, ...atLeast(found.config, wanted) };
  if (!differs(found.config, changed)) return;
  await manager.streams.update(name, { ...found.config, ...changed }).catch((error: unknown) => {
    // Where only an operator may change streams, it is there all the same.
    if (!isForbidden(error)) throw error;
  });
}

const streamNameInUse = 10_058;

export function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}

/** What the operator has given a stream more of stays: less would refuse or forget events. */
function atLeast(found: StreamConfig, wanted: ReturnType<typeof streamConfig>) {
  return {
    max_bytes: found.max_bytes > 0 ? Math.max(found.max_bytes, wanted.max_bytes) : -1,
    max_msg_size: found.max_msg_size > 0 ? Math.max(found.max_msg_size, wanted.max_msg_size) : -1,
    max_age: found.max_age > 0 ? Math.max(found.max_age, wanted.max_age) : 0,
  };
}

function streamConfig(stream: Stream, bytesMax: number) {
  const { name, subject, ageMsMax, messageBytesMax, duplicateWindowMs } = stream;
  return {
    name,
    subjects: [subject],
    // A full stream refuses new messages; old ones are not given up for them.
    discard: DiscardPolicy.New,
    max_bytes: bytesMax,
    max_age: nanos(ageMsMax),
    max_msg_size: messageBytesMax,
    duplicate_window: nanos(duplicateWindowMs),
    // Many events, one sync: see publish-group.ts.
    allow_atomic: true,
  } satisfies Partial<StreamConfig>;
}

/** Chosen when the stream is made. How many replicas it has is the operator's choice afterwards. */
const unchangeable = {
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  num_replicas: 1,
  deny_delete: true,
  deny_purge: true,
} satisfies Partial<StreamConfig>;

function differs(found: StreamConfig, wanted: ReturnType<typeof streamConfig>): boolean {
  return Object.entries(wanted).some(([field, value]) => {
    return JSON.stringify(found[field as keyof StreamConfig]) !== JSON.stringify(value);
  });
}
