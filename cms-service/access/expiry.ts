// Writes down that access has run out and tells others, once. Whoever asks gets exact answers
// without it: it is only for those who wait to be told. Every process does it; what one of them
// has in hand the others pass over.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { sumUp } from "./enrollment.ts";
import { lockLapsed, readGrants } from "./standing-store.ts";
import { writeEnrollments } from "./tell.ts";

export type AccessExpiryOptions = {
  readonly pool: Pool;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Between two looks, on average. */
  readonly pauseMs?: number;
};

const pauseMsUsual = 1_000;
/** Enrollments an SQL transaction. */
const batchMax = 500;

export function startAccessExpiry(options: AccessExpiryOptions): AsyncDisposable {
  const { pool, log, metrics, pauseMs = pauseMsUsual } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const expired = metrics.counter({
    name: "bursar_cms_enrollments_expired_total",
    help: "Enrollments whose access this process wrote down as having run out",
  });

  /** Never throws: what fails now is due at the next look, too. */
  async function look(): Promise<void> {
    try {
      for (let count = batchMax; count === batchMax && !signal.aborted; ) {
        count = await inTransaction(pool, expireAccess);
        if (count > 0) expired.inc(count);
      }
    } catch (error) {
      if (isFault(error)) log.warn("access that ran out cannot be written down now", { error });
      else log.error("access that ran out cannot be written down", { error });
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await look();
      await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    }
  }
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

/** Answers how many enrollments the clock had moved. */
export async function expireAccess(tx: Tx): Promise<number> {
  const { enrollments, now } = await lockLapsed(tx, batchMax);
  if (enrollments.length === 0) return 0;
  const grants = await readGrants(tx, enrollments);
  await writeEnrollments(tx, sumUp(enrollments, grants, [], now), now);
  return enrollments.length;
}
