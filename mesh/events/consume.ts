// The batch consumer: takes a batch, has it settled, and only after COMMIT tells the broker. What
// cannot be handled goes to the dead letters, unless it is everything: then the consumer pauses
// with the batch in hand.

import type { DescMessage } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Pool } from "../database/pool.ts";
import { inTransaction } from "../database/transaction.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { createBreaker } from "./breaker.ts";
import type { Broker } from "./broker.ts";
import type { ConsumerDefinition } from "./consumer-definition.ts";
import { consumerMetrics, watchParked } from "./consumer-metrics.ts";
import { writeDeadLetters } from "./dead-letters.ts";
import { recordArrivals } from "./inbox.ts";
import { createContentOf, createSettling } from "./settle.ts";
import { pause, pauseMs, type Running, type Suspect, settleBatch } from "./settle-batch.ts";
import { type Delivery, openSubscription, type Subscription } from "./subscription.ts";

export type ConsumerOptions<S extends readonly DescMessage[]> = ConsumerDefinition<S> & {
  readonly batchMax: number;
  readonly pool: Pool;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly afterCommit?: () => void;
};

/** Disposing finishes the batch in hand; what waits goes back to the broker. */
export function startConsumer<const S extends readonly DescMessage[]>(
  options: ConsumerOptions<S>,
): AsyncDisposable {
  const { consumer, stream, events, batchMax, broker, pool, metrics, afterCommit } = options;
  const log = options.log.child({ consumer });
  const closing = new AbortController();
  const settling = createSettling(options);
  const subscription = openSubscription({
    consumer,
    stream,
    subjects: events.map(({ typeName }) => typeName),
    inFlightMax: 2 * batchMax,
    broker,
    log,
    metrics,
  });
  const measure = consumerMetrics(metrics, consumer);
  const running: Running<S[number]> = {
    pool,
    settling,
    contentOf: createContentOf(settling, options),
    log,
    measure,
    closing: closing.signal,
    done(batch) {
      measure.paused(false);
      subscription.acknowledge(batch);
      try {
        afterCommit?.();
      } catch (error) {
        log.error("afterCommit failed", { error });
      }
    },
  };
  const consumed = consume(running, subscription, batchMax);
  const watched = watchParked({ metrics, pool, consumer, closing: closing.signal });

  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      subscription.stop();
      await Promise.all([consumed, watched]);
      await subscription[Symbol.asyncDispose]();
    },
  };
}

const breakerPauseMsMax = 30_000;

async function consume<D extends DescMessage>(
  running: Running<D>,
  subscription: Subscription,
  batchMax: number,
): Promise<void> {
  const { log, closing } = running;
  const breaker = createBreaker();
  let kept: readonly Delivery[] = [];
  for (let pauses = 0; ; ) {
    // While it pauses, new messages are tried with the old: one that can be handled ends the pause.
    const more = kept.length > 0 ? subscription.takeWaiting : subscription.take;
    const batch = [...kept, ...(await more(batchMax))];
    if (batch.length === 0) return;

    const { suspects, progressed } = await settleBatch(running, batch);
    if (breaker.judge({ suspects: suspects.length, progressed }) === "bury") {
      // Whoever ended the pause may have done so while the batch was halved.
      const guilty = pauses === 0 ? suspects : await tryAgain(running, suspects);
      for (const suspect of guilty) await bury(running, suspect);
      pauses = 0;
      kept = [];
      continue;
    }
    kept = suspects.map(({ delivery }) => delivery);
    if (pauses === 0) {
      const error = suspects[0]?.cause;
      log.error("nothing can be handled: the consumer pauses", { error, messages: kept.length });
    }
    await pause(running, pauseMs(pauses++, breakerPauseMsMax));
    if (closing.aborted) return;
  }
}

async function tryAgain<D extends DescMessage>(
  running: Running<D>,
  suspects: readonly Suspect[],
): Promise<Suspect[]> {
  const guilty: Suspect[] = [];
  for (const { delivery } of suspects) {
    guilty.push(...(await settleBatch(running, [delivery])).suspects);
  }
  return guilty;
}

async function bury<D extends DescMessage>(
  running: Running<D>,
  { delivery, cause }: Suspect,
): Promise<void> {
  const { pool, settling, contentOf, log, closing, measure } = running;
  const { consumer } = settling;
  const { raw } = delivery;
  const { messageId, subject } = raw;
  const reason = DeadLetterReason.BUG;
  log.error("a message cannot be handled and goes to the dead letters", {
    messageId,
    subject,
    error: cause,
  });
  for (let failures = 0; ; failures++) {
    try {
      await inTransaction(pool, async (tx) => {
        await recordArrivals(tx, consumer, [raw], contentOf);
        await writeDeadLetters(tx, consumer, [{ raw, reason, detail: String(cause) }]);
      });
      measure.batch([{ subject, outcome: "dead", reason }], 0);
      return running.done([delivery]);
    } catch (error) {
      log.error("the dead letter cannot be written; trying on", { messageId, error });
    }
    await pause(running, pauseMs(failures));
    if (closing.aborted) return;
  }
}
