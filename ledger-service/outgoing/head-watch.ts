// Tells who waits for more facts of a ledger that there are some. It looks for all of them at once,
// when this process has committed something and every moment anyway, because others commit too; and
// not at all while nobody waits.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "#mesh/database/pool.ts";
import { isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import { bigints } from "../store/sql-arrays.ts";
import { createBell } from "./bell.ts";

export type HeadWatch = AsyncDisposable & {
  /** This process has committed something. */
  wake(): void;
  /** Returns when the ledger has more facts than up to the sequence, or the signal is aborted. */
  waitBeyond(id: bigint, sequence: bigint, signal: AbortSignal): Promise<void>;
};

const pollMs = 50;
/** However often this process commits, it looks no more often than this. */
const gapMs = 5;

type Waiter = { readonly id: bigint; readonly sequence: bigint; readonly resolve: () => void };

export function startHeadWatch(pool: Pool, log: Log): HeadWatch {
  const waiters = new Set<Waiter>();
  const bell = createBell();
  let stopped = false;

  async function look(): Promise<void> {
    const ids = new Set([...waiters].map(({ id }) => id));
    const rows = await pool<{ id: bigint; head: bigint }[]>`
      select id, head_sequence as head from ledger where id = any(${bigints(ids)}::bigint[])
    `;
    const heads = new Map(rows.map(({ id, head }) => [id, head]));
    for (const { id, sequence, resolve } of waiters) {
      if ((heads.get(id) ?? 0n) > sequence) resolve();
    }
  }

  async function run(): Promise<void> {
    while (!stopped) {
      await bell.wait(waiters.size > 0 ? pollMs : undefined);
      if (stopped || waiters.size === 0) continue;
      try {
        await look();
        await sleep(gapMs);
      } catch (error) {
        if (isFault(error)) log.debug("heads of ledgers cannot be read now", { error });
        else log.error("heads of ledgers cannot be read", { error });
        await sleep(pollMs);
      }
    }
  }

  const running = run();
  return {
    wake() {
      if (waiters.size > 0) bell.ring();
    },
    async waitBeyond(id, sequence, signal) {
      if (signal.aborted || stopped) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter = { id, sequence, resolve };
      const abort = () => resolve();
      waiters.add(waiter);
      signal.addEventListener("abort", abort);
      bell.ring();
      try {
        await promise;
      } finally {
        waiters.delete(waiter);
        signal.removeEventListener("abort", abort);
      }
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      for (const { resolve } of waiters) resolve();
      bell.ring();
      await running;
    },
  };
}
