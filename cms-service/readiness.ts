// Asks the database from time to time whether it is there, so that a probe is
// answered at once and without a query of its own.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";

const intervalMs = 1_000;
const timeoutMs = 3_000;

export type DatabaseWatch = AsyncDisposable & {
  /** Empty while the database answers. */
  problems(): readonly string[];
};

/** Returns once the first answer, or its absence, is known. */
export async function watchDatabase(pool: Pool): Promise<DatabaseWatch> {
  const stopping = new AbortController();
  let reachable = await answers(pool);

  const watching = (async () => {
    while (await pause(intervalMs, stopping.signal)) reachable = await answers(pool);
  })();

  return {
    problems: () => (reachable ? [] : ["the database does not answer"]),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await watching;
    },
  };
}

async function answers(pool: Pool): Promise<boolean> {
  const late = new AbortController();
  try {
    return await Promise.race([
      pool`select 1`.then(() => true),
      sleep(timeoutMs, false, { signal: late.signal }),
    ]);
  } catch {
    return false;
  } finally {
    late.abort();
  }
}

/** False when it was cut short. */
async function pause(durationMs: number, signal: AbortSignal): Promise<boolean> {
  return sleep(durationMs, true, { signal }).catch(() => false);
}
