// A durable consumer, declared: what it reads, and how long the broker waits for us. Whoever
// subscribes makes sure of it first. It reads the whole stream and remembers which events it passes
// over: a release that handles one of those has the stream read again from its start.

import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Log } from "../process/log.ts";
import { isApiError } from "./streams.ts";

export type DurableConsumer = {
  readonly consumer: string;
  readonly stream: string;
  /** Full names of the events it handles. */
  readonly handled: readonly string[];
  /** Most messages that are with us and not acknowledged. */
  readonly inFlightMax: number;
};

export type Reading = DurableConsumer & {
  /** All of the stream. */
  readonly subject: string;
  /** Full names of the events it passes over now. */
  readonly passedOver: readonly string[];
};

/**
 * What was on its way to a process or a broker that died comes again after this time, so it bounds
 * recovery. What is merely slow does not: the broker is told that we are working on it.
 */
const ackWaitMs = 10_000;

/** Names, separated by commas, of what this durable has passed over. */
const passedOverKey = "bursar_passed_over";

export async function ensureConsumer(
  manager: JetStreamManager,
  reading: Reading,
  log: Log,
): Promise<void> {
  const { consumer, stream } = reading;
  const found = await findConsumer(manager, stream, consumer);
  if (found === undefined) {
    await manager.consumers.add(stream, configOf(reading, reading.passedOver));
    return;
  }
  if (await hasMissed(manager, found, reading)) {
    // A wider filter would only see what comes from now on. Read again from the start, the stream
    // gives the events that went by unseen; the inbox knows the others.
    log.info("the consumer gets more events; reading the stream again", { consumer });
    await manager.consumers.delete(stream, consumer);
    await manager.consumers.add(stream, configOf(reading, reading.passedOver));
    return;
  }
  const passedOver = [...new Set([...(passedOverBy(found) ?? []), ...reading.passedOver])];
  const wanted = configOf(reading, passedOver);
  if (differs(found, wanted)) {
    const { filter_subjects, max_ack_pending, ack_wait, metadata } = wanted;
    // The position stays: the broker goes on after what was delivered last.
    await manager.consumers.update(stream, consumer, {
      ...{ filter_subjects, max_ack_pending, ack_wait, metadata },
    });
  }
}

/**
 * True where another release has made of the consumer what this one must not leave: less than all
 * it reads, or without a word of what this one passes over, which later releases go by.
 */
export function isNarrowed(found: ConsumerInfo, { handled, passedOver }: Reading): boolean {
  const passed = passedOverBy(found);
  if (passed === undefined) return true;
  return (
    handled.some((event) => passed.includes(event)) ||
    passedOver.some((event) => !passed.includes(event))
  );
}

export async function findConsumer(manager: JetStreamManager, stream: string, consumer: string) {
  return manager.consumers.info(stream, consumer).catch((error: unknown) => {
    if (isApiError(error, JetStreamApiCodes.ConsumerNotFound)) return undefined;
    throw error;
  });
}

function configOf(reading: Reading, passedOver: readonly string[]) {
  return {
    durable_name: reading.consumer,
    filter_subjects: [reading.subject],
    max_ack_pending: reading.inFlightMax,
    ack_wait: nanos(ackWaitMs),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_deliver: -1,
    metadata: { [passedOverKey]: passedOver.toSorted().join(",") },
  };
}

function differs(found: ConsumerInfo, wanted: ReturnType<typeof configOf>): boolean {
  const { config } = found;
  return (
    config.max_ack_pending !== wanted.max_ack_pending ||
    config.ack_wait !== wanted.ack_wait ||
    config.metadata?.[passedOverKey] !== wanted.metadata[passedOverKey] ||
    subjectsOf(found).join() !== wanted.filter_subjects.join()
  );
}

/**
 * Whether events that are to be handled, or to wait, may have gone by. A durable of a release that
 * did not read the whole stream was blind for all that its filter leaves out.
 */
async function hasMissed(
  manager: JetStreamManager,
  found: ConsumerInfo,
  { stream, subject, handled, passedOver }: Reading,
): Promise<boolean> {
  const passed = passedOverBy(found);
  if (passed !== undefined) return handled.some((event) => passed.includes(event));
  const seen = new Set([...subjectsOf(found), ...passedOver]);
  if (seen.has(subject)) return false;
  if (handled.some((event) => !seen.has(event))) return true;
  const { state } = await manager.streams.info(stream, { subjects_filter: subject });
  return Object.keys(state.subjects ?? {}).some((event) => !seen.has(event));
}

/** Undefined for a durable that an older release made, which did not note it. */
function passedOverBy({ config }: ConsumerInfo): readonly string[] | undefined {
  const noted = config.metadata?.[passedOverKey];
  return noted?.split(",").filter((name) => name !== "");
}

function subjectsOf({ config }: ConsumerInfo): readonly string[] {
  return config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
}
