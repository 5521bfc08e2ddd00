// The worker behind CreateReplay: takes the oldest replay that runs, a bounded batch at a time, and
// gives way to the door before each. Every batch moves the replay's row forward in the SQL
// transaction that writes down what it did, so that whoever leads next goes on from there.

import { setTimeout as sleep } from "node:timers/promises";
import { ReplayState } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { whileLeading } from "#mesh/database/lead.ts";
import { isFault } from "#mesh/database/transaction.ts";
import type { Log } from "#mesh/process/log.ts";
import { countDeliveries, type StoredDelivery, selectOnwards } from "../delivery-rows.ts";
import { type Again, type HandlingAgain, handleAgain } from "./handle-again.ts";
import {
  advance,
  begin,
  end,
  Overtaken,
  type ReplayRow,
  selectRunning,
  type Tally,
} from "./rows.ts";

export type ReplayerOptions = HandlingAgain & {
  readonly log: Log;
  /** True while the door has something to do: it goes first. */
  readonly doorBusy: () => boolean;
};

/** Few enough that a batch is soon done, and that the broker writes its events with one sync. */
const batchMax = 64;
/** How long a batch gives way to a door that is busy, at most: a replay must end some day. */
const giveWayMsMax = 100;
const giveWayMs = 10;
const lookMs = 1_000;
const leadName = "webhook-gateway/replay";
const pauseMsMax = 10_000;

/** Disposing finishes the batch in hand. */
export function startReplayer(options: ReplayerOptions): AsyncDisposable {
  const closing = new AbortController();
  const running = keepReplaying(options, closing.signal);
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}

async function keepReplaying(options: ReplayerOptions, closing: AbortSignal): Promise<void> {
  const { pool, log } = options;
  for (let failures = 0; !closing.aborted; ) {
    let pauseMs = lookMs;
    try {
      // Looking costs no lead: most of the time there is nothing to do.
      if (await selectRunning(pool)) {
        await whileLeading(pool, leadName, () => replayAll(options, closing));
      }
      failures = 0;
    } catch (error) {
      pauseMs = Math.min(pauseMsMax, lookMs * 2 ** failures++);
      log.warn("replaying is interrupted; it goes on where it stopped", { error });
    }
    await sleep(pauseMs, undefined, { signal: closing }).catch(() => {});
  }
}

async function replayAll(options: ReplayerOptions, closing: AbortSignal): Promise<void> {
  while (!closing.aborted) {
    const replay = await selectRunning(options.pool);
    if (replay === undefined) return;
    await step(options, replay);
    await giveWay(options);
  }
}

async function giveWay({ doorBusy }: ReplayerOptions): Promise<void> {
  for (let waitedMs = 0; waitedMs < giveWayMsMax && doorBusy(); waitedMs += giveWayMs) {
    await sleep(giveWayMs);
  }
}

async function step(options: ReplayerOptions, replay: ReplayRow): Promise<void> {
  const { pool, log } = options;
  const { replayId, filter, deliveryIdMax, position } = replay;
  if (replay.selected === null) {
    return begin(pool, replayId, await countDeliveries(pool, filter, deliveryIdMax));
  }
  const from = { after: position, deliveryIdMax };
  const deliveries = await selectOnwards(pool, filter, from, batchMax);
  if (deliveries.length === 0) return end(pool, replayId, ReplayState.DONE);
  try {
    await handleAndAdvance(options, replay, deliveries);
  } catch (error) {
    if (isFault(error) || error instanceof Overtaken) throw error;
    log.error("webhooks cannot be replayed together; one by one", { replayId, error });
    let reached = replay;
    for (const delivery of deliveries) {
      await handleAlone(options, reached, delivery);
      reached = { ...reached, position: delivery };
    }
  }
}

function handleAndAdvance(
  options: ReplayerOptions,
  replay: ReplayRow,
  deliveries: readonly StoredDelivery[],
) {
  const last = deliveries.at(-1)!;
  return handleAgain(options, deliveries, (tx, results) =>
    advance(tx, replay, last, tallyOf(results)),
  );
}

/** One that trips over our code is told in the log, and holds up nobody behind it. */
async function handleAlone(
  options: ReplayerOptions,
  replay: ReplayRow,
  delivery: StoredDelivery,
): Promise<void> {
  try {
    await handleAndAdvance(options, replay, [delivery]);
  } catch (error) {
    if (isFault(error) || error instanceof Overtaken) throw error;
    const { webhookId } = delivery;
    options.log.error("a webhook cannot be replayed", { webhookId, error });
    const givenUp = tallyOf([{ kind: "given-up", detail: String(error) }]);
    await options.pool.begin((tx) => advance(tx, replay, delivery, givenUp));
  }
}

function tallyOf(results: readonly Again[]): Tally {
  const count = (is: (again: Again) => boolean) => results.filter(is).length;
  return {
    handled: count(({ kind }) => kind !== "missing"),
    changed: count((again) => again.kind === "handled" && again.changed),
    missing: count(({ kind }) => kind === "missing"),
    givenUp: count(({ kind }) => kind === "given-up"),
  };
}
