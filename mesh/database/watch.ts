// Asks the database now and then whether it is there, so that a probe is answered at once and
// without a query of its own.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "./pool.ts";

const intervalMs = 1_000;
/** Who has not answered for so long is away, whatever it may still say. */
const answerMsMax = 2_000;

export type DatabaseWatch = AsyncDisposable & {
  /** Empty while the database answers. */
  problems(): readonly string[];
};

/** A service that has just migrated its database begins with nothing to complain of. */
export function watchDatabase(pool: Pool): DatabaseWatch {
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<boolean>();
  stopping.signal.addEventListener("abort", () => stopped.resolve(false));
  let reachable = true;

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      const late = setTimeout(() => {
        reachable = false;
      }, answerMsMax);
      // One question at a time: a database that hangs is not asked again before it answers.
      reachable = await Promise.race([answers(pool), stopped.promise]);
      clearTimeout(late);
      await sleep(intervalMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const watching = watch();
  return {
    problems: () => (reachable ? [] : ["the database does not answer"]),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await watching;
    },
  };
}

async function answers(pool: Pool): Promise<boolean> {
  try {
    await pool`select 1`;
    return true;
  } catch {
    return false;
  }
}
