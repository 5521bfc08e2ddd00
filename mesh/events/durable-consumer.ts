// A durable consumer, declared: what it reads, and how long the broker waits for us. Whoever
// subscribes makes sure of it first.

import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Log } from "../process/log.ts";
import { isApiError, type StreamName } from "./streams.ts";

export type DurableConsumer = {
  readonly consumer: string;
  readonly stream: StreamName;
  readonly subjects: readonly string[];
  /** Most messages that are with us and not acknowledged. */
  readonly inFlightMax: number;
};

/**
 * What was on its way to a process or a broker that died comes again after this time, so it bounds
 * recovery. What is merely slow does not: the broker is told that we are working on it.
 */
const ackWaitMs = 10_000;

export async function ensureConsumer(
  manager: JetStreamManager,
  options: DurableConsumer & { readonly log: Log },
): Promise<void> {
  const { consumer, stream, subjects, inFlightMax, log } = options;
  const changeable = {
    filter_subjects: [...subjects],
    max_ack_pending: inFlightMax,
    ack_wait: nanos(ackWaitMs),
  };
  const config = {
    ...changeable,
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_deliver: -1,
  };
  const found = await findConsumer(manager, stream, consumer);
  if (found === undefined) {
    await manager.consumers.add(stream, config);
    return;
  }
  if (subjectsMissing(found, subjects).length > 0) {
    // A wider filter would only see what comes from now on. Read again from the start, the stream
    // gives the events it was blind for; the inbox knows the others.
    log.info("the consumer gets more events; reading the stream again", { consumer });
    await manager.consumers.delete(stream, consumer);
    await manager.consumers.add(stream, config);
    return;
  }
  const { config: is } = found;
  const same =
    is.max_ack_pending === inFlightMax &&
    is.ack_wait === changeable.ack_wait &&
    subjectsOf(found).length === subjects.length;
  if (!same) await manager.consumers.update(stream, consumer, changeable);
}

export async function findConsumer(manager: JetStreamManager, stream: string, consumer: string) {
  return manager.consumers.info(stream, consumer).catch((error: unknown) => {
    if (isApiError(error, JetStreamApiCodes.ConsumerNotFound)) return undefined;
    throw error;
  });
}

function subjectsOf({ config }: ConsumerInfo): readonly string[] {
  return config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
}

export function subjectsMissing(
  found: ConsumerInfo,
  subjects: readonly string[],
): readonly string[] {
  const has = new Set(subjectsOf(found));
  return subjects.filter((subject) => !has.has(subject));
}
