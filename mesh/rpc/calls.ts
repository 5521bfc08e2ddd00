// What a server serves: the routes of its service and the mesh's own, each behind gate, admission
// and interceptors. A call passes gate → admission → record → errors → deadline → validation →
// handler, and is denied unless a policy allows it.

import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { type ConnectRouter, createConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb.ts";
import { warmUp } from "../policy/validation.ts";
import type { ResponseValidation } from "../process/config.ts";
import { knowMessages } from "../process/known-messages.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { tellObjectives } from "../telemetry/objectives.ts";
import { createAdmission } from "./admission/admission.ts";
import { createPlaces } from "./admission/places.ts";
import { createRecorder } from "./call-record.ts";
import type { Gate } from "./gate.ts";
import { healthService } from "./health.ts";
import { deadline } from "./interceptors/deadline.ts";
import { errorMapping } from "./interceptors/errors.ts";
import { recording } from "./interceptors/recording.ts";
import { validation } from "./interceptors/validation.ts";
import { reflectionService } from "./reflection.ts";
import {
  compressions,
  type MethodRule,
  openRulesOf,
  type Route,
  routesOf,
  ruledRouter,
  rulesOf,
} from "./routing.ts";
import { createServe, type Serve } from "./serve.ts";
import type { Tally } from "./tally.ts";

export type CallsOptions = {
  readonly service: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly routes: (router: ConnectRouter) => void;
  readonly concurrencyMax: number;
  readonly streamsMax: number;
  readonly validateResponses: ResponseValidation;
  /** Handlers that run, whether or not somebody still waits for them. */
  readonly running: Tally;
  readonly ready: () => boolean;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
  /** True: whatever comes now is refused untouched. */
  readonly refusing: () => boolean;
};

export type Calls = {
  readonly routes: readonly Route[];
  /** For one listener, whose callers pass this gate. */
  readonly serveBehind: (gate: Gate) => Serve;
  /** Ends the calls that are still under way. */
  readonly abort: (reason: Error) => void;
};

const readBytesMax = 4 * 1024 * 1024;
const writeBytesMax = 16 * 1024 * 1024;
const concurrencyMin = 16;

export function openCalls(options: CallsOptions): Calls {
  const { log, metrics, concurrencyMax, streamsMax } = options;
  const concurrency = { min: Math.min(concurrencyMin, concurrencyMax), max: concurrencyMax };
  const admission = createAdmission({ concurrency, streamsMax, metrics });
  const places = createPlaces();
  const recorder = places.leftBy(createRecorder(log, metrics));
  const router = createConnectRouter({
    requestGate: abortCheaply,
    interceptors: [
      recording(recorder),
      errorMapping(log),
      deadline(options.running, log),
      validation({ responses: options.validateResponses, log, metrics }),
    ],
    acceptCompression: compressions,
    readMaxBytes: readBytesMax,
    writeMaxBytes: writeBytesMax,
  });
  const rules = registerRoutes(router, options);
  const methods = [...rules.keys()];
  warmUp(methods.map(({ input }) => input));
  knowMessages(methods.flatMap(({ input, output }) => [input, output]));
  tellObjectives(metrics, new Set(methods.map(({ parent }) => parent)));

  const underWay = new Set<AbortController>();
  const { refusing } = options;
  return {
    routes: routesOf(router, rules, admission),
    serveBehind: (gate) => createServe({ gate, recorder, places, underWay, refusing, log }),
    abort(reason) {
      for (const call of underWay) call.abort(reason);
    },
  };
}

/** The service's own, and health and reflection about every one of them. */
function registerRoutes(
  router: ConnectRouter,
  { service, routes, ready, stopping }: CallsOptions,
): ReadonlyMap<DescMethod, MethodRule> {
  const rules = new Map<DescMethod, MethodRule>();
  const own = { service, readMaxBytes: readBytesMax };
  routes(ruledRouter(router, rules, (desc) => rulesOf(desc, own)));
  const mesh = ruledRouter(router, rules, (desc) => openRulesOf(desc, readBytesMax));
  const services = () => [
    ...new Set(router.handlers.map((handler): DescService => handler.service)),
  ];
  const names = new Set(services().map(({ typeName }) => typeName));
  mesh.service(Health, healthService({ ready, services: names, stopping }));
  mesh.service(ServerReflection, reflectionService(services, stopping));
  return rules;
}

const finished = new Error("the call is finished");

/**
 * Connect aborts every call when it is finished, and an abort without a reason makes one, stack and
 * all: a tenth of what a small call costs.
 */
function abortCheaply(context: HandlerContext): void {
  const controller = context as HandlerContext & { abort(reason?: unknown): void };
  const { abort } = controller;
  controller.abort = (reason = finished) => abort(reason);
}
