// A service from its declaration: configuration, log, metrics, traces, migrations, pool, broker,
// outbox, consumers, and its RPCs with those for operators. What is opened last is closed first;
// what is not declared is not opened.

import { checkEvents } from "../policy/check.ts";
import type { Env } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import { createMetrics, type Metrics } from "../process/metrics.ts";
import { type Server, startServer } from "../rpc/server.ts";
import { startTelemetry } from "../telemetry/start.ts";
import { readServiceConfig, type ServiceConfig } from "./config.ts";
import { consumersOf } from "./consumers.ts";
import type { Database } from "./database.ts";
import { createEmit } from "./emit.ts";
import type { StreamHandler } from "./event-handler.ts";
import type { Events } from "./events.ts";
import type { ServiceDefinition, ServiceParts } from "./service-definition.ts";

/** The service within this process. Throws every problem of its configuration at once. */
export async function startService(
  definition: ServiceDefinition,
  env: Env,
  log: Log,
): Promise<Server> {
  const { service, produces = [], routes } = definition;
  const emit = createEmit(service, produces);
  const consumers = consumersOf(definition, emit);
  checkEvents({ service, produces, consumes: consumers.flatMap(({ events }) => events) });
  const hasEvents = produces.length + consumers.length > 0;
  if (hasEvents && definition.database === undefined) throw noDatabase(service);
  const needs = { database: definition.database !== undefined, broker: hasEvents };
  const config = readServiceConfig(env, needs);

  await using stack = new AsyncDisposableStack();
  const world: World = { definition, config, log, metrics: createMetrics(service) };
  stack.use(await startTelemetry({ ...world, service, config: config.telemetry }));
  const database = stack.use(await openDatabase(world));
  const events = stack.use(await startEvents(world, database, consumers));
  const parts: ServiceParts = {
    get pool() {
      if (database === undefined) throw noDatabase(service);
      return database.pool;
    },
    emit,
    log,
    metrics: world.metrics,
    env,
    tls: config.mesh.tls,
    own: (part) => stack.use(part),
  };
  const server = stack.use(
    await startServer({
      ...world,
      service,
      config: config.mesh,
      routes(router) {
        routes?.(router, parts);
        events?.routes(router);
      },
      // Without the broker everything but the newest events still answers.
      readiness: () => database?.problems() ?? [],
    }),
  );
  const opened = stack.move();
  return { ...server, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

type World = {
  readonly definition: ServiceDefinition;
  readonly config: ServiceConfig;
  readonly log: Log;
  readonly metrics: Metrics;
};

async function openDatabase({ definition, config, log }: World): Promise<Database | undefined> {
  const { service, database } = definition;
  if (database === undefined || config.database === undefined) return undefined;
  const part = await import("./database.ts");
  return part.openDatabase({ service, ...database, config: config.database, log });
}

async function startEvents(
  { definition, config, ...world }: World,
  database: Database | undefined,
  consumers: readonly StreamHandler[],
): Promise<Events | undefined> {
  const { service, produces = [] } = definition;
  if (config.broker === undefined || database === undefined) return undefined;
  const { pool } = database;
  const part = await import("./events.ts");
  return part.startEvents({ ...world, service, config: config.broker, pool, produces, consumers });
}

/** Events need one too: outbox and inbox stand in it. */
function noDatabase(service: string): Error {
  return new Error(`${service} needs a database and declares none: add one to its definition`);
}
