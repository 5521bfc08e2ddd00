// What is measured of a consumer: what became of its messages, how full its batches are, and what
// has been waiting for how long.

import { setTimeout as sleep } from "node:timers/promises";
import type { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Pool } from "../database/pool.ts";
import type { Metrics } from "../process/metrics.ts";
import type { Span } from "../telemetry/trace.ts";
import { reasonName } from "./dead-letters.ts";

export type Outcome = {
  readonly subject: string;
  readonly outcome: "handled" | "parked" | "dead" | "duplicate";
  readonly reason?: DeadLetterReason;
};

const parkedPollMs = 10_000;

/** Names of events that are none of the known ones are a stranger's text, and no labels. */
export function consumerMetrics(
  metrics: Metrics,
  { consumer, stream }: { readonly consumer: string; readonly stream: string },
  isKnown: (subject: string) => boolean,
) {
  const labelOf = (subject: string) => (isKnown(subject) ? subject : "unknown");
  const events = metrics.counter({
    name: "bursar_consumer_events_total",
    help: "Messages settled, by what became of them",
    labels: ["consumer", "stream", "event", "outcome"],
  });
  const dead = metrics.counter({
    name: "bursar_dead_letters_total",
    help: "Messages given up, by reason",
    labels: ["consumer", "reason"],
  });
  const size = metrics.histogram({
    name: "bursar_consumer_batch_size",
    help: "Messages settled in one SQL transaction",
    labels: ["consumer"],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
  });
  const seconds = metrics.timing({
    name: "bursar_consumer_batch_seconds",
    help: "Time from the first statement of a batch to its COMMIT",
    labels: ["consumer"],
  });
  const paused = metrics.gauge({
    name: "bursar_consumer_paused",
    help: "1 from the first pause until something is settled again",
    labels: ["consumer"],
  });
  paused.set({ consumer }, 0);

  return {
    /** `span` is that of one of its events. */
    batch(outcomes: readonly Outcome[], elapsedMs: number, span?: Span | undefined) {
      size.observe({ consumer }, outcomes.length);
      seconds.observe({ consumer }, elapsedMs / 1_000, span);
      for (const { subject, outcome, reason } of outcomes) {
        events.inc({ consumer, stream, event: labelOf(subject), outcome });
        if (reason !== undefined) dead.inc({ consumer, reason: reasonName(reason) });
      }
    },
    passedOver(subjects: readonly string[]) {
      for (const subject of subjects) {
        events.inc({ consumer, stream, event: labelOf(subject), outcome: "passed_over" });
      }
    },
    paused: (yes: boolean) => paused.set({ consumer }, yes ? 1 : 0),
  };
}

/** Parked events are never dropped, so somebody must notice when they stay. */
export async function watchParked(options: {
  metrics: Metrics;
  pool: Pool;
  consumer: string;
  closing: AbortSignal;
}): Promise<void> {
  const { metrics, pool, consumer, closing } = options;
  const parked = metrics.gauge({
    name: "bursar_parked",
    help: "Events that wait for another event",
    labels: ["consumer"],
  });
  const oldest = metrics.gauge({
    name: "bursar_parked_oldest_seconds",
    help: "Age of the event that has waited longest",
    labels: ["consumer"],
  });
  while (!closing.aborted) {
    const rows = await pool<{ parked: number; seconds: number }[]>`
      select count(*)::int as parked,
        coalesce(extract(epoch from now() - min(parked_at)), 0)::float8 as seconds
      from parked where consumer = ${consumer}
    `.catch(() => []);
    const [found] = rows;
    if (found) {
      parked.set({ consumer }, found.parked);
      oldest.set({ consumer }, found.seconds);
    }
    await sleep(parkedPollMs, undefined, { signal: closing }).catch(() => {});
  }
}
