import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { Agent } from "node:https";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { brokerAccess } from "#mesh/events/broker-access.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { type TestCertificates, testCertificates } from "#mesh/testing/certificates.ts";
import {
  endpoint,
  type GatewayProcess,
  isAlive,
  startGatewayProcess,
} from "../testing/gateway-process.ts";

let certificates: TestCertificates;
let testBroker: TestBroker;

beforeAll(async () => {
  certificates = await testCertificates();
  testBroker = await openTestBroker();
});
afterAll(async () => {
  await testBroker[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

const start = (over: Record<string, string> = {}) =>
  startGatewayProcess(certificates, { NATS_URL: testBroker.url, DOOR_WORKERS: "2", ...over });

test("two workers share the port, and what they count is shown as one", async () => {
  await using gateway = await start();
  await expect.poll(() => gateway.workers().length).toBe(2);
  await expect.poll(() => openedBy(gateway).size).toBe(2);
  const statuses = await Promise.all(
    Array.from({ length: 60 }, (_, n) => gateway.send(`evt_shared_${n}`)),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  const acked =
    /^bursar_gateway_acked_total\{.*duplicate="false".*service="webhook-gateway"\} (\d+)$/m;
  expect(acked.exec(await gateway.scrape())?.[1]).toBe("60");
});

test("a worker killed under load is started again, and all that was acked is stored", async () => {
  await using gateway = await start();
  const load = startLoad(gateway, "killed");
  for (let kill = 0; kill < 3; kill += 1) {
    await load.untilAcked(60);
    const before = gateway.workers();
    process.kill(before[kill % before.length]!, "SIGKILL");
    await expect.poll(() => gateway.workers().some((pid) => !before.includes(pid))).toBe(true);
  }
  await load.untilAcked(60);
  const acked = await load.stop();
  expect(acked.size).toBeGreaterThan(200);
  const stored = await storedEvents("evt_killed_");
  expect([...acked].filter((eventId) => !stored.has(eventId))).toEqual([]);
  expect(await gateway.ready()).toBe(true);
});

test("what a worker counted stays counted when it dies", async () => {
  await using gateway = await start({ DOOR_WORKERS: "1" });
  expect(await gateway.send("evt_counted_1")).toBe(200);
  const before = ackedIn(await gateway.scrape());
  process.kill(gateway.workers()[0]!, "SIGKILL");
  await expect.poll(() => gateway.send("evt_counted_2"), { timeout: 20_000 }).toBe(200);
  expect(ackedIn(await gateway.scrape())).toBe(before + 1);
});

test("workers end with their primary, and all that was acked is stored", async () => {
  await using gateway = await start();
  await expect.poll(() => openedBy(gateway).size).toBe(2);
  const load = startLoad(gateway, "orphan");
  await load.untilAcked(100);
  const workers = gateway.workers();
  gateway.child.kill("SIGKILL");
  await once(gateway.child, "exit");
  await expect.poll(() => workers.filter(isAlive)).toEqual([]);
  const acked = await load.stop();
  const stored = await storedEvents("evt_orphan_");
  expect([...acked].filter((eventId) => !stored.has(eventId))).toEqual([]);
});

test("SIGTERM under load answers every request that was taken, and ends with 0", async () => {
  await using gateway = await start();
  await expect.poll(() => openedBy(gateway).size).toBe(2);
  const load = startLoad(gateway, "drained");
  await load.untilAcked(100);
  gateway.child.kill("SIGTERM");
  const [code] = await once(gateway.child, "exit");
  expect(code).toBe(0);
  const acked = await load.stop();
  const stored = await storedEvents("evt_drained_");
  expect([...acked].filter((eventId) => !stored.has(eventId))).toEqual([]);
  // What is stored was answered: nobody's request was taken and then dropped.
  expect([...stored].filter((eventId) => !acked.has(eventId))).toEqual([]);
});

test("a changed configuration is in force in every worker, or in none", async () => {
  await using gateway = await start();
  await expect.poll(() => openedBy(gateway).size).toBe(2);
  const said = (message: string) => () =>
    gateway.lines().filter((line) => line["message"] === message).length;
  const patience = { timeout: 10_000 };
  writeFileSync(gateway.endpointsFile, endpoint("stripe-endpoint").replace("stripe: {}", ""));
  await expect
    .poll(said("the changed configuration is refused; the one before stays"), patience)
    .toBe(1);
  expect(await statusesOf(gateway, "evt_before")).toEqual(new Set([200]));
  writeFileSync(gateway.endpointsFile, endpoint("another-endpoint"));
  await expect.poll(said("the configuration was reloaded"), patience).toBe(1);
  // Each connection is new, so that both workers are asked.
  await expect.poll(() => statusesOf(gateway, "evt_after"), patience).toEqual(new Set([404]));
});

test("a worker that was opening while the configuration changed works by the new one", async () => {
  await using gateway = await start({ DOOR_WORKERS: "1" });
  expect(await gateway.send("evt_opening_1")).toBe(200);
  const said = (message: string) => () =>
    gateway.lines().filter((line) => line["message"] === message).length;
  // The next worker has been told what to work by, and waits for its certificate.
  const certificate = join(certificates.dir, "door.pem");
  const pem = readFileSync(certificate);
  const before = gateway.workers();
  process.kill(before[0]!, "SIGKILL");
  rmSync(certificate);
  spawnSync("mkfifo", [certificate]);
  const started = () => gateway.workers().find((pid) => !before.includes(pid));
  await expect.poll(started, { timeout: 10_000 }).toBeDefined();
  const writing = await open(certificate, "w");
  writeFileSync(gateway.endpointsFile, endpoint("another-endpoint"));
  await expect.poll(said("the configuration was reloaded"), { timeout: 10_000 }).toBe(1);
  const whole = `${certificate}.whole`;
  writeFileSync(whole, pem);
  renameSync(whole, certificate);
  await writing.writeFile(pem);
  await writing.close();
  await expect.poll(() => gateway.send("evt_opening_2"), { timeout: 10_000 }).toBe(404);
});

/** Of forty webhooks, each over a connection of its own. */
async function statusesOf(gateway: GatewayProcess, name: string) {
  const sent = Array.from({ length: 40 }, (_, n) => gateway.send(`${name}_${n}`));
  return new Set(await Promise.all(sent));
}

/** Numbers of the workers that have opened the door. */
function openedBy(gateway: GatewayProcess): Set<unknown> {
  const opened = gateway.lines().filter(({ message }) => message === "the door is open");
  return new Set(opened.flatMap(({ worker }) => worker ?? []));
}

function ackedIn(text: string): number {
  return Number(/^bursar_gateway_acked_total\{.*duplicate="false".*\} (\d+)$/m.exec(text)?.[1]);
}

/** Eight senders that send new events until they are told to stop. */
function startLoad(gateway: GatewayProcess, name: string) {
  const acked = new Set<string>();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let sent = 0;
  let stopping = false;
  const sender = async () => {
    while (!stopping) {
      const eventId = `evt_${name}_${++sent}`;
      const status = await gateway.send(eventId, agent);
      if (status === 200) acked.add(eventId);
      // Nobody listens at this moment.
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const sending = Promise.all(Array.from({ length: 8 }, sender));
  return {
    async untilAcked(count: number) {
      const goal = acked.size + count;
      await expect.poll(() => acked.size, { timeout: 20_000 }).toBeGreaterThan(goal);
    },
    async stop(): Promise<ReadonlySet<string>> {
      stopping = true;
      await sending;
      agent.destroy();
      return acked;
    },
  };
}

/** Ids of the events on WEBHOOKS that begin so, as their bytes on the stream say. */
async function storedEvents(prefix: string): Promise<Set<string>> {
  const connection = await connect(brokerAccess({ url: testBroker.url }, silentLog()));
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info("WEBHOOKS");
  const stored = new Set<string>();
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage("WEBHOOKS", { seq });
    const { eventId } = fromBinary(WebhookReceivedSchema, message!.data);
    if (eventId.startsWith(prefix)) stored.add(eventId);
  }
  await connection.close();
  return stored;
}
