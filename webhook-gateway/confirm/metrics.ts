// What operators watch of the confirmer: how many webhooks wait for their provider's word, for how
// long, and how the providers answer.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import type { Answer } from "./ask.ts";
import { measureQueue } from "./queue.ts";

const measureMs = 10_000;

export type ConfirmMetrics = {
  asked(provider: string, result: Answer["kind"]): void;
  /** Measures the queue until the signal comes. */
  measure(pool: Pool, stopping: AbortSignal): Promise<void>;
};

export function createConfirmMetrics(metrics: Metrics): ConfirmMetrics {
  const asked = metrics.counter({
    name: "bursar_gateway_confirmations_asked_total",
    help: "Questions to providers about webhooks that their signature does not attest",
    labels: ["provider", "result"],
  });
  const waiting = metrics.gauge({
    name: "bursar_gateway_confirmations_waiting",
    help: "Webhooks that their provider has not confirmed yet",
  });
  const stuck = metrics.gauge({
    name: "bursar_gateway_confirmations_stuck",
    help: "Of these, those whose provider has not answered for days",
  });
  const oldest = metrics.gauge({
    name: "bursar_gateway_confirmations_oldest_seconds",
    help: "Age of the webhook that has waited longest to be confirmed",
  });
  return {
    asked: (provider, result) => asked.inc({ provider, result }),
    async measure(pool, stopping) {
      while (!stopping.aborted) {
        const length = await measureQueue(pool).catch(() => undefined);
        if (length) {
          waiting.set(length.waiting);
          stuck.set(length.stuck);
          oldest.set(length.oldestSeconds);
        }
        await sleep(measureMs, undefined, { signal: stopping }).catch(() => {});
      }
    },
  };
}
