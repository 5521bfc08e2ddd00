// The streams, declared. Whoever needs one makes sure of it; its configuration follows this file.

import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Broker } from "./broker.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const KiB = 1024;

type Limits = {
  readonly domain: string;
  readonly ageMsMax: number;
  readonly messageBytesMax: number;
  /** How long the broker itself recognises a repeated id. A help, never the guarantee. */
  readonly duplicateWindowMs: number;
};

const streams = {
  // Between a provider's ack and the ledger the only copy, so it is kept longest; a message holds a
  // whole webhook.
  WEBHOOKS: {
    domain: "webhook",
    ageMsMax: 90 * dayMs,
    messageBytesMax: 2 * KiB * KiB,
    duplicateWindowMs: 60 * minuteMs,
  },
  PAYMENTS: standard("payments"),
  // No fact may be too large for it: a transaction of every limit is some 300 KiB.
  LEDGER: { ...standard("ledger"), messageBytesMax: KiB * KiB },
  CMS: standard("cms"),
} as const satisfies Record<string, Limits>;

export type StreamName = keyof typeof streams;
export const streamNames = Object.keys(streams) as StreamName[];

function standard(domain: string): Limits {
  return {
    domain,
    ageMsMax: 30 * dayMs,
    messageBytesMax: 256 * KiB,
    duplicateWindowMs: 20 * minuteMs,
  };
}

export function isStreamName(name: string): name is StreamName {
  return Object.hasOwn(streams, name);
}

/** Makes the stream, or brings the one that is there in line, and never shrinks it. Safe to repeat and to race. */
export async function ensureStream(broker: Broker, name: StreamName): Promise<void> {
  const wanted = streamConfig(name, broker.streamBytesMax);
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
  await manager.streams.update(name, { ...found.config, ...changed });
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

function streamConfig(name: StreamName, bytesMax: number) {
  const { domain, ageMsMax, messageBytesMax, duplicateWindowMs } = streams[name];
  return {
    name,
    subjects: [`bursar.${domain}.v1.>`],
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
