// Where callers' requests become batches. Requests that arrive while a batch of their ledger
// commits queue up and form the next one: a lone request never waits, many share one commit.

import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction, isFault } from "#mesh/database/transaction.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import { currentTraceparent, outsideSpans } from "#mesh/telemetry/trace.ts";
import { type Answer, answerCommands } from "./answer.ts";
import type { Command } from "./rules/commands.ts";
import { type Asked, unitsOf } from "./rules/link-groups.ts";

export type Poster = AsyncDisposable & {
  /**
   * One answer a command, in the same order; the commands share a batch when there is room, and
   * those of a link group always do. A signal that is aborted keeps a command out of the next
   * batch; once in a batch it is decided.
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
export const batchEntriesMax = 8_000;
/** Bound of all queues together, in entries: memory, and patience. */
const queuedEntriesMax = 100_000;
/** A reversal does not say how many entries there are to look at: more than most have. */
const reversalWeightMin = 50;
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
      const units = unitsOf(items);
      if (isFault(error) || units.length === 1) {
        for (const item of items) item.answer.reject(error);
        return;
      }
      // Something in the batch is more than the database accepts: find it, let the others pass.
      const middle = units.length >> 1;
      await settle(ledgerId, units.slice(0, middle).flat());
      await settle(ledgerId, units.slice(middle).flat());
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
      const items = createItems(commands, signal);
      const weight = items.reduce((sum, item) => sum + item.weight, 0);
      if (queuedEntries > 0 && queuedEntries + weight > queuedEntriesMax) {
        throw refuse(Code.ResourceExhausted, "too many requests are queued, try again later");
      }
      queuedEntries += weight;
      const lane = lanes.get(ledgerId) ?? { items: [], running: Promise.resolve() };
      lane.items.push(...groupedItems(items));
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

function createItems(commands: readonly Command[], signal: AbortSignal): Item[] {
  const traceparent = currentTraceparent();
  const groups = new Map<string, object>();
  return commands.map((command, place) => {
    const group = groupOf(groups, command);
    const weight = weightOf(command);
    return { command, place, group, traceparent, weight, signal, answer: Promise.withResolvers() };
  });
}

/** A link group is of one call: another call's group of the same name is another one. */
function groupOf(groups: Map<string, object>, command: Command): object | undefined {
  const name = command.kind === "post" ? command.linkGroup : undefined;
  if (name === undefined) return undefined;
  const group = groups.get(name) ?? {};
  groups.set(name, group);
  return group;
}

/** What it makes a batch read and write, in entries. */
export function weightOf(command: Command): number {
  if (command.kind === "reverse") return Math.max(reversalWeightMin, command.parts?.length ?? 0);
  if (command.kind !== "post") return 1;
  return command.draft.entries.length + (command.preconditions?.length ?? 0);
}

/** Those of a link group side by side, where the first of them stands. */
function groupedItems(items: Item[]): Item[] {
  if (!items.some(({ group }) => group)) return items;
  const groups = Map.groupBy(items, (item) => item.group ?? item);
  return [...groups.values()].flat();
}

/** As many as a batch holds, and no part of a link group without the rest. */
function take(items: Item[]): Item[] {
  let count = 0;
  let entries = 0;
  while (count < items.length) {
    const unit = firstUnit(items, count);
    const weight = unit.reduce((sum, item) => sum + item.weight, 0);
    const isFull = count + unit.length > batchCommandsMax || entries + weight > batchEntriesMax;
    if (count > 0 && isFull) break;
    count += unit.length;
    entries += weight;
  }
  return items.splice(0, count);
}

function firstUnit(items: readonly Item[], from: number): Item[] {
  const group = items[from]?.group;
  let end = from + 1;
  while (group && items[end]?.group === group) end += 1;
  return items.slice(from, end);
}

function isWanted({ signal, answer }: Item): boolean {
  if (!signal.aborted) return true;
  answer.reject(signal.reason);
  return false;
}
