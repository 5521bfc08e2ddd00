// Durable acknowledgements a second at the door, against a server that does
// nothing, the handler most teams write, and what JetStream itself can store.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  DiscardPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { freePort, startChild, waitUntilReady } from "#dev/child.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import type { House } from "#dev/house.ts";
import { isReady } from "#dev/ready.ts";
import { brokerAccess } from "#mesh/events/broker-access.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { untilCaughtUp } from "./caught-up.ts";
import type { LoadOptions, LoadResult } from "./load.ts";

const runFile = promisify(execFile);
const subject = "bench.naive";
const seconds = 5;

export type DoorResult = {
  readonly connections: number;
  /** The door by itself, as the rivals are: its desk and what follows stand still. */
  readonly door: LoadResult;
  /** The door while desk, ledger and CMS work on what it takes. */
  readonly wholePath: LoadResult;
  readonly bare: LoadResult;
  readonly naive: LoadResult;
};

export async function benchDoor(house: House): Promise<readonly DoorResult[]> {
  await using connection = disposable(
    await connect(brokerAccess({ url: house.natsUrl }, silentLog())),
  );
  const manager = await jetstreamManager(connection.it);
  await manager.streams.add({
    name: "BENCH",
    subjects: ["bench.>"],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
  });
  await using bare = await startRival("bare", house);
  await using naive = await startRival("naive", house);
  const results: Omit<DoorResult, "wholePath">[] = [];
  const load = (url: string, connections: number) => generate(house, { url, connections, seconds });
  const gateway = house.process("webhook-gateway");
  gateway.kill("SIGSTOP");
  {
    await using alone = await startDoorAlone(house);
    for (const connections of [1, 64, 256]) {
      results.push({
        connections,
        bare: await load(bare.url, connections),
        naive: await load(naive.url, connections),
        door: await load(alone.url, connections),
      });
    }
  }
  gateway.kill("SIGCONT");
  const whole: DoorResult[] = [];
  for (const result of results) {
    await untilCaughtUp(house);
    const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
    whole.push({ ...result, wholePath: await load(url, result.connections) });
  }
  await untilCaughtUp(house);
  return whole;
}

/** A second gateway that finds no database: its door works, its desk waits. */
async function startDoorAlone(house: House) {
  const [port, doorPort] = [await freePort(), await freePort()];
  const nowhere = "postgres://nobody@127.0.0.1:9/nothing";
  const logFile = join(house.folder, "logs", "door-alone.log");
  const child = await startChild({
    command: process.execPath,
    args: [join(import.meta.dirname, "..", "webhook-gateway", "main.ts")],
    env: {
      ...house.environmentOf("webhook-gateway"),
      PORT: String(port),
      DOOR_PORT: String(doorPort),
      DATABASE_URL: nowhere,
      DATABASE_OWNER_URL: nowhere,
      LOG_LEVEL: "error",
    },
    logFile,
    stopSignal: "SIGTERM",
  });
  const ready = () => isReady(`https://127.0.0.1:${port}/readyz`, house.provision.tls.dev.caFile);
  await waitUntilReady(child, { name: "door alone", logFile, timeoutMs: 30_000, ready });
  const { endpointId } = house.provision.endpoints.stripe;
  return {
    url: `https://localhost:${doorPort}/v1/in/${endpointId}`,
    [Symbol.asyncDispose]: () => child.stop(),
  };
}

/** Acknowledged publishes a second, 256 in flight, of a message as large as a webhook's. */
export async function benchBroker(house: House): Promise<number> {
  await using connection = disposable(
    await connect(brokerAccess({ url: house.natsUrl }, silentLog())),
  );
  const broker = jetstream(connection.it);
  const message = new Uint8Array(900);
  let acked = 0;
  let id = 0;
  const endMs = performance.now() + seconds * 1_000;
  const publisher = async () => {
    while (performance.now() < endMs) {
      id += 1;
      await broker.publish(subject, message, { msgID: `ceiling-${id}` });
      acked += 1;
    }
  };
  await Promise.all(Array.from({ length: 256 }, publisher));
  return acked / seconds;
}

async function generate(
  house: House,
  on: { url: string; connections: number; seconds: number },
): Promise<LoadResult> {
  const options: LoadOptions = {
    ...on,
    caFile: house.provision.tls.dev.caFile,
    secret: house.provision.endpoints.stripe.secret,
  };
  const path = join(import.meta.dirname, "load.ts");
  const { stdout } = await runFile(process.execPath, [path, JSON.stringify(options)]);
  return JSON.parse(stdout) as LoadResult;
}

async function startRival(name: string, house: House) {
  const port = await freePort();
  const { doorTls, endpoints } = house.provision;
  const logFile = join(house.folder, "logs", `${name}.log`);
  const child = await startChild({
    command: process.execPath,
    args: [join(import.meta.dirname, "rivals", `${name}.ts`)],
    env: {
      ...process.env,
      BENCH_PORT: String(port),
      BENCH_CERT_FILE: doorTls.certFile,
      BENCH_KEY_FILE: doorTls.keyFile,
      BENCH_SECRET: endpoints.stripe.secret,
      BENCH_SUBJECT: subject,
      NATS_URL: house.natsUrl,
    },
    logFile,
    stopSignal: "SIGTERM",
  });
  const url = `https://127.0.0.1:${port}/`;
  const ready = () => generate(house, { url, connections: 1, seconds: 0 }).then(yes, no);
  await waitUntilReady(child, { name, logFile, timeoutMs: 20_000, ready });
  return { url, [Symbol.asyncDispose]: () => child.stop() };
}

const yes = () => true;
const no = () => false;

function disposable<T extends { close(): Promise<void> }>(it: T) {
  return { it, [Symbol.asyncDispose]: () => it.close() };
}
