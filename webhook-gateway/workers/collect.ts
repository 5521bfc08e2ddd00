// What the workers measure, asked of all of them at once. What a worker counted stays counted when
// it dies: a sum that fell would look to Prometheus like a restart of everything.

import { type MetricsSnapshot, mergeMetrics } from "#mesh/process/metrics.ts";
import type { FromWorker } from "./messages.ts";
import type { SupervisedWorker } from "./supervise.ts";

/** A worker that is silent is shown as it was. */
const answerTimeoutMs = 1_000;

export function createCollection() {
  const latest = new Map<SupervisedWorker, MetricsSnapshot>();
  let ofTheDead: MetricsSnapshot = [];
  const silent = new Set<SupervisedWorker>();
  let answered = Promise.withResolvers<void>();
  const heard = (worker: SupervisedWorker) => {
    silent.delete(worker);
    if (silent.size === 0) answered.resolve();
  };

  return {
    async collect(workers: readonly SupervisedWorker[]): Promise<readonly MetricsSnapshot[]> {
      if (silent.size === 0) answered = Promise.withResolvers();
      for (const worker of workers) {
        if (worker.open && worker.tell({ kind: "metrics" })) silent.add(worker);
      }
      const timer = setTimeout(answered.resolve, answerTimeoutMs);
      if (silent.size > 0) await answered.promise;
      clearTimeout(timer);
      silent.clear();
      return [ofTheDead, ...latest.values()];
    },
    take(worker: SupervisedWorker, { snapshot }: FromWorker & { kind: "metrics" }) {
      latest.set(worker, snapshot);
      heard(worker);
    },
    /** What it counted, as it was when it was asked last. */
    keep(worker: SupervisedWorker) {
      heard(worker);
      const last = latest.get(worker) ?? [];
      const counted = last.filter(({ type }) => type === "counter" || type === "histogram");
      ofTheDead = mergeMetrics([ofTheDead, counted]);
      latest.delete(worker);
    },
  };
}
