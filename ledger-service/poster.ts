// Where callers' requests become batches. Requests that arrive while a batch of their ledger
// commits queue up and form the next one: a lone request never waits, many share one commit.

import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import { currentTraceparent, outsideSpans } from "#mesh/telemetry/trace.ts";
import { type Answer, type Asked, answerCommands } from "./answer.ts";
import type { Command } from "./rules/commands.ts";

export type Poster = AsyncDisposable & {
  /**
   * One answer a command, in the same order; the commands share a batch when there is room. A
   * signal that is aborted keeps a command out of the next batch; once in a batch it is decided.
   */
  submit(
    ledgerId: string,
    commands: readonly Command[],
    signal: AbortSignal,
  ): Promise<readonly Answer[]>;
};

export type PosterOptions = {
  readonly pool: Pool;
  readonly metrics: Metrics;
  readonly afterCommit?: () => void;
};

/** Bounds of a batch, so that a lock is held for milliseconds. */
const batchCommandsMax = 1_000;
const batchEntriesMax = 8_000;
/** Bound of all queues together, in entries: memory, and patience. */
const queuedEntriesMax = 100_000;
const attemptsMax = 3;
const pauseMsMax = 250;

type Item = Asked & {
  readonly weight: number;
  readonly signal: AbortSignal;
  readonly answer: PromiseWithResolvers<Answer>;
};

type Lane = { readonly items: Item[]; running: Promise<void> };

export function startPoster({ pool, metrics, afterCommit }: PosterOptions): Poster {
  const lanes = new Map<string, Lane>();
  let queuedEntries = 0;
  let stopped = false;
  metrics.gauge({
    name: "bursar_ledger_queued_entries",
    help: "Entries of requests that wait for a batch",
    collect: (gauge) => gauge.set(queuedEntries),
  });
  const batchSizes = metrics.histogram({
    name: "bursar_ledger_batch_requests",
    help: "Requests of callers that were committed together",
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
  });

  async function drain(ledgerId: string, lane: Lane): Promise<void> {
    while (lane.items.length > 0) {
      const batch = take(lane.items);
      for (const { weight } of batch) queuedEntries -= weight;
      const waiting = batch.filter(isWanted);
      if (waiting.length === 0) continue;
      batchSizes.observe(waiting.length);
      await settle(ledgerId, waiting);
    }
    lanes.delete(ledgerId);
  }

  /** Never throws: every item gets its answer or its error. */
  async function settle(ledgerId: string, items: readonly Item[]): Promise<void> {
    try {
      const answers = await commit(ledgerId, items);
      for (const [place, item] of items.entries()) item.answer.resolve(answers[place]!);
      afterCommit?.();
    } catch (error) {
      if (isFault(error) || items.length === 1) {
        for (const item of items) item.answer.reject(error);
        return;
      }
      // Something in the batch is more than the database accepts: find it, let the others pass.
      const middle = items.length >> 1;
      await settle(ledgerId, items.slice(0, middle));
      await settle(ledgerId, items.slice(middle));
    }
  }

  /** After a fault nobody knows whether it was committed. It is run again: the keys know. */
  async function commit(ledgerId: string, items: readonly Item[]): Promise<readonly Answer[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTransaction(pool, (tx) => answerCommands(tx, ledgerId, items));
      } catch (error) {
        if (!isFault(error) || attempt === attemptsMax) throw error;
      }
      await sleep(Math.random() * pauseMsMax);
    }
  }

  return {
    async submit(ledgerId, commands, signal) {
      if (stopped) throw refuse(Code.Unavailable, "the ledger service is stopping");
      const items = commands.map((command) => createItem(command, signal));
      const weight = items.reduce((sum, item) => sum + item.weight, 0);
      if (queuedEntries > 0 && queuedEntries + weight > queuedEntriesMax) {
        throw refuse(Code.ResourceExhausted, "too many requests are queued, try again later");
      }
      queuedEntries += weight;
      const lane = lanes.get(ledgerId) ?? { items: [], running: Promise.resolve() };
      lane.items.push(...items);
      if (!lanes.has(ledgerId)) {
        lanes.set(ledgerId, lane);
        // It works for the calls that come after this one, too.
        lane.running = outsideSpans(() => drain(ledgerId, lane));
      }
      return Promise.all(items.map(({ answer }) => answer.promise));
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await Promise.all([...lanes.values()].map(({ running }) => running));
    },
  };
}

function createItem(command: Command, signal: AbortSignal): Item {
  const weight = command.kind === "post" ? command.draft.entries.length : 1;
  const traceparent = currentTraceparent();
  return { command, traceparent, weight, signal, answer: Promise.withResolvers() };
}

function take(items: Item[]): Item[] {
  let count = 0;
  let entries = 0;
  for (const { weight } of items) {
    if (count === batchCommandsMax || (count > 0 && entries + weight > batchEntriesMax)) break;
    count += 1;
    entries += weight;
  }
  return items.splice(0, count);
}

function isWanted({ signal, answer }: Item): boolean {
  if (!signal.aborted) return true;
  answer.reject(signal.reason);
  return false;
}
