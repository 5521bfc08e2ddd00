// Keeps the index of late entries, by which balances of the past are found (migration 7), close
// behind the books. It reads what is committed and never stands in the way of who posts: it works
// in short steps with pauses between them, and what it has not come to yet is found without it.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import { isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import { type LateAccount, lateAccounts, takeLateStep } from "../store/late-entries.ts";

export type LateIndexOptions = { readonly pool: Pool; readonly log: Log };

/** Late entries of an account that are added up one by one before they are worth an index. */
const entriesMin = 128;
/** Accounts that are looked at in one statement. */
const accountsMax = 100;
/** Rest after work, as a multiple of it: a step's share of a processor, and that of a look. */
const restPerStep = 4;
const restPerLook = 50;
/** After all accounts were looked at. */
const roundMs = 1_000;
const faultMs = 5_000;

export function startLateIndex(options: LateIndexOptions): AsyncDisposable {
  const stopping = new AbortController();
  const running = run(options, stopping.signal);
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

/** Round after round over the accounts that have late entries, until it is stopped. */
async function run({ pool, log }: LateIndexOptions, stopping: AbortSignal): Promise<void> {
  let after = 0n;
  while (!stopping.aborted) {
    try {
      const look = () => lateAccounts(pool, { after, entriesMin, accountsMax });
      const accounts = await atLeisure(stopping, restPerLook, look);
      for (const { accountId, isDue } of accounts) {
        if (isDue) await indexAccount(pool, accountId, stopping);
      }
      after = nextAfter(accounts);
      if (after === 0n) await pause(roundMs, stopping);
    } catch (error) {
      if (isFault(error)) log.warn("late entries cannot be indexed now", { error });
      else log.error("late entries cannot be indexed", { error });
      await pause(faultMs * (0.5 + Math.random()), stopping);
    }
  }
}

/** Zero: from the beginning. */
function nextAfter(accounts: readonly LateAccount[]): bigint {
  return accounts.length < accountsMax ? 0n : (accounts.at(-1)?.accountId ?? 0n);
}

async function indexAccount(pool: Pool, accountId: bigint, stopping: AbortSignal): Promise<void> {
  for (let more = true; more && !stopping.aborted; ) {
    more = await atLeisure(stopping, restPerStep, () => takeLateStep(pool, accountId));
  }
}

async function atLeisure<T>(
  stopping: AbortSignal,
  restPerWork: number,
  work: () => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  const result = await work();
  await pause((performance.now() - startMs) * restPerWork, stopping);
  return result;
}

async function pause(durationMs: number, stopping: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal: stopping }).catch(() => {});
}
