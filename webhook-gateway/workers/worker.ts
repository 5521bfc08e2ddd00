// A worker: one of several processes that hold the door. It is told by the primary what to do,
// never reads the endpoints' file itself, and ends with the primary: Node ends it when their
// channel does.

import { ConfigError, type Env } from "#mesh/process/config.ts";
import type { Log } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { runUntilSignal } from "#mesh/process/run.ts";
import { createServiceLog } from "#mesh/process/service-log.ts";
import { startTelemetry } from "#mesh/telemetry/start.ts";
import { readConfig, service } from "../config.ts";
import { type DoorSide, startDoorSide } from "../door-side.ts";
import { type EndpointsInForce, openEndpoints } from "../endpoints-in-force.ts";
import { openGatewayBroker } from "../gateway-broker.ts";
import type { Configuration, FromWorker, ToWorker } from "./messages.ts";
import { createTeller } from "./statistics.ts";

/** How often the primary hears that we are alive, and how busy. */
const reportMs = 100;

export async function run(): Promise<void> {
  const { env } = process;
  const log = createServiceLog(service, env);
  await runUntilSignal(log, () => startWorker(env, log));
}

async function startWorker(env: Env, processLog: Log): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const config = readConfig(env);
  const told = await askForWork();
  const log = processLog.child({ worker: told.worker });
  const endpoints = openEndpoints(told.configuration.text, env);
  const metrics = createMetrics(service);
  stack.use(await startTelemetry({ service, config: config.telemetry, log, metrics }));
  const broker = stack.use(openGatewayBroker({ config, service, log, metrics }));
  const shared = { ...told, ticketKeys: Buffer.from(told.ticketKeys) };
  const { flush, take } = createTeller(tell);
  const about = { config, endpoints, source: service, broker, log, metrics };
  const door = stack.use(await startDoorSide({ ...about, flush, shared }));

  const prepare = createPreparation(endpoints);
  process.on("message", (message: ToWorker) => {
    if (message.kind === "prepare") tell(prepare.prepare(message.configuration));
    else if (message.kind === "switch") prepare.switch(message.generation);
    else if (message.kind === "statistics-written") take(message);
    else if (message.kind === "metrics") {
      void metrics.snapshot().then((snapshot) => tell({ kind: "metrics", snapshot }));
    }
  });
  const reporting = setInterval(() => report(door, broker), reportMs);
  stack.defer(() => clearInterval(reporting));
  report(door, broker);
  tell({ kind: "open" });
  const opened = stack.move();
  return { [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** The primary answers once it knows what is in force. */
async function askForWork(): Promise<ToWorker & { kind: "start" }> {
  const start = Promise.withResolvers<ToWorker & { kind: "start" }>();
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => (stopping = true));
  process.on("message", (message: ToWorker) => {
    if (message.kind === "start") start.resolve(message);
    // The whole group may have been signalled: a second signal would cut the drain short.
    if (message.kind === "stop" && !stopping) process.kill(process.pid, "SIGTERM");
  });
  tell({ kind: "hello" });
  return start.promise;
}

function createPreparation(endpoints: EndpointsInForce) {
  let prepared: { readonly generation: number; readonly put: () => void } | undefined;
  return {
    prepare({ generation, text }: Configuration): FromWorker {
      try {
        prepared = { generation, put: endpoints.prepare(text) };
        return { kind: "prepared", generation, problems: [] };
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return { kind: "prepared", generation, problems: error.problems };
      }
    },
    switch(generation: number) {
      if (prepared?.generation === generation) prepared.put();
      prepared = undefined;
    },
  };
}

function report(door: DoorSide, broker: { readonly connected: boolean }): void {
  tell({ kind: "load", busy: door.busy, connected: broker.connected });
}

/** A primary that is gone takes us with it: there is nobody to tell of that. */
function tell(message: FromWorker): void {
  process.send?.(message, undefined, undefined, () => {});
}
