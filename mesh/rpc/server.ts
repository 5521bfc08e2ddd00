// The mesh server: one TLS port for Connect, gRPC and gRPC-Web, with health, reflection and probes,
// and a stop that fails no call.

import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { openAccess } from "../identity/access.ts";
import { openTokenVerifier } from "../identity/token.ts";
import type { MeshConfig } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { createAdapter } from "./adapter.ts";
import { listenForBrowsers } from "./browser/listen.ts";
import { openCalls } from "./calls.ts";
import { createGate } from "./gate.ts";
import { listen } from "./listener.ts";
import { createProbes } from "./probes.ts";
import { createTally } from "./tally.ts";

export type ServerOptions = {
  /** Last part of the identity, for example `ledger-service`. */
  readonly service: string;
  readonly config: MeshConfig;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The service's own routes; health and reflection are added. */
  readonly routes: (router: ConnectRouter) => void;
  /** What keeps the service from doing its own job; empty: it is ready. */
  readonly readiness: () => readonly string[];
};

export type Server = AsyncDisposable & {
  readonly port: number;
  /** Undefined: it does not listen for browsers. */
  readonly browserPort: number | undefined;
};

const concurrencyMaxDefault = 512;
const streamsMaxDefault = 1_024;
/** For answers to calls that were aborted to reach their callers. */
const farewellMs = 500;

export async function startServer(options: ServerOptions): Promise<Server> {
  const { service, config, log, metrics } = options;
  const { jwksFile, concurrencyMax = concurrencyMaxDefault } = config;
  const stopping = new AbortController();
  const running = createTally();
  let refusing = false;
  const ready = () => !stopping.signal.aborted && isReady(options);
  const calls = openCalls({
    ...options,
    concurrencyMax,
    streamsMax: streamsMaxDefault,
    validateResponses: config.validateResponses,
    running,
    ready,
    stopping: stopping.signal,
    refusing: () => refusing,
  });
  // Both follow their files for as long as the server runs.
  using stack = new DisposableStack();
  const access = stack.use(openAccess(config.accessFile, { log, metrics }));
  const verifyToken = jwksFile
    ? stack.use(openTokenVerifier({ jwksFile, audience: service, log, metrics }))
    : undefined;
  const serve = calls.serveBehind(createGate({ access, verifyToken }));
  const fallback = createProbes({ access, metrics, ready });
  const handle = createAdapter({ routes: calls.routes, serve, fallback, log });
  const mesh = await listen({ ...config, log, metrics, handle });
  const shared = { ...calls, access, verifyToken, log, metrics };
  const listener = await listenForBrowsers(mesh, config.browser, shared);
  log.info("serving", { host: config.host, port: listener.port });
  const followed = stack.move();

  /**
   * Nobody is cut off: who watches our health leaves first, then who is connected is asked to.
   * What crosses that on the way is refused untouched, and may be sent to another server.
   */
  async function stop(): Promise<void> {
    stopping.abort();
    await sleep(config.lameDuckMs ?? 0);
    refusing = true;
    const answered = await listener.drain(config.drainTimeoutMs);
    if (!answered) {
      log.warn("calls are still open, aborting them", { drainTimeoutMs: config.drainTimeoutMs });
      calls.abort(new ConnectError(`${service} is stopping`, Code.Unavailable));
      await listener.drain(farewellMs);
    }
    // Handlers whose caller has its answer already, or has left.
    await running.whenNone(farewellMs);
    await listener.destroy();
    followed.dispose();
    log.info("served", { answered });
  }

  let stopped: Promise<void> | undefined;
  return {
    port: listener.port,
    browserPort: listener.browserPort,
    [Symbol.asyncDispose]() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** A check that throws is a reason not to be ready, not one to take the process down. */
function isReady({ readiness, log }: ServerOptions): boolean {
  try {
    return readiness().length === 0;
  } catch (error) {
    log.error("the readiness check failed", { error });
    return false;
  }
}
