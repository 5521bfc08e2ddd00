// The batch consumer. One SQL transaction a batch: which messages are new, their effects, what has
// to wait, what is given up. Only after COMMIT is the broker told. When the world fails, the
// consumer pauses with the batch in hand; when a message is at fault, the batch is halved until
// that message stands alone, and it goes to the dead letters.

import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { isTimeout } from "../database/fault.ts";
import type { Pool, Tx } from "../database/pool.ts";
import { inTransaction, isFault } from "../database/transaction.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { Broker } from "./broker.ts";
import { consumerMetrics, type Outcome, watchParked } from "./consumer-metrics.ts";
import { writeDeadLetters } from "./dead-letters.ts";
import { createDecoder, type Decoded, type RawMessage, type Received } from "./event.ts";
import { type ContentOf, recordArrivals } from "./inbox.ts";
import { release, type Settling, settle } from "./parking.ts";
import type { StreamName } from "./streams.ts";
import { type Delivery, openSubscription, type Subscription } from "./subscription.ts";

/** What a handler decides about one event. */
export type Verdict =
  | { readonly kind: "handled" }
  /** Waits in the database for what the key names, for example `order/ord_1`. */
  | { readonly kind: "parked"; readonly waitsFor: string }
  | { readonly kind: "dead"; readonly reason: DeadLetterReason; readonly detail: string };

export type Handled = {
  /** One for each event of the batch, in its order. */
  readonly verdicts: readonly Verdict[];
  /** Keys of what now exists; whoever waits for them is handled in the same SQL transaction. */
  readonly arrived: readonly string[];
};

/** May run more than once for the same events: its only effects are through `tx`. */
export type HandleBatch<D extends DescMessage> = (
  tx: Tx,
  batch: readonly Received<D>[],
) => Promise<Handled>;

export type ConsumerOptions<S extends readonly DescMessage[]> = {
  /** Name of the durable consumer, `<service>-<STREAM>`. */
  readonly consumer: string;
  readonly stream: StreamName;
  readonly events: S;
  readonly batchMax: number;
  readonly pool: Pool;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly handle: HandleBatch<S[number]>;
  /**
   * What an event says, without what may differ when the same is said again. A message with a known
   * id and other content is a conflict. Left out, every byte of the message counts.
   */
  readonly contentOf?: (event: Received<S[number]>) => Uint8Array;
  readonly afterCommit?: () => void;
};

/** Disposing finishes the batch in hand; what waits goes back to the broker. */
export function startConsumer<const S extends readonly DescMessage[]>(
  options: ConsumerOptions<S>,
): AsyncDisposable {
  const { consumer, stream, events, batchMax, broker, pool, metrics } = options;
  const log = options.log.child({ consumer });
  const closing = new AbortController();
  const decode = createDecoder<S[number]>(events);
  const subscription = openSubscription({
    consumer,
    stream,
    subjects: events.map(({ typeName }) => typeName),
    inFlightMax: 2 * batchMax,
    broker,
    log,
    metrics,
  });
  const running = run({
    options,
    log,
    subscription,
    closing: closing.signal,
    measure: consumerMetrics(metrics, consumer),
    settling: { consumer, decode, handle: options.handle },
    contentOf: createContentOf(decode, options.contentOf),
  });
  const watched = watchParked({ metrics, pool, consumer, closing: closing.signal });

  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      subscription.stop();
      await Promise.all([running, watched]);
      await subscription[Symbol.asyncDispose]();
    },
  };
}

type Running<S extends readonly DescMessage[]> = {
  readonly options: ConsumerOptions<S>;
  readonly settling: Settling<S[number]>;
  readonly contentOf: ContentOf;
  readonly subscription: Subscription;
  readonly log: Log;
  readonly measure: ReturnType<typeof consumerMetrics>;
  readonly closing: AbortSignal;
};

/** What cannot be decoded, or trips over its own content, counts by its bytes. */
function createContentOf<D extends DescMessage>(
  decode: (raw: RawMessage) => Decoded<D>,
  contentOf: ((event: Received<D>) => Uint8Array) | undefined,
): ContentOf {
  if (contentOf === undefined) return ({ data }) => data;
  return (raw) => {
    try {
      const decoded = decode(raw);
      return decoded.kind === "event" ? contentOf(decoded.event) : raw.data;
    } catch {
      return raw.data;
    }
  };
}

