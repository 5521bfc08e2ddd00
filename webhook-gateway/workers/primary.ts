// The primary's side of the workers: it picks the port once, starts them, gives all of them one
// configuration at one moment, adds up what they measure, and stops them before it stops itself.

import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { ConfigError } from "#mesh/process/config.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { createCollection } from "./collect.ts";
import type { Configuration, FromWorker } from "./messages.ts";
import { type WriteStatistics, writeTold } from "./statistics.ts";
import { type SupervisedWorker, superviseWorker } from "./supervise.ts";

export type WorkersOptions = {
  readonly count: number;
  readonly door: { readonly host: string; readonly port: number; readonly drainTimeoutMs: number };
  readonly text: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Writes down what the workers counted. */
  readonly flush: WriteStatistics;
  /** No worker lives, and starting them again does not help. */
  readonly giveUp: (why: Error) => void;
};

export type Workers = AsyncDisposable & {
  readonly port: number;
  /** True while any of them has something to do. */
  readonly busy: boolean;
  /** What keeps all of them from taking webhooks; empty: nothing. */
  readonly problems: readonly string[];
  /** In force in every worker, or, with a ConfigError that says why, in none. */
  configure(text: string): Promise<void>;
};

/** Starts in a row that failed, in every worker. */
const failuresMax = 5;
const prepareTimeoutMs = 10_000;

/** Resolves when the first of them is open. */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const { count, door, log, metrics } = options;
  const port = await pickPort(door);
  const ticketKeys = randomBytes(48);
  let configuration: Configuration = { generation: 1, text: options.text };
  // A worker that starts while the others change waits until it is clear what to start with.
  let changing: Promise<unknown> = Promise.resolve();
  /** Generation by which each works, or will once it is open. */
  const given = new Map<SupervisedWorker, number>();
  let preparing: Preparing | undefined;
  let gaveUp = false;
  const opened = Promise.withResolvers<void>();
  const collection = createCollection();
  metrics.include(() => collection.collect(workers));

  const onMessage = (worker: SupervisedWorker, message: FromWorker) => {
    if (message.kind === "hello") void begin(worker);
    else if (message.kind === "open") {
      opened.resolve();
      changing = changing.then(() => catchUp(worker));
    } else if (message.kind === "metrics") collection.take(worker, message);
    else if (message.kind === "prepared") preparing?.take(worker, message);
    else if (message.kind === "statistics") void write(worker, message);
  };
  const write = async (worker: SupervisedWorker, told: FromWorker & { kind: "statistics" }) => {
    worker.tell(await writeTold(options.flush, told));
  };
  const onEnd = (worker: SupervisedWorker) => {
    preparing?.forget(worker);
    collection.keep(worker);
    if (gaveUp || workers.some(({ failures }) => failures < failuresMax)) return;
    gaveUp = true;
    const why = new Error(`no worker stays up: each ended ${failuresMax} times in a row`);
    opened.reject(why);
    options.giveUp(why);
  };
  const begin = async (worker: SupervisedWorker) => {
    await changing;
    const { number } = worker;
    given.set(worker, configuration.generation);
    worker.tell({ kind: "start", worker: number, workers: count, port, ticketKeys, configuration });
  };
  /** What was changed while it opened is in force in the others already. */
  const catchUp = (worker: SupervisedWorker) => {
    const { generation } = configuration;
    if (given.get(worker) === generation) return;
    given.set(worker, generation);
    worker.tell({ kind: "prepare", configuration });
    worker.tell({ kind: "switch", generation });
  };
  cluster.setupPrimary({ serialization: "advanced" });
  const { drainTimeoutMs } = door;
  const workers = Array.from({ length: count }, (_, n) =>
    superviseWorker({ number: n + 1, drainTimeoutMs, log, onMessage, onEnd }),
  );
  const stop = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  };

  /** All parse it before the first works by it: what one cannot use, none does. */
  async function change(text: string): Promise<void> {
    const next: Configuration = { generation: configuration.generation + 1, text };
    preparing = createPreparing(next.generation);
    const asked = workers.filter((worker) => worker.open);
    for (const worker of asked) {
      if (worker.tell({ kind: "prepare", configuration: next })) preparing.await(worker);
    }
    const problems = await preparing.done();
    preparing = undefined;
    if (problems.length > 0) throw new ConfigError(problems);
    configuration = next;
    for (const worker of asked) {
      given.set(worker, next.generation);
      worker.tell({ kind: "switch", generation: next.generation });
    }
  }

  try {
    await opened.promise;
  } catch (error) {
    await stop();
    throw error;
  }
  log.info("the door is open", { host: door.host, port, workers: count });
  return {
    port,
    get busy() {
      return workers.some((worker) => worker.busy);
    },
    get problems() {
      return workers.some(({ open, connected }) => open && connected)
        ? []
        : ["no worker is open and connected to the broker"];
    },
    configure(text) {
      const changed = changing.then(() => change(text));
      changing = changed.catch(() => {});
      return changed;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Throws where somebody listens already: two gateways must not share a port unawares. */
async function pickPort({ host, port }: WorkersOptions["door"]): Promise<number> {
  const server = createServer().listen({ host, port });
  await once(server, "listening");
  const picked = (server.address() as AddressInfo).port;
  server.close();
  await once(server, "close");
  return picked;
}

type Preparing = ReturnType<typeof createPreparing>;

/** Which workers have not said yet whether they can use the next configuration. */
function createPreparing(generation: number) {
  const waiting = new Set<SupervisedWorker>();
  const problems = new Set<string>();
  const settled = Promise.withResolvers<void>();
  const forget = (worker: SupervisedWorker) => {
    if (waiting.delete(worker) && waiting.size === 0) settled.resolve();
  };
  return {
    await: (worker: SupervisedWorker) => waiting.add(worker),
    /** It ended, and starts again with what is in force then. */
    forget,
    take(worker: SupervisedWorker, said: FromWorker & { kind: "prepared" }) {
      if (said.generation !== generation) return;
      for (const problem of said.problems) problems.add(problem);
      forget(worker);
    },
    async done(): Promise<readonly string[]> {
      if (waiting.size === 0) return [];
      const timer = setTimeout(() => {
        for (const { number } of waiting) {
          problems.add(`worker ${number} did not read it within ${prepareTimeoutMs} ms`);
        }
        settled.resolve();
      }, prepareTimeoutMs);
      await settled.promise;
      clearTimeout(timer);
      return [...problems];
    },
  };
}
