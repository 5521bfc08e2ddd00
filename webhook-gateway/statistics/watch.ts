// What is told about endpoints that fail, from the rows that all processes share: an alarm must
// ring before a provider switches an endpoint off.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import type { InForce } from "../judge.ts";
import { shareGone } from "./disablement.ts";
import { stateAtFirst } from "./merge.ts";
import { readStates } from "./rows.ts";

export type WatchOptions = {
  readonly pool: Pool;
  readonly inForce: InForce;
  readonly metrics: Metrics;
  readonly log: Log;
};

const lookMs = 10_000;

export function watchEndpoints(options: WatchOptions): AsyncDisposable {
  const { log } = options;
  const gauges = createGauges(options);
  const closing = new AbortController();
  const watching = (async () => {
    while (!closing.signal.aborted) {
      await gauges.look().catch((error: unknown) => {
        log.debug("the state of endpoints cannot be read", { error });
      });
      await sleep(lookMs, undefined, { signal: closing.signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await watching;
    },
  };
}

export function createGauges({ pool, inForce, metrics }: Omit<WatchOptions, "log">) {
  const failures = metrics.gauge({
    name: "bursar_gateway_endpoint_failures_in_a_row",
    help: "Answers of failure since the endpoint's last acknowledgement",
    labels: ["endpoint", "provider"],
  });
  const seconds = metrics.gauge({
    name: "bursar_gateway_endpoint_failing_seconds",
    help: "How long an endpoint has only failed",
    labels: ["endpoint", "provider"],
  });
  const gone = metrics.gauge({
    name: "bursar_gateway_endpoint_disablement_ratio",
    help: "How far an endpoint is on the way to being switched off by its provider, which is 1",
    labels: ["endpoint", "provider"],
  });
  return {
    async look(): Promise<void> {
      const states = await readStates(pool);
      const now = new Date();
      for (const gauge of [failures, seconds, gone]) gauge.reset();
      for (const { endpointId, provider } of inForce.current.endpoints.values()) {
        const state = states.get(endpointId) ?? stateAtFirst;
        const labels = { endpoint: endpointId, provider: provider.name };
        const sinceMs = state.failingSince?.getTime() ?? now.getTime();
        failures.set(labels, state.failuresInARow);
        seconds.set(labels, Math.max(0, now.getTime() - sinceMs) / 1_000);
        gone.set(labels, shareGone(provider.patience, state, now));
      }
    },
  };
}
