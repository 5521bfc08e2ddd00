// Whether the gateway works by the file that operators see, and for how long its
// secrets go on.

import type { Metrics } from "#mesh/process/metrics.ts";
import type { InForce } from "../judge.ts";
import { coveredUntilMs } from "../secrets.ts";

export function createReloadMetrics(metrics: Metrics, endpoints: InForce, now: () => Date) {
  const reloads = metrics.counter({
    name: "bursar_gateway_config_reloads_total",
    help: "Changes of the configuration or of a secret, by whether they were taken",
    labels: ["outcome"],
  });
  const time = metrics.gauge({
    name: "bursar_gateway_config_time_seconds",
    help: "When the running configuration was taken, in unix seconds",
  });
  const refused = metrics.gauge({
    name: "bursar_gateway_config_refused",
    help: "1 while the configuration on disk is refused and the one before runs on",
  });
  metrics.gauge({
    name: "bursar_gateway_secret_expiry_seconds",
    help: "Until an endpoint has no active secret left; absent for those without an end",
    labels: ["endpoint"],
    collect(gauge) {
      gauge.reset();
      const at = now();
      for (const { endpointId, secrets } of endpoints.current.endpoints.values()) {
        const untilMs = secrets.length === 0 ? Infinity : coveredUntilMs(secrets, at);
        if (untilMs === Infinity) continue;
        gauge.set({ endpoint: endpointId }, (untilMs - at.getTime()) / 1_000);
      }
    },
  });
  const running = () => {
    time.set(now().getTime() / 1_000);
    refused.set(0);
  };
  running();
  return {
    taken() {
      running();
      reloads.inc({ outcome: "taken" });
    },
    refused() {
      refused.set(1);
      reloads.inc({ outcome: "refused" });
    },
  };
}
