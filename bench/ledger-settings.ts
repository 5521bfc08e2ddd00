// What of the ledger's bench can be set from outside: how long, how large, and against whom.
// docs/bench.md says the same for readers.

import { type Env, readEnv } from "#mesh/process/config.ts";

export type LedgerSettings = ReturnType<typeof readSettings>;

export function readSettings(env: Env) {
  return readEnv(env, (read) => ({
    load: {
      accounts: read.integer("BENCH_ACCOUNTS", { min: 2, max: 1_000_000, fallback: 1_000 }),
      batchSize: read.integer("BENCH_BATCH", { min: 1, max: 1_000, fallback: 500 }),
      callers: read.integer("BENCH_CALLERS", { min: 1, max: 16, fallback: 2 }),
    },
    hotShare: read.integer("BENCH_HOT_PERCENT", { min: 0, max: 100, fallback: 100 }) / 100,
    /** In the ledger that is full. */
    entries: read.integer("BENCH_ENTRIES", { min: 2_000, max: 100_000_000, fallback: 1_000_000 }),
    rounds: read.integer("BENCH_ROUNDS", { min: 1, max: 1_000, fallback: 5 }),
    roundSeconds: read.integer("BENCH_ROUND_SECONDS", { min: 1, max: 600, fallback: 1 }),
    soakSeconds: read.integer("BENCH_SOAK_SECONDS", { min: 4, max: 86_400, fallback: 60 }),
    rival: {
      sqlFile: read.text("BENCH_RIVAL_SQL", "bench/rivals/plain-ledger.sql"),
      call: read.text("BENCH_RIVAL_CALL", "select post_transfers($1::jsonb)"),
      count: env["BENCH_RIVAL_SQL"] ? env["BENCH_RIVAL_COUNT"] : "select count(*) from transfer",
    },
  }));
}
