// Writes down that holds have expired, where nobody's request or payment did so before: balances
// are right without it, but who follows the ledger's events is told only then. Every process does
// it; the lock of a ledger's head keeps them apart, and a ledger that cannot be written waits by
// itself.

import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { expireDueHolds } from "../rules/hold-books.ts";
import { type DueLedger, findDueHolds, readDueLedgers } from "../store/due-holds.ts";
import { lockHeads } from "../store/heads.ts";
import { createNeeds, loadBooks } from "../store/load.ts";
import { writeBooks } from "../store/write.ts";

export type HoldExpiryOptions = {
  readonly pool: Pool;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly afterCommit?: () => void;
  /** Between two looks, on average. */
  readonly pauseMs?: number;
};

const pauseMsUsual = 1_000;
/** Holds a batch: few enough to hold the lock of a head for milliseconds. */
const batchMax = 200;

export function startHoldExpiry(options: HoldExpiryOptions): AsyncDisposable {
  const { metrics, pauseMs = pauseMsUsual } = options;
  const stopping = new AbortController();
  const due = metrics.gauge({
    name: "bursar_ledger_holds_due",
    help: "Holds whose time is over, when last looked at, that nobody has written down as expired",
  });
  const expired = metrics.counter({
    name: "bursar_ledger_holds_expired_total",
    help: "Holds that this process wrote down as expired because nobody else had",
  });
  const sweeping = { ...options, due, expired, signal: stopping.signal };

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await sweep(sweeping);
      const jitter = 0.5 + Math.random();
      await sleep(pauseMs * jitter, undefined, { signal: stopping.signal }).catch(() => {});
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

type Sweeping = Pick<HoldExpiryOptions, "pool" | "log" | "afterCommit"> & {
  readonly due: { set(value: number): void };
  readonly expired: { inc(by: number): void };
  readonly signal: AbortSignal;
};

/** Never throws: what fails now is due at the next look, too. */
async function sweep(sweeping: Sweeping): Promise<void> {
  const { pool, log, due } = sweeping;
  try {
    const ledgers = await readDueLedgers(pool);
    let left = ledgers.reduce((sum, { count }) => sum + count, 0);
    due.set(left);
    for (const ledger of ledgers) {
      left -= await sweepLedger(sweeping, ledger);
      due.set(Math.max(left, 0));
    }
  } catch (error) {
    log.warn("holds that are due cannot be looked for now", { error });
  }
}

/** Answers how many were due and are not now. */
async function sweepLedger(sweeping: Sweeping, ledger: DueLedger): Promise<number> {
  const { pool, log, expired, afterCommit, signal } = sweeping;
  let gone = 0;
  try {
    while (!signal.aborted) {
      const sequences = await findDueHolds(pool, ledger.id, batchMax);
      const written = await inTransaction(pool, (tx) => expireHolds(tx, ledger, sequences));
      gone += sequences.length;
      if (written > 0) {
        expired.inc(written);
        afterCommit?.();
      }
      // Fewer, too, where another process was faster: what is left is found at the next look.
      if (written < batchMax) break;
    }
  } catch (error) {
    const { ledgerId } = ledger;
    if (isFault(error)) log.warn("holds of a ledger cannot expire now", { ledgerId, error });
    else log.error("holds of a ledger cannot expire", { ledgerId, error });
  }
  return gone;
}

/** Those that nobody else has written down since they were found; answers how many. */
async function expireHolds(
  tx: Tx,
  { ledgerId }: DueLedger,
  sequences: readonly bigint[],
): Promise<number> {
  if (sequences.length === 0) return 0;
  const heads = await lockHeads(tx, [ledgerId]);
  const needs = createNeeds();
  for (const sequence of sequences) needs.holds.add(sequence);
  const loaded = await loadBooks(tx, heads, [needs]);
  const count = loaded.reduce((sum, { books }) => sum + expireDueHolds(books), 0);
  await writeBooks(tx, loaded);
  return count;
}
