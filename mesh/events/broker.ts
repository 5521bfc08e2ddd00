// The connection to the broker. Its one idea: the broker's absence is weather. Opening returns at
// once, the connection comes when it comes, and is made again forever.

import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import {
  connect,
  errors,
  type NatsConnection,
  type NodeConnectionOptions,
} from "@nats-io/transport-node";
import { inboxPrefixOf } from "../identity/nats-permissions.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { type BrokerAccess, brokerAccess } from "./broker-access.ts";
import { createRefusals } from "./broker-refusals.ts";
import { type Streams, streamsOf } from "./streams.ts";

export type BrokerOptions = BrokerAccess & {
  /** The identity of who connects, for example `ledger-service`. */
  readonly name: string;
  /** All events that are published to this broker or consumed from it: they name its streams. */
  readonly events: readonly DescMessage[];
  readonly log: Log;
  readonly metrics: Metrics;
  /** Most bytes a stream keeps. All streams together must fit the broker's disk. */
  readonly streamBytesMax?: number;
};

export type Broker = {
  readonly name: string;
  readonly streams: Streams;
  readonly connected: boolean;
  /** How long the connection has been away; zero while it stands. */
  readonly absentMs: number;
  /** Throws a fault while the broker has never been reached. */
  readonly connection: NatsConnection;
  js(): JetStreamClient;
  jsm(): Promise<JetStreamManager>;
  /** Calls back when the connection is lost; call what it returns to be told no more. */
  onDisconnect(lost: () => void): () => void;
  /** True once connected, false when that takes longer. */
  waitUntilConnected(timeoutMs: number): Promise<boolean>;
  readonly streamBytesMax: number;
};

/** The broker cannot be reached now. */
export class BrokerAbsent extends Error {
  override name = "BrokerAbsent";
  readonly code = "BROKER_ABSENT";
}

const streamBytesMaxDefault = 1024 ** 3;
const requestTimeoutMs = 5_000;
const flushMsMax = 2_000;

export function openBroker(options: BrokerOptions): AsyncDisposable & Broker {
  const { log, metrics } = options;
  const closing = new AbortController();
  const state: State = {
    connection: undefined,
    js: undefined,
    connected: false,
    lostAtMs: performance.now(),
    waiters: [],
    losers: new Set(),
  };
  const gauge = metrics.gauge({
    name: "bursar_broker_connected",
    help: "1 while the connection to the broker stands",
    across: "min",
  });
  const reconnects = metrics.counter({
    name: "bursar_broker_connections_total",
    help: "Connections to the broker that were made",
  });

  const setConnected = (connected: boolean) => {
    if (state.connected && !connected) state.lostAtMs = performance.now();
    state.connected = connected;
    gauge.set(connected ? 1 : 0);
    if (!connected) {
      for (const lost of [...state.losers]) lost();
      return;
    }
    reconnects.inc();
    for (const wake of state.waiters.splice(0)) wake(true);
  };
  setConnected(false);
  // Throws for an address that is none.
  const dialled = { ...brokerAccess(options, log), ...connectOptions };
  const keptUp = keepConnected(options, dialled, state, setConnected, closing.signal);

  return {
    name: options.name,
    streams: streamsOf(options.events),
    get connected() {
      return state.connected;
    },
    get absentMs() {
      return state.connected ? 0 : performance.now() - state.lostAtMs;
    },
    get connection() {
      return present(state.connection);
    },
    js: () => present(state.js),
    jsm: () => jetstreamManager(present(state.connection), managerOptions),
    onDisconnect(lost) {
      state.losers.add(lost);
      return () => state.losers.delete(lost);
    },
    waitUntilConnected: (timeoutMs) => waitUntilConnected(state, timeoutMs),
    streamBytesMax: options.streamBytesMax ?? streamBytesMaxDefault,
    async [Symbol.asyncDispose]() {
      for (const wake of state.waiters.splice(0)) wake(false);
      // What was said last, acknowledgements above all, should still be heard.
      const heard = state.connected ? state.connection?.flush() : undefined;
      await Promise.race([heard, sleep(flushMsMax, undefined, { ref: false })]).catch(() => {});
      closing.abort();
      await keptUp;
      log.debug("broker connection closed");
    },
  };
}

