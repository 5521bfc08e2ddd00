// One batch of a consumer, in one SQL transaction: which messages are new, their effects, what has
// to wait, what is given up, and what all that releases. When the world fails, the batch is tried
// again, later and later; when a message is at fault, the batch is halved until it stands alone.

import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { isTimeout } from "../database/fault.ts";
import type { Pool, Tx } from "../database/pool.ts";
import { inTransaction, isFault } from "../database/transaction.ts";
import type { Log } from "../process/log.ts";
import type { consumerMetrics, Outcome } from "./consumer-metrics.ts";
import { writeDeadLetters } from "./dead-letters.ts";
import { type ContentOf, recordArrivals } from "./inbox.ts";
import type { RawMessage } from "./raw-message.ts";
import { release } from "./release.ts";
import { type Settled, type Settling, settle } from "./settle.ts";
import type { Delivery } from "./subscription.ts";

export type Running<D extends DescMessage> = {
  readonly pool: Pool;
  readonly settling: Settling<D>;
  readonly contentOf: ContentOf;
  readonly log: Log;
  readonly measure: ReturnType<typeof consumerMetrics>;
  readonly closing: AbortSignal;
  /** After the COMMIT that settles them. */
  done(batch: readonly Delivery[]): void;
};

/** A message that cannot be handled, and why. Nothing is written about it yet. */
export type Suspect = { readonly delivery: Delivery; readonly cause: unknown };

export type Found = {
  readonly suspects: readonly Suspect[];
  /** True when another message was handled. */
  readonly progressed: boolean;
};

/** So often a message alone may run out of time before that is its own fault. */
const timeoutsMax = 5;

/** Settles all but the suspects, unless the consumer closes while the world fails. */
export async function settleBatch<D extends DescMessage>(
  running: Running<D>,
  batch: readonly Delivery[],
): Promise<Found> {
  const { log, closing } = running;
  let timeouts = 0;
  for (let failures = 0; ; failures++) {
    try {
      return await settleTogether(running, batch);
    } catch (error) {
      if (isTimeout(error)) timeouts++;
      const tooSlow = isTimeout(error) && (batch.length > 1 || timeouts === timeoutsMax);
      if (tooSlow || !isFault(error)) return await divide(running, batch, error);
      if (failures === 0) log.warn("the consumer pauses", { error, messages: batch.length });
    }
    await pause(running, pauseMs(failures));
    if (closing.aborted) return { suspects: [], progressed: false };
  }
}

/** It counts as paused until something is settled: an attempt in between is no sign of health. */
export async function pause<D extends DescMessage>(
  { measure, closing }: Running<D>,
  forMs: number,
): Promise<void> {
  measure.paused(true);
  await sleep(forMs, undefined, { signal: closing }).catch(() => {});
}

export function pauseMs(failures: number, mostMs = 5_000): number {
  return Math.min(mostMs, 50 * 2 ** failures) * (0.5 + Math.random() / 2);
}

async function settleTogether<D extends DescMessage>(
  running: Running<D>,
  batch: readonly Delivery[],
): Promise<Found> {
  const { pool, measure, log } = running;
  const started = performance.now();
  const raws = batch.map(({ raw }) => raw);
  const { outcomes, released } = await inTransaction(pool, (tx) => write(tx, running, raws));
  measure.batch([...outcomes, ...released.map(outcomeOf)], performance.now() - started);
  for (const { raw, verdict } of released) {
    if (verdict.kind !== "dead") continue;
    const { messageId, subject } = raw;
    log.error("a parked event goes to the dead letters", { messageId, subject, ...verdict });
  }
  running.done(batch);
  const progressed = outcomes.some(({ outcome }) => outcome === "handled" || outcome === "parked");
  return { suspects: [], progressed };
}

async function write<D extends DescMessage>(
  tx: Tx,
  { settling, contentOf }: Running<D>,
  batch: readonly RawMessage[],
): Promise<{ outcomes: Outcome[]; released: readonly Settled[] }> {
  const { consumer } = settling;
  const arrivals = await recordArrivals(tx, consumer, batch, contentOf);
  const conflicts = batch.filter((_, index) => arrivals[index] === "conflict");
  const reason = DeadLetterReason.CONFLICT;
  const detail = "a message with this id and other content was settled before";
  await writeDeadLetters(
    tx,
    consumer,
    conflicts.map((raw) => ({ raw, reason, detail })),
  );

  const fresh = batch.filter((_, index) => arrivals[index] === "new");
  const { settled, arrived } = await settle(tx, settling, fresh);
  const released = await release(tx, settling, arrived);

  const ofFresh = settled.values();
  const outcomes = batch.map(({ subject }, index): Outcome => {
    const arrival = arrivals[index]!;
    if (arrival === "duplicate") return { subject, outcome: "duplicate" };
    if (arrival === "conflict") return { subject, outcome: "dead", reason };
    return outcomeOf(ofFresh.next().value!);
  });
  return { outcomes, released };
}

function outcomeOf({ raw: { subject }, verdict }: Settled): Outcome {
  if (verdict.kind !== "dead") return { subject, outcome: verdict.kind };
  return { subject, outcome: "dead", reason: verdict.reason };
}

/** The database or the handler objects to some message of the batch: find out to which. */
async function divide<D extends DescMessage>(
  running: Running<D>,
  batch: readonly Delivery[],
  cause: unknown,
): Promise<Found> {
  if (batch.length === 1) return { suspects: [{ delivery: batch[0]!, cause }], progressed: false };
  const half = batch.length >> 1;
  const first = await settleBatch(running, batch.slice(0, half));
  const second = await settleBatch(running, batch.slice(half));
  return {
    suspects: [...first.suspects, ...second.suspects],
    progressed: first.progressed || second.progressed,
  };
}
