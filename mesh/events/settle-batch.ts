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
import { batchSpan } from "../telemetry/messaging.ts";
import { withSpan } from "../telemetry/trace.ts";
import type { consumerMetrics, Outcome } from "./consumer-metrics.ts";
import { reasonName, writeDeadLetters } from "./dead-letters.ts";
import { type ContentOf, recordArrivals } from "./inbox.ts";
import { type EventVersions, passOver } from "./pass-over.ts";
import { headerOf, type RawMessage } from "./raw-message.ts";
import { release } from "./release.ts";
import { isSchemaKey } from "./schema-key.ts";
import { endSpans, readableOf, type Settled, type Settling, settle } from "./settle.ts";
import type { Delivery } from "./subscription.ts";

export type Running<D extends DescMessage> = {
  readonly pool: Pool;
  readonly stream: string;
  readonly settling: Settling<D>;
  /** Events on the stream that are not for this consumer. */
  readonly others: EventVersions;
  readonly contentOf: ContentOf;
  readonly log: Log;
  readonly measure: ReturnType<typeof consumerMetrics>;
  readonly closing: AbortSignal;
  /** Of what leaves no row. */
  acknowledge(batch: readonly Delivery[]): void;
  /** After the COMMIT that settles them. */
  done(batch: readonly Delivery[]): void;
  /** After any COMMIT. */
  committed(): void;
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
  const { pool, settling, measure, others } = running;
  const started = performance.now();
  const { mine, passedOver } = await passOver(pool, settling.consumer, others, batch);
  // At once: in a minute it may be another release's, which reads the stream again.
  if (passedOver.length > 0) running.acknowledge(passedOver);
  const raws = mine.map(({ raw }) => raw);
  await settling.prepare?.(readableOf(settling, raws));
  const written = raws.length > 0 ? await writeTogether(running, raws) : undefined;
  measure.passedOver(passedOver.map(({ raw }) => raw.subject));
  if (written) {
    const outcomes = [...written.outcomes, ...written.released.map(outcomeOf)];
    measure.batch(outcomes, performance.now() - started, written.settled[0]?.span);
    endSpans([...written.settled, ...written.released]);
    tellOfReleased(running, written.released);
  }
  running.done(mine);
  return { suspects: [], progressed: written?.settled.some(isProgress) ?? false };
}

/** To wait for a release that knows its schema is no sign that anything can be handled. */
export function isProgress({ verdict }: Settled): boolean {
  if (verdict.kind === "parked") return !isSchemaKey(verdict.waitsFor);
  return verdict.kind === "handled";
}

/** Nothing of what it says: a reason may quote the message. */
export function tellOfReleased<D extends DescMessage>(
  { log }: Pick<Running<D>, "log">,
  released: readonly Settled[],
): void {
  for (const { raw, verdict } of released) {
    if (verdict.kind !== "dead") continue;
    const { messageId, subject } = raw;
    const reason = reasonName(verdict.reason);
    log.error("a parked event goes to the dead letters", { messageId, subject, reason });
  }
}

type Written = {
  readonly outcomes: readonly Outcome[];
  readonly settled: readonly Settled[];
  readonly released: readonly Settled[];
};

function writeTogether<D extends DescMessage>(
  running: Running<D>,
  batch: readonly RawMessage[],
): Promise<Written> {
  const { pool, stream, settling } = running;
  const settled = () => inTransaction(pool, (tx) => write(tx, running, batch));
  // An event that comes alone has a span of its own.
  if (batch.length === 1) return settled();
  const traceparents = batch.map((raw) => headerOf(raw, "traceparent"));
  return withSpan(batchSpan({ consumer: settling.consumer, stream }, traceparents), settled);
}

async function write<D extends DescMessage>(
  tx: Tx,
  { settling, contentOf }: Running<D>,
  batch: readonly RawMessage[],
): Promise<Written> {
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
  const known = batch.filter((_, index) => arrivals[index] === "duplicate");
  if (settling.repeated && known.length > 0) {
    await settling.repeated(tx, readableOf(settling, known));
  }

  const ofFresh = settled.values();
  const outcomes = batch.map(({ subject }, index): Outcome => {
    const arrival = arrivals[index]!;
    if (arrival === "duplicate") return { subject, outcome: "duplicate" };
    if (arrival === "conflict") return { subject, outcome: "dead", reason };
    return outcomeOf(ofFresh.next().value!);
  });
  return { outcomes, settled, released };
}

export function outcomeOf({ raw: { subject }, verdict }: Settled): Outcome {
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
