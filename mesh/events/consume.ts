// A running consumer: a subscription, the loop that settles its batches, and what looks after events
// that wait.

import type { DescMessage } from "@bufbuild/protobuf";
import type { Pool } from "../database/pool.ts";
import { isConsumer } from "../policy/check.ts";
import { eventPolicy } from "../policy/policy.ts";
import { knowMessages } from "../process/known-messages.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { Broker } from "./broker.ts";
import { consumeBatches } from "./consume-batches.ts";
import type { ConsumerDefinition } from "./consumer-definition.ts";
import { consumerMetrics, watchParked } from "./consumer-metrics.ts";
import { claimEvents, eventsOfOthers, unclaimed, versionsOf } from "./pass-over.ts";
import { keepReleasingSchemas } from "./release-schemas.ts";
import { createContentOf, createSettling } from "./settle.ts";
import type { Running } from "./settle-batch.ts";
import { openSubscription } from "./subscription.ts";

export type ConsumerOptions<S extends readonly DescMessage[]> = ConsumerDefinition<S> & {
  readonly batchMax: number;
  readonly pool: Pool;
  /** Its name is the identity that consumes. */
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly afterCommit?: () => void;
};

/**
 * Disposing finishes the batch in hand; what waits goes back to the broker. Throws when the policy
 * of an event does not give it to this service.
 */
export function startConsumer<const S extends readonly DescMessage[]>(
  options: ConsumerOptions<S>,
): AsyncDisposable {
  const { consumer, stream, events, batchMax, broker, pool, metrics, afterCommit } = options;
  mustBeGiven(broker, options);
  knowMessages(events);
  const log = options.log.child({ consumer });
  const closing = new AbortController();
  const settling = createSettling(options);
  const handled = versionsOf(events);
  const others = eventsOfOthers(broker.name, options);
  const subscription = openSubscription({
    consumer,
    stream,
    handled: [...handled.keys()],
    inFlightMax: 2 * batchMax,
    async announce() {
      await claimEvents(pool, consumer, handled);
      return [...(await unclaimed(pool, consumer, others)).keys()];
    },
    broker,
    log,
    metrics,
  });
  const isKnown = (subject: string) => handled.has(subject) || others.has(subject);
  const measure = consumerMetrics(metrics, options, isKnown);
  const committed = () => {
    try {
      afterCommit?.();
    } catch (error) {
      log.error("afterCommit failed", { error });
    }
  };
  const running: Running<S[number]> = {
    pool,
    stream,
    settling,
    others,
    contentOf: createContentOf(settling, options),
    log,
    measure,
    closing: closing.signal,
    acknowledge: subscription.acknowledge,
    done(batch) {
      measure.paused(false);
      subscription.acknowledge(batch);
      committed();
    },
    committed,
  };
  const consumed = consumeBatches(running, subscription, batchMax);
  const released = keepReleasingSchemas(running);
  const watched = watchParked({ metrics, pool, consumer, closing: closing.signal });

  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      subscription.stop();
      await Promise.all([consumed, released, watched]);
      await subscription[Symbol.asyncDispose]();
    },
  };
}

function mustBeGiven(
  { name, streams }: Broker,
  { consumer, stream, events }: ConsumerDefinition<readonly DescMessage[]>,
): void {
  for (const event of events) {
    if (!isConsumer(event, name)) {
      throw new Error(
        `consumer ${consumer} of ${name} does not start: the policy of ${event.typeName} ` +
          `does not list ${name} among its consumers`,
      );
    }
    const declared = eventPolicy(event).stream;
    if (declared !== stream) {
      throw new Error(`consumer ${consumer} reads ${stream}, ${event.typeName} is on ${declared}`);
    }
  }
  if (!streams.has(stream)) {
    throw new Error(`consumer ${consumer} reads ${stream}: give openBroker its events`);
  }
}
