// Builds the gateway from its configuration: a desk side and a door side, in one process or, with
// DOOR_WORKERS, the door in several. What is opened last is closed first: the doors stop taking
// webhooks before anything they need goes away. They wait for nobody: they open while the database
// and even the broker are away.

import type { Env } from "#mesh/process/config.ts";
import type { Log } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { runUntilSignal } from "#mesh/process/run.ts";
import { createServiceLog } from "#mesh/process/service-log.ts";
import { startTelemetry } from "#mesh/telemetry/start.ts";
import { type Config, readConfig, service } from "./config.ts";
import { startDeskSide } from "./desk-side.ts";
import type { DoorSideOptions } from "./door-side.ts";
import { readEndpointsText } from "./endpoints.ts";
import { openEndpoints } from "./endpoints-in-force.ts";
import { openGatewayBroker } from "./gateway-broker.ts";
import { followConfig } from "./reload/follow-config.ts";

export type Gateway = AsyncDisposable & { readonly port: number; readonly doorPort: number };

export async function run(): Promise<void> {
  const { env } = process;
  const log = createServiceLog(service, env);
  await runUntilSignal(log, async () => startGateway(readConfig(env), env, log));
}

export async function startGateway(config: Config, env: Env, log: Log): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const text = readEndpointsText(config.endpointsFile);
  const endpoints = openEndpoints(text, env);
  const metrics = createMetrics(service);
  stack.use(await startTelemetry({ service, config: config.telemetry, log, metrics }));
  const broker = stack.use(openGatewayBroker({ config, service, log, metrics }));
  const shared = { config, endpoints, source: service, broker, log, metrics };
  const door: { current?: Door } = {};
  const desk = stack.use(
    await startDeskSide({
      ...shared,
      doorBusy: () => door.current?.busy ?? false,
      doorProblems: () => door.current?.problems ?? ["the door is not open"],
    }),
  );
  const doorOptions = { ...shared, flush: desk.writeStatistics };
  door.current = stack.use(
    await (config.doorWorkers === 0 ? openDoor(doorOptions) : openDoors({ ...doorOptions, text })),
  );
  const { configure } = door.current;
  const file = config.endpointsFile;
  stack.use(followConfig({ file, text, take: configure, endpoints, log, metrics }));

  const opened = stack.move();
  return {
    port: desk.port,
    doorPort: door.current.port,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Of this process, or all those of the workers. */
type Door = AsyncDisposable & {
  readonly port: number;
  readonly busy: boolean;
  /** What keeps it from taking webhooks. */
  readonly problems: readonly string[];
  /** Works by it from now on; throws ConfigError with everything that is wrong. */
  configure(endpointsText: string): Promise<void>;
};

async function openDoor(options: DoorSideOptions): Promise<Door> {
  const { endpoints } = options;
  const { startDoorSide } = await import("./door-side.ts");
  const side = await startDoorSide(options);
  return {
    port: side.port,
    get busy() {
      return side.busy;
    },
    problems: [],
    configure: async (text) => endpoints.prepare(text)(),
    [Symbol.asyncDispose]: () => side[Symbol.asyncDispose](),
  };
}

async function openDoors(options: DoorSideOptions & { readonly text: string }): Promise<Door> {
  const { config, endpoints, log } = options;
  const { startWorkers } = await import("./workers/primary.ts");
  const workers = await startWorkers({
    ...options,
    count: config.doorWorkers,
    door: config.door,
    giveUp(why) {
      // Whoever supervises us starts everything anew; the workers end with us.
      log.error("the door cannot be kept open, giving up", { error: why });
      process.exit(1);
    },
  });
  return {
    port: workers.port,
    get busy() {
      return workers.busy;
    },
    get problems() {
      return workers.problems;
    },
    async configure(text) {
      const putInForce = endpoints.prepare(text);
      await workers.configure(text);
      putInForce();
    },
    [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose](),
  };
}
