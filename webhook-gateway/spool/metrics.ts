// What can be seen of the spool from outside: of the file of this process, and of
// those it has adopted and drains.

import type { Metrics } from "#mesh/process/metrics.ts";
import { countSetAside } from "./set-aside.ts";
import type { SpoolCount, SpoolFile } from "./spool-file.ts";

export type SpoolMetrics = ReturnType<typeof createSpoolMetrics>;

export function createSpoolMetrics(
  metrics: Metrics,
  { dir, bytesMax }: { readonly dir: string; readonly bytesMax: number },
) {
  /** Those that are open. */
  const files = new Set<SpoolFile>();
  const sum = (pick: (count: SpoolCount) => number) =>
    [...files].reduce((total, file) => total + pick(file.count()), 0);
  metrics.gauge({
    name: "bursar_gateway_spool_rows",
    help: "Webhooks in the spool that wait for the broker",
    collect: (gauge) => gauge.set(sum(({ rows }) => rows)),
  });
  metrics.gauge({
    name: "bursar_gateway_spool_bytes",
    help: "Bytes of the webhooks in the spool",
    collect: (gauge) => gauge.set(sum(({ bytes }) => bytes)),
  });
  metrics.gauge({
    name: "bursar_gateway_spool_bytes_max",
    help: "Bytes of webhooks that the spool may hold",
    collect: (gauge) => gauge.set(bytesMax),
  });
  metrics.gauge({
    name: "bursar_gateway_spool_oldest_seconds",
    help: "For how long the oldest webhook in the spool has waited for the broker",
    across: "max",
    collect: (gauge) => gauge.set(oldestSeconds(files)),
  });
  metrics.gauge({
    name: "bursar_gateway_spool_refused_rows",
    help: "Webhooks in the spool that the broker will not take as they are",
    collect: (gauge) => gauge.set(sum(({ refused }) => refused)),
  });
  metrics.gauge({
    name: "bursar_gateway_spool_files_set_aside",
    help: "Corrupt spool files that were put aside",
    across: "max",
    collect: (gauge) => gauge.set(countSetAside(dir)),
  });
  return {
    files,
    spooled: metrics.counter({
      name: "bursar_gateway_spooled_total",
      help: "Webhooks that were made durable in the spool",
    }),
    drained: metrics.counter({
      name: "bursar_gateway_spool_drained_total",
      help: "Webhooks that went from the spool to the broker",
    }),
    commitSeconds: metrics.timing({
      name: "bursar_gateway_spool_commit_seconds",
      help: "How long the process stood still for a commit of the spool",
    }),
  };
}

function oldestSeconds(files: ReadonlySet<SpoolFile>): number {
  const oldest = [...files].flatMap((file) => file.count().oldestMs ?? []);
  return oldest.length === 0 ? 0 : Math.max(0, (Date.now() - Math.min(...oldest)) / 1_000);
}
