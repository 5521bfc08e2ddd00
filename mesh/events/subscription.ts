// One durable consumer on a stream, as a supply of messages. Its one idea: stream and consumer are
// made again whenever they are missing, and what is held in memory stays ours for as long as it
// takes, because the broker is told that we are working on it.

import { setTimeout as sleep } from "node:timers/promises";
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { Broker } from "./broker.ts";
import {
  type DurableConsumer,
  ensureConsumer,
  findConsumer,
  isNarrowed,
  type Reading,
} from "./durable-consumer.ts";
import { readHeaders } from "./incoming-headers.ts";
import {
  digestOf,
  type Headers,
  headerOf,
  type RawMessage,
  storable,
  unreadableHeaders,
} from "./raw-message.ts";
import { streamMetrics } from "./stream-metrics.ts";
import { ensureStream } from "./streams.ts";

export type SubscriptionOptions = DurableConsumer & {
  /** Says what the consumer handles, before it reads; and which events it passes over. */
  announce(): Promise<readonly string[]>;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type Delivery = { readonly key: string; readonly raw: RawMessage };

export type Subscription = AsyncDisposable & {
  /** Waits for at least one message; none once the subscription is closing. */
  take(max: number): Promise<readonly Delivery[]>;
  /** What is there already, perhaps nothing. */
  takeWaiting(max: number): readonly Delivery[];
  /** What will most likely be taken next, the very same objects. */
  peek(max: number): readonly RawMessage[];
  /** Tells the broker that these are done. Lost in a crash, they come again: the inbox knows them. */
  acknowledge(deliveries: readonly Delivery[]): void;
  /** Ends `take`; what was taken can still be acknowledged. Disposing gives the rest back. */
  stop(): void;
};

/** Well within the time after which the broker gives up on us. */
const workingMs = 3_000;
const lagPollMs = 10_000;
const ackTimeoutMs = 2_000;

export function openSubscription(options: SubscriptionOptions): Subscription {
  const closing = new AbortController();
  const { signal } = closing;
  const state: State = {
    waiting: new Map(),
    inHand: new Map(),
    arrived: Promise.withResolvers<void>(),
    messages: undefined,
    reading: undefined,
    acknowledged: new Set(),
  };
  signal.addEventListener("abort", () => {
    state.messages?.stop();
    state.arrived.resolve();
  });
  const redeliveries = options.metrics.counter({
    name: "bursar_consumer_redeliveries_total",
    help: "Messages that were delivered before",
    labels: ["consumer"],
  });
  const accept = (message: JsMsg) => {
    if (message.redelivered) redeliveries.inc({ consumer: options.consumer });
    hold(state, message, options.stream);
  };
  const subscribed = keepSubscribed(options, state, accept, signal);
  const working = setInterval(() => stayOurs(state), workingMs);
  const watched = watchLag(options, state, signal);
  const raws = new WeakMap<JsMsg, RawMessage>();
  const rawOf = (message: JsMsg) => {
    let raw = raws.get(message);
    if (raw === undefined) {
      raw = rawMessage(message, options.stream);
      raws.set(message, raw);
    }
    return raw;
  };
  const takeWaiting = (max: number) => {
    const taken = [...state.waiting].slice(0, max);
    for (const [key, message] of taken) {
      state.waiting.delete(key);
      state.inHand.set(key, message);
    }
    if (state.waiting.size === 0 && taken.length > 0) state.arrived = Promise.withResolvers();
    return taken.map(([key, message]) => ({ key, raw: rawOf(message) }));
  };

  return {
    async take(max) {
      while (state.waiting.size === 0 && !signal.aborted) await state.arrived.promise;
      return signal.aborted ? [] : takeWaiting(max);
    },
    takeWaiting,
    peek: (max) => state.waiting.values().take(max).map(rawOf).toArray(),
    acknowledge: (deliveries) => acknowledge(state, deliveries),
    stop: () => closing.abort(),
    async [Symbol.asyncDispose]() {
      closing.abort();
      clearInterval(working);
      await Promise.all([subscribed, watched]);
      // Another instance need not wait until the broker gives up on us.
      for (const message of [...state.waiting.values(), ...state.inHand.values()]) {
        quietly(() => message.nak());
      }
      await Promise.all(state.acknowledged);
    },
  };
}

type State = {
  /** Both by stream sequence and message id: a redelivered copy takes the older one's place. */
  readonly waiting: Map<string, JsMsg>;
  readonly inHand: Map<string, JsMsg>;
  arrived: PromiseWithResolvers<void>;
  messages: ConsumerMessages | undefined;
  /** As it was last made sure of. */
  reading: Reading | undefined;
  readonly acknowledged: Set<Promise<unknown>>;
};

function hold(state: State, message: JsMsg, stream: string): void {
  const key = `${message.seq}/${messageIdOf(message, stream)}`;
  if (state.inHand.has(key)) {
    state.inHand.set(key, message);
    return;
  }
  state.waiting.set(key, message);
  state.arrived.resolve();
}

/** Acks of one connection are read in order: the answer to the last covers all before it. */
function acknowledge(state: State, deliveries: readonly Delivery[]): void {
  const messages = deliveries.flatMap(({ key }) => {
    const message = state.inHand.get(key);
    state.inHand.delete(key);
    return message === undefined ? [] : [message];
  });
  const last = messages.pop();
  for (const message of messages) quietly(() => message.ack());
  if (last === undefined) return;
  const answered = last.ackAck({ timeout: ackTimeoutMs }).catch(() => false);
  state.acknowledged.add(answered);
  void answered.then(() => state.acknowledged.delete(answered));
}

function stayOurs(state: State): void {
  for (const messages of [state.inHand, state.waiting]) {
    for (const message of messages.values()) quietly(() => message.working());
  }
}

/** What is not said because the connection is gone, the broker finds out by itself. */
function quietly(say: () => void): void {
  try {
    say();
  } catch {}
}

async function keepSubscribed(
  options: SubscriptionOptions,
  state: State,
  accept: (message: JsMsg) => void,
  closing: AbortSignal,
): Promise<void> {
  const { broker, consumer, stream, inFlightMax, log } = options;
  for (let failures = 0; !closing.aborted; ) {
    if (!(await broker.waitUntilConnected(250))) continue;
    try {
      await ensureStream(broker, stream);
      const subject = broker.streams.get(stream)!.subject;
      state.reading = { ...options, subject, passedOver: await options.announce() };
      await ensureConsumer(await broker.jsm(), state.reading, log);
      const handle = await broker.js().consumers.get(stream, consumer);
      const messages = await handle.consume({
        max_messages: inFlightMax,
        // Half of it is the heartbeat, and two missed ones tell that nobody serves us.
        expires: 10_000,
        abort_on_missing_resource: true,
      });
      state.messages = messages;
      if (closing.aborted) messages.stop();
      void stopWhenLost(messages, options);
      failures = 0;
      for await (const message of messages) accept(message);
    } catch (error) {
      if (!closing.aborted) log.warn("the subscription broke; subscribing again", { error });
    }
    failures++;
    await sleep(Math.random() * Math.min(5_000, 50 * 2 ** failures), undefined, {
      signal: closing,
    }).catch(() => {});
  }
}

/** Left alone, the client asks forever for what is no longer there. */
async function stopWhenLost(messages: ConsumerMessages, options: SubscriptionOptions) {
  const { log, consumer } = options;
  for await (const status of messages.status()) {
    const lost =
      status.type === "consumer_deleted" ||
      status.type === "consumer_not_found" ||
      status.type === "stream_not_found" ||
      status.type === "no_responders" ||
      (status.type === "heartbeats_missed" && status.count >= 2);
    if (status.type === "exceeded_limits") log.warn("the broker limits us", { consumer, status });
    if (!lost) continue;
    log.warn("the consumer is lost; making sure of it", { consumer, status: status.type });
    messages.stop();
    return;
  }
}

/** Also notices another release that has narrowed the consumer under us, and how full the stream is. */
async function watchLag(options: SubscriptionOptions, state: State, closing: AbortSignal) {
  const { broker, consumer, stream, metrics } = options;
  const measureStream = streamMetrics(metrics);
  const lag = metrics.gauge({
    name: "bursar_consumer_lag",
    help: "Messages on the stream that the consumer has not settled",
    labels: ["consumer"],
  });
  while (!closing.aborted) {
    await sleep(lagPollMs, undefined, { signal: closing }).catch(() => {});
    if (closing.aborted || !broker.connected) continue;
    try {
      const manager = await broker.jsm();
      await measureStream(manager, stream);
      const found = await findConsumer(manager, stream, consumer);
      if (found === undefined) continue;
      lag.set({ consumer }, found.num_pending + found.num_ack_pending);
      if (state.reading && isNarrowed(found, state.reading)) state.messages?.stop();
    } catch {
      // The next poll tells.
    }
  }
}

function rawMessage(message: JsMsg, stream: string): RawMessage {
  return {
    messageId: messageIdOf(message, stream),
    subject: storable(message.subject),
    stream,
    streamSequence: BigInt(message.seq),
    deliveryCount: message.info.deliveryCount,
    data: message.data,
    headers: headersOf(message),
  };
}

const messageIdLengthMax = 512;

/**
 * The event's own id, or the one the broker knows, as an index can hold it. A message that has
 * neither is known by its place on the stream.
 */
function messageIdOf(message: JsMsg, stream: string): string {
  const headers = headersOf(message);
  const id = headerOf({ headers }, "ce-id") || headerOf({ headers }, "Nats-Msg-Id") || "";
  if (id === "") return `${stream}/${message.seq}`;
  return id.length <= messageIdLengthMax ? id : `sha256/${digestOf(Buffer.from(id))}`;
}

const known = new WeakMap<JsMsg, Headers>();

/**
 * The client throws over a line that breaks their form, and the broker keeps such lines. Thrown on,
 * it would end the subscription every time the message comes, for all that stand behind it.
 */
function headersOf(message: JsMsg): Headers {
  let headers = known.get(message);
  if (headers === undefined) {
    try {
      headers = readHeaders(message).map(([name, value]) => [storable(name), storable(value)]);
    } catch (error) {
      headers = [[unreadableHeaders, storable(String(error))]];
    }
    known.set(message, headers);
  }
  return headers;
}
