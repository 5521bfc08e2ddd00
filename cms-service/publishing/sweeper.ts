// Writes down what has come due. Learners see it by the clock in any case; this
// moves the pointer, logs and tells the others. Every process sweeps: who finds a
// course locked leaves it to whoever holds it, and no two write the same.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { lockDue, readDue, readOverdue } from "./life-store.ts";
import { writeDownDue } from "./write-down.ts";

export type SweepOptions = { readonly pool: Pool; readonly log: Log };

export type SweeperOptions = SweepOptions & { readonly metrics: Metrics };

const lookMs = 1_000;
const pauseMsMax = 30_000;
/** More wait for the next look. */
const dueMax = 500;

/** Disposing finishes the course in hand. */
export function startSweeper(options: SweeperOptions): AsyncDisposable {
  const closing = new AbortController();
  const running = keepSweeping(options, closing.signal);
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

async function keepSweeping(options: SweeperOptions, closing: AbortSignal): Promise<void> {
  const { pool, log, metrics } = options;
  const overdue = metrics.gauge({
    name: "bursar_cms_publication_overdue_seconds",
    help: "How long the oldest scheduled publication has been due without being written down",
  });
  for (let failures = 0; !closing.aborted; ) {
    let pauseMs = lookMs;
    try {
      await sweep(options, closing);
      overdue.set((await readOverdue(pool)).oldestSeconds);
      failures = 0;
    } catch (error) {
      pauseMs = Math.min(pauseMsMax, lookMs * 2 ** failures++);
      log.warn("what is due cannot be written down now", { error });
    }
    await sleep(pauseMs, undefined, { signal: closing }).catch(() => {});
  }
}

/**
 * Each course is an SQL transaction of its own, and one that cannot be written
 * down holds up no other. Gives how many were.
 */
export async function sweep({ pool, log }: SweepOptions, closing?: AbortSignal): Promise<number> {
  let swept = 0;
  for (const courseId of await readDue(pool, dueMax)) {
    if (closing?.aborted) break;
    try {
      if (await inTransaction(pool, (tx) => writeDownIfDue(tx, courseId))) swept++;
    } catch (error) {
      if (isFault(error)) throw error;
      log.error("a publication that is due cannot be written down", { courseId, error });
    }
  }
  return swept;
}

async function writeDownIfDue(tx: Tx, courseId: string): Promise<boolean> {
  if (!(await lockDue(tx, courseId))) return false;
  await writeDownDue(tx, courseId);
  return true;
}