async function run<S extends readonly DescMessage[]>(running: Running<S>): Promise<void> {
  for (;;) {
    const batch = await running.subscription.take(running.options.batchMax);
    if (batch.length === 0) return;
    await finish(running, batch);
  }
}

/** Settles the batch whatever it takes, unless the consumer closes while the world fails. */
async function finish<S extends readonly DescMessage[]>(
  running: Running<S>,
  batch: readonly Delivery[],
): Promise<void> {
  const { options, log, closing, measure } = running;
  for (let failures = 0; ; failures++) {
    try {
      const started = performance.now();
      const raws = batch.map(({ raw }) => raw);
      const outcomes = await inTransaction(options.pool, (tx) => settleBatch(tx, running, raws));
      measure.batch(outcomes, performance.now() - started);
      return done(running, batch);
    } catch (error) {
      if (!isFault(error) || (isTimeout(error) && batch.length > 1)) {
        return divide(running, batch, error);
      }
      if (failures === 0) log.warn("the consumer pauses", { error, messages: batch.length });
    }
    measure.paused(true);
    await sleep(pauseMs(failures), undefined, { signal: closing }).catch(() => {});
    measure.paused(false);
    if (closing.aborted) return;
  }
}

function pauseMs(failures: number): number {
  return Math.min(5_000, 50 * 2 ** failures) * (0.5 + Math.random() / 2);
}

async function settleBatch<S extends readonly DescMessage[]>(
  tx: Tx,
  { settling, contentOf }: Running<S>,
  batch: readonly RawMessage[],
): Promise<Outcome[]> {
  const { consumer } = settling;
  const arrivals = await recordArrivals(tx, consumer, batch, contentOf);
  const conflicts = batch.filter((_, index) => arrivals[index] === "conflict");
  const detail = "a message with this id and other content was settled before";
  await writeDeadLetters(
    tx,
    consumer,
    conflicts.map((raw) => ({ raw, reason: DeadLetterReason.CONFLICT, detail })),
  );

  const fresh = batch.filter((_, index) => arrivals[index] === "new");
  const settled = await settle(tx, settling, fresh);
  await release(tx, { ...settling, arrived: settled.arrived });

  const verdicts = settled.verdicts.values();
  return batch.map(({ subject }, index): Outcome => {
    const arrival = arrivals[index]!;
    if (arrival === "duplicate") return { subject, outcome: "duplicate" };
    if (arrival === "conflict") {
      return { subject, outcome: "dead", reason: DeadLetterReason.CONFLICT };
    }
    const verdict = verdicts.next().value!;
    if (verdict.kind !== "dead") return { subject, outcome: verdict.kind };
    return { subject, outcome: "dead", reason: verdict.reason };
  });
}

function done<S extends readonly DescMessage[]>(
  { subscription, options, log }: Running<S>,
  batch: readonly Delivery[],
): void {
  subscription.acknowledge(batch);
  try {
    options.afterCommit?.();
  } catch (error) {
    log.error("afterCommit failed", { error });
  }
}

/** The database or the handler objects to some message of the batch: find out to which. */
async function divide<S extends readonly DescMessage[]>(
  running: Running<S>,
  batch: readonly Delivery[],
  error: unknown,
): Promise<void> {
  const [first] = batch;
  if (batch.length > 1) {
    const half = batch.length >> 1;
    await finish(running, batch.slice(0, half));
    await finish(running, batch.slice(half));
  } else if (first !== undefined) await bury(running, first, error);
}

async function bury<S extends readonly DescMessage[]>(
  running: Running<S>,
  delivery: Delivery,
  cause: unknown,
): Promise<void> {
  const { options, contentOf, log, closing, measure } = running;
  const { raw } = delivery;
  const { messageId, subject } = raw;
  const reason = DeadLetterReason.BUG;
  log.error("a message cannot be handled and goes to the dead letters", {
    messageId,
    subject,
    error: cause,
  });
  for (let failures = 0; ; failures++) {
    try {
      await inTransaction(options.pool, async (tx) => {
        await recordArrivals(tx, options.consumer, [raw], contentOf);
        await writeDeadLetters(tx, options.consumer, [{ raw, reason, detail: String(cause) }]);
      });
      measure.batch([{ subject, outcome: "dead", reason }], 0);
      return done(running, [delivery]);
    } catch (error) {
      log.error("the dead letter cannot be written; trying on", { messageId, error });
    }
    await sleep(pauseMs(failures), undefined, { signal: closing }).catch(() => {});
    if (closing.aborted) return;
  }
}