const managerOptions = { timeout: requestTimeoutMs, checkAPI: false };

type State = {
  connection: NatsConnection | undefined;
  js: JetStreamClient | undefined;
  connected: boolean;
  lostAtMs: number;
  readonly waiters: ((connected: boolean) => void)[];
  readonly losers: Set<() => void>;
};

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new BrokerAbsent("the broker has not been reached yet");
  return value;
}

function waitUntilConnected(state: State, timeoutMs: number): Promise<boolean> {
  if (state.connected || timeoutMs <= 0) return Promise.resolve(state.connected);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => wake(false), timeoutMs);
  const wake = (connected: boolean) => {
    clearTimeout(timer);
    const index = state.waiters.indexOf(wake);
    if (index >= 0) state.waiters.splice(index, 1);
    resolve(connected);
  };
  state.waiters.push(wake);
  return promise;
}

/** Dials until it succeeds, watches until the client gives up (it should not), and dials again. */
async function keepConnected(
  options: BrokerOptions,
  dialled: NodeConnectionOptions,
  state: State,
  setConnected: (connected: boolean) => void,
  closing: AbortSignal,
): Promise<void> {
  const { log } = options;
  const refused = createRefusals(options);
  let attempts = 0;
  while (!closing.aborted) {
    try {
      const connection = await dial(dialled, options.name, closing);
      if (connection === undefined) return;
      state.connection = connection;
      state.js = jetstream(connection, { timeout: requestTimeoutMs });
      setConnected(true);
      log.info("connected to the broker", { server: connection.getServer() });
      attempts = 0;
      await watch(connection, { log, refused }, setConnected, closing);
      if (!closing.aborted) log.error("the broker's client closed by itself; dialling again");
    } catch (error) {
      if (error instanceof errors.AuthorizationError) refused(error);
      else if (attempts++ === 0) log.warn("the broker cannot be reached; trying on", { error });
    }
    setConnected(false);
    if (!closing.aborted) await sleep(100 + Math.random() * 400);
  }
}

async function dial(
  options: NodeConnectionOptions,
  name: string,
  closing: AbortSignal,
): Promise<NatsConnection | undefined> {
  // Without waiting for the first connection, so that closing is not held up by a dial that hangs on.
  const connection = await connect({ ...options, name, inboxPrefix: inboxPrefixOf(name) });
  if (!closing.aborted) return connection;
  await connection.close();
  return undefined;
}

const connectOptions = {
  maxReconnectAttempts: -1,
  waitOnFirstConnect: false,
  reconnectTimeWait: 250,
  reconnectJitter: 250,
  // A half-open connection is noticed after about 20 seconds.
  pingInterval: 10_000,
  maxPingOut: 2,
  timeout: 5_000,
  ignoreAuthErrorAbort: true,
  noAsyncTraces: true,
} satisfies NodeConnectionOptions;

async function watch(
  connection: NatsConnection,
  { log, refused }: { readonly log: Log; readonly refused: (error: Error) => void },
  setConnected: (connected: boolean) => void,
  closing: AbortSignal,
): Promise<void> {
  const close = () => void connection.close();
  closing.addEventListener("abort", close, { once: true });
  for await (const status of connection.status()) {
    if (status.type === "disconnect") {
      setConnected(false);
      log.warn("disconnected from the broker", { server: status.server });
    }
    if (status.type === "reconnect") {
      setConnected(true);
      log.info("connected to the broker again", { server: status.server });
    }
    if (status.type === "error") refused(status.error);
  }
  await connection.closed();
  closing.removeEventListener("abort", close);
}
