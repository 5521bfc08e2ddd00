// Telemetry of a process: where its spans go and which of them. Without an endpoint they go
// nowhere, and no OpenTelemetry code is loaded: it would cost 100 ms at start and 26 MiB for good
// (measured).

import type { TelemetryConfig } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { createSampler } from "./sampler.ts";
import { recordSpans } from "./trace.ts";

export type TelemetryOptions = {
  /** Of the process, for example `ledger-service`. */
  readonly service: string;
  readonly config: TelemetryConfig;
  readonly log: Log;
  readonly metrics: Metrics;
};

/** Opened first, closed last: disposing sends what is still queued, within seconds. */
export async function startTelemetry(options: TelemetryOptions): Promise<AsyncDisposable> {
  const { config, log } = options;
  const sampler = createSampler(config.sampler, config.sampledRatio);
  if (config.tracesUrl === undefined) {
    const forget = recordSpans({ sampler, record: undefined });
    return {
      async [Symbol.asyncDispose]() {
        forget();
      },
    };
  }
  const { openExporter } = await import("./exporter.ts");
  const exporter = openExporter({ ...options, url: config.tracesUrl });
  const forget = recordSpans({ sampler, record: exporter.record });
  log.info("spans are exported", { host: new URL(config.tracesUrl).host, sampler: config.sampler });
  return {
    async [Symbol.asyncDispose]() {
      forget();
      await exporter[Symbol.asyncDispose]();
    },
  };
}
