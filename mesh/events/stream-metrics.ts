// How full a stream is. A full one refuses what comes next, so somebody must hear of it before.

import type { JetStreamManager } from "@nats-io/jetstream";
import type { Metrics } from "../process/metrics.ts";

export function streamMetrics(metrics: Metrics) {
  const labels = ["stream"];
  const bytes = metrics.gauge({
    name: "bursar_stream_bytes",
    help: "Bytes that the stream holds",
    labels,
  });
  const bytesMax = metrics.gauge({
    name: "bursar_stream_bytes_max",
    help: "Bytes that the stream may hold, +Inf without a limit",
    labels,
  });
  return async (manager: JetStreamManager, stream: string): Promise<void> => {
    const { state, config } = await manager.streams.info(stream);
    bytes.set({ stream }, state.bytes);
    bytesMax.set({ stream }, config.max_bytes > 0 ? config.max_bytes : Number.POSITIVE_INFINITY);
  };
}
