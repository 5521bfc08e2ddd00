// The mesh server: one TLS port for Connect, gRPC and gRPC-Web, with health,
// reflection and probes. A call passes gate → limits → record → errors →
// deadline → validation → handler, and is denied unless a policy allows it.

import assert from "node:assert/strict";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { type Access, readAccess } from "../identity/access.ts";
import { createTokenVerifier } from "../identity/token.ts";
import { warmUp } from "../policy/validation.ts";
import type { MeshConfig } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { createAdapter } from "./adapter.ts";
import { createRecorder, type Recorder, recordKey } from "./call-record.ts";
import { createGate, type Gate } from "./gate.ts";
import { healthService } from "./health.ts";
import { callKey, deadline } from "./interceptors/deadline.ts";
import { errorMapping, mapError } from "./interceptors/errors.ts";
import { recording } from "./interceptors/recording.ts";
import { validation } from "./interceptors/validation.ts";
import { checkQuery } from "./json-door.ts";
import { type Handle, listen } from "./listener.ts";
import { createProbes } from "./probes.ts";
import { reflectionService } from "./reflection.ts";
import {
  compressions,
  guardHandler,
  type MethodRule,
  openRulesOf,
  ruledRouter,
  rulesOf,
} from "./routing.ts";
import { createTally, type Tally } from "./tally.ts";

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

export type Server = AsyncDisposable & { readonly port: number };

const readBytesMax = 4 * 1024 * 1024;
const writeBytesMax = 16 * 1024 * 1024;
/** For answers to calls that were aborted to reach their callers. */
const farewellMs = 500;

export async function startServer(options: ServerOptions): Promise<Server> {
  const { service, config, log, metrics } = options;
  const stopping = new AbortController();
  const aborting = new AbortController();
  const running = createTally();
  const parts: Parts = {
    access: readAccess(config.accessFile),
    recorder: createRecorder(log, metrics),
    running,
    ready: () => !stopping.signal.aborted && isReady(options),
    stopping: stopping.signal,
    aborting: aborting.signal,
  };
  const handle = createHandle(options, parts);
  const listener = await listen({ ...config, log, handle });
  log.info("serving", { host: config.host, port: listener.port });

  async function stop(): Promise<void> {
    stopping.abort();
    const answered = await listener.drain(config.drainTimeoutMs);
    if (!answered) {
      log.warn("calls are still open, aborting them", { drainTimeoutMs: config.drainTimeoutMs });
      aborting.abort(new ConnectError(`${service} is stopping`, Code.Unavailable));
      await listener.drain(farewellMs);
    }
    // Handlers whose caller has its answer already, or has left.
    await running.whenNone(farewellMs);
    await listener.destroy();
    log.info("served", { answered });
  }

  let stopped: Promise<void> | undefined;
  return {
    port: listener.port,
    [Symbol.asyncDispose]() {
      stopped ??= stop();
      return stopped;
    },
  };
}

type Parts = {
  readonly access: Access;
  readonly recorder: Recorder;
  readonly running: Tally;
  readonly ready: () => boolean;
  /** The server takes no new calls. */
  readonly stopping: AbortSignal;
  /** Calls still open are aborted. */
  readonly aborting: AbortSignal;
};

function createHandle(options: ServerOptions, parts: Parts): Handle {
  const { service, log } = options;
  const { access, recorder } = parts;
  const rules = new Map<DescMethod, MethodRule>();
  const { jwksFile } = options.config;
  const verifyToken = jwksFile && createTokenVerifier({ jwksFile, audience: service });
  const gate = createGate({
    ruleOf: (method) => rules.get(method)?.gate,
    access,
    verifyToken: verifyToken || undefined,
  });
  const router = createConnectRouter({
    requestGate: (context) => admit(context, gate, rules, recorder, log),
    interceptors: [
      recording(recorder),
      errorMapping(log),
      deadline(parts.running, log),
      validation,
    ],
    acceptCompression: compressions,
    readMaxBytes: readBytesMax,
    writeMaxBytes: writeBytesMax,
    shutdownSignal: parts.aborting,
  });
  const own = { service, readMaxBytes: readBytesMax };
  options.routes(ruledRouter(router, rules, (desc) => rulesOf(desc, own)));
  const open = (desc: DescService) => openRulesOf(desc, readBytesMax);
  addMeshRoutes(ruledRouter(router, rules, open), parts);
  warmUp([...rules.keys()].map(({ input }) => input));
  const handlers = router.handlers.map((handler) => {
    const rule = rules.get(handler.method);
    assert(rule, `${handler.requestPath} has no rule`);
    return guardHandler(handler, rule, recorder);
  });
  const fallback = createProbes({ access, metrics: options.metrics, ready: parts.ready });
  return createAdapter({ handlers, fallback, log });
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

/** Health and reflection, about every service of the router. */
function addMeshRoutes(router: ConnectRouter, { ready, stopping }: Parts): void {
  const services = () => [...new Set(router.handlers.map((handler) => handler.service))];
  const names = new Set(services().map(({ typeName }) => typeName));
  router.service(Health, healthService({ ready, services: names, stopping }));
  router.service(ServerReflection, reflectionService(services));
}

/** The gate, the checks that need no body, and the call as its handler will find it. */
async function admit(
  context: HandlerContext,
  gate: Gate,
  rules: ReadonlyMap<DescMethod, MethodRule>,
  recorder: Recorder,
  log: Log,
): Promise<void> {
  const record = context.values.get(recordKey);
  assert(record);
  try {
    const caller = await gate(context);
    record.identity = caller.identity;
    const door = rules.get(context.method)?.door;
    if (context.requestMethod === "GET" && door) {
      await checkQuery(door, new URL(context.url).searchParams);
    }
    const timeoutMs = context.timeoutMs();
    context.values.set(callKey, {
      deadlineAt: timeoutMs === undefined ? undefined : performance.now() + timeoutMs,
      traceparent: record.traceparent,
    });
  } catch (error) {
    const mapped = mapError(error, context.signal);
    if (mapped.kind !== "refusal") log.error("the gate failed", { error });
    recorder.close(record, mapped.error);
    throw mapped.error;
  }
}
