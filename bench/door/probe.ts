// Loaded into a measured server before its own code: on SIGUSR2 it writes down
// what the process has allocated since it started.

import { renameSync, writeFileSync } from "node:fs";
import { getHeapStatistics } from "node:v8";

const file = process.env["BENCH_PROBE_FILE"];

// Its type does not know it yet.
type Statistics = { readonly total_allocated_bytes: number };

if (file !== undefined) {
  process.on("SIGUSR2", () => {
    const { total_allocated_bytes: bytes } = getHeapStatistics() as unknown as Statistics;
    writeFileSync(`${file}.next`, String(bytes));
    renameSync(`${file}.next`, file);
  });
}
