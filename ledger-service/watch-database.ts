// Asks the database now and then whether it is there: readiness must be known without waiting.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";

const intervalMs = 1_000;
const answerMsMax = 2_000;

export type DatabaseWatch = AsyncDisposable & { readonly reachable: boolean };

/** The service has just migrated the database, so it begins as reachable. */
export function watchDatabase(pool: Pool): DatabaseWatch {
  const stopping = new AbortController();
  const { signal } = stopping;
  const state = { reachable: true };

  async function watch(): Promise<void> {
    while (!signal.aborted) {
      const late = sleep(answerMsMax, false, { signal, ref: false }).catch(() => false);
      const answer = pool`select 1`.then(
        () => true,
        () => false,
      );
      const reachable = await Promise.race([answer, late]);
      if (!signal.aborted) state.reachable = reachable;
      await sleep(intervalMs, undefined, { signal }).catch(() => {});
    }
  }

  const watching = watch();
  return {
    get reachable() {
      return state.reachable;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await watching;
    },
  };
}
