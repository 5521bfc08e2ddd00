// Measures what stands in suspense: nothing there ends by itself, so somebody must notice when it
// stays.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { countSuspense } from "../store/suspense.ts";

const pauseMsUsual = 5_000;

export function watchSuspense(options: {
  readonly pool: Pool;
  readonly metrics: Metrics;
  /** Between two looks. */
  readonly pauseMs?: number;
}): AsyncDisposable {
  const { pool, metrics, pauseMs = pauseMsUsual } = options;
  const stopping = new AbortController();
  const items = metrics.gauge({
    name: "bursar_ledger_suspense_open_items",
    help: "Entries of providers' facts in suspense that nobody has released",
  });
  const oldest = metrics.gauge({
    name: "bursar_ledger_suspense_oldest_seconds",
    help: "Age of the entry that has stood in suspense longest",
  });

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      const found = await countSuspense(pool).catch(() => undefined);
      if (found) {
        items.set(found.count);
        oldest.set(found.oldestSeconds);
      }
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const watching = watch();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await watching;
    },
  };
}
