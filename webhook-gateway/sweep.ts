// Forgets what is kept for a time only: refused requests that have expired and statistics that
// nobody may ask for any more. A little at a time; what it leaves, the next turn finds.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import type { Log } from "#mesh/process/log.ts";
import { deleteExpired } from "./quarantine/rows.ts";
import { deleteOldHours } from "./statistics/rows.ts";

const sweepMs = 60_000;
const rowsMax = 1_000;

export function startSweeper({ pool, log }: { pool: Pool; log: Log }): AsyncDisposable {
  const closing = new AbortController();
  const sweeping = (async () => {
    while (!closing.signal.aborted) {
      let more = false;
      try {
        more = await sweep(pool);
      } catch (error) {
        log.warn("what has expired cannot be deleted yet", { error });
      }
      await sleep(more ? 100 : sweepMs, undefined, { signal: closing.signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await sweeping;
    },
  };
}

/** True when there is more. */
export async function sweep(pool: Pool): Promise<boolean> {
  const expired = await deleteExpired(pool, rowsMax);
  const old = await deleteOldHours(pool, rowsMax);
  return expired === rowsMax || old === rowsMax;
}
