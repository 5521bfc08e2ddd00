// Whatever is killed, frozen or lost while webhooks are made durable: each that was
// acknowledged is on the stream in the end. STORE_SEED repeats a run.

import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { freePort } from "#dev/child.ts";
import { startNatsServer } from "#dev/nats-server.ts";
import { readBody } from "../webhook-gateway/bodies.ts";
import { createChance, seedFrom } from "./chance.ts";
import { makeFolder } from "./folder.ts";
import {
  ensureStreams,
  openStoreWorld,
  type StoreWorld,
  storedWebhooks,
  testWebhook,
} from "./store-world.ts";

const spool = true;
const seed = seedFrom("STORE_SEED");
const chance = createChance(seed);
console.log(`STORE_SEED=${seed}`);

const faults = {
  killed: "SIGKILL",
  restarted: "SIGTERM",
  frozen: "SIGSTOP",
} as const;

test.each(Object.entries(faults))(
  "a broker that is %s costs no webhook that was acknowledged",
  {
    timeout: 90_000,
  },
  async (_, signal) => {
    await using ground = await openGround();
    const { world } = ground;
    const sending = sendUntilStopped(world);
    for (let round = 0; round < 2; round += 1) {
      await sleep(200 + chance.below(300));
      process.kill(ground.server.pid, signal);
      await sleep(2_500 + chance.below(500));
      if (signal === "SIGSTOP") process.kill(ground.server.pid, "SIGCONT");
      else await ground.restart();
    }
    const acked = await sending.stop();
    expect(acked.get("spool")!.length).toBeGreaterThan(0);
    expect(acked.get("broker")!.length).toBeGreaterThan(0);
    await untilDrained(world);
    expect(await missing(world, [...acked.values()].flat())).toEqual([]);
  },
);

test("a broker whose store was wiped acknowledges nothing until it is durable again", {
  timeout: 90_000,
}, async () => {
  await using ground = await openGround();
  const { world } = ground;
  expect(await world.store([testWebhook("before")], { deadlineMs: 5_000, spool })).toMatchObject({
    where: "broker",
  });
  await ground.stop("SIGKILL");
  const sending = sendUntilStopped(world);
  await sleep(1_500);
  rmSync(ground.dataDir, { recursive: true });
  await ground.restart();
  await sleep(2_000);
  const acked = await sending.stop();
  await untilDrained(world);
  expect(await missing(world, [...acked.values()].flat())).toEqual([]);
  expect(await missing(world, ["before"])).toEqual(["before"]);
});

test("without a spool a broker that stays away means not durable, and at once", async () => {
  await using ground = await openGround();
  const { world } = ground;
  await ground.stop("SIGKILL");
  await expect.poll(() => world.broker.absentMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  const options = { deadlineMs: 60_000, spool: false };
  expect(await world.store([testWebhook("a")], options)).toEqual({ durable: false });
});

test("a thousand repetitions of one webhook, spooled and not, are one message", async () => {
  await using ground = await openGround();
  const { world } = ground;
  const again = () =>
    Promise.all(
      Array.from({ length: 500 }, () =>
        world.store([testWebhook("one")], { deadlineMs: 5_000, spool }),
      ),
    );
  expect((await again()).every((it) => it.durable && it.where === "broker")).toBe(true);
  await ground.stop("SIGKILL");
  await expect.poll(() => world.broker.absentMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  expect((await again()).every((it) => it.durable && it.where === "spool")).toBe(true);
  expect(world.spool.file()?.count().rows).toBe(1);
  await ground.restart();
  await untilDrained(world);
  expect(await storedWebhooks(world.broker)).toHaveLength(1);
});

test("a large body is whole again, from the broker and through the spool", async () => {
  await using ground = await openGround();
  const { world } = ground;
  const large = [testWebhook("direct", 3_000_001), testWebhook("spooled", 1_500_000)];
  const store = (n: number) => world.store([large[n]!], { deadlineMs: 20_000, spool });
  expect(await store(0)).toMatchObject({ where: "broker" });
  await ground.stop("SIGKILL");
  await expect.poll(() => world.broker.absentMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  expect(await store(1)).toMatchObject({ where: "spool" });
  await ground.restart();
  await untilDrained(world);
  const stored = await storedWebhooks(world.broker);
  for (const [n, webhook] of stored.entries()) {
    expect(webhook.body).toHaveLength(0);
    const body = await readBody(world.broker, webhook);
    expect(Buffer.from(body!).equals(large[n]!.body)).toBe(true);
  }
  expect(stored).toHaveLength(2);
  const manager = await world.broker.jsm();
  await manager.streams.delete("WEBHOOK_BODIES");
  await ensureStreams(world.broker);
  expect(await readBody(world.broker, stored[0]!)).toBeUndefined();
});

test("what the broker will never take is kept, and what follows it is drained", async () => {
  await using ground = await openGround();
  const { world } = ground;
  await ground.stop("SIGKILL");
  await expect.poll(() => world.broker.absentMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  for (const [id, bytes] of [
    ["a", 10],
    ["large", 400_000],
    ["b", 10],
  ] as const) {
    await world.store([testWebhook(id, bytes)], { deadlineMs: 5_000, spool });
  }
  await ground.restart(async (broker) => {
    const manager = await broker.jsm();
    const { config } = await manager.streams.info("WEBHOOKS");
    await manager.streams.update("WEBHOOKS", { ...config, max_msg_size: 100_000 });
  });
  await untilDrained(world);
  expect((await storedWebhooks(world.broker)).map(({ webhookId }) => webhookId)).toEqual([
    "a",
    "b",
  ]);
  expect(world.spool.file()?.count()).toMatchObject({ rows: 0, refused: 1 });
});

test.each([
  ["on its way to the broker", true],
  ["acknowledged by the broker", true],
  ["durable in the broker", true],
  ["on its way to the spool", false],
  ["durable in the spool", false],
  ["drained and not deleted", true],
])(
  "a gateway killed with a webhook %s loses none that was acknowledged",
  async (step, isUp) => {
    await using ground = await openGround();
    const acked: string[] = [];
    const after = String(chance.below(20));
    await ground.closeWorld();
    if (!isUp) await ground.stop("SIGKILL");
    if (step === "drained and not deleted") {
      const nowhere = `nats://127.0.0.1:${await freePort()}`;
      acked.push(...(await runChild([nowhere, ground.dir, "spool only", "0"])));
      expect(acked).toHaveLength(400);
    }
    acked.push(...(await runChild([ground.url, ground.dir, step, after])));
    if (!isUp) await ground.restart();
    await using world = openStoreWorld({ url: ground.url, dir: ground.dir });
    await world.broker.waitUntilConnected(10_000);
    await untilDrained(world);
    expect(await missing(world, acked)).toEqual([]);
    // Sent again within the window, or by the drain: the broker has each once.
    const ids = (await storedWebhooks(world.broker)).map(({ webhookId }) => webhookId);
    expect(new Set(ids).size).toBe(ids.length);
  },
  60_000,
);

/** Sends from several lanes until it is told to stop; what was acknowledged, by where it was. */
function sendUntilStopped(world: StoreWorld) {
  const acked = new Map<string, string[]>([
    ["broker", []],
    ["spool", []],
  ]);
  let stopped = false;
  const lanes = Array.from({ length: 16 }, async (_, lane) => {
    for (let n = 0; !stopped; n += 1) {
      const id = `w${lane}-${n}`;
      const stored = await world.store([testWebhook(id)], { deadlineMs: 1_200, spool });
      if (stored.durable) acked.get(stored.where)!.push(id);
      await sleep(20);
    }
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(lanes);
      return acked;
    },
  };
}

async function untilDrained({ spool, broker }: StoreWorld): Promise<void> {
  await expect.poll(() => broker.connected, { timeout: 20_000 }).toBe(true);
  await expect.poll(() => spool.file()?.count().rows, { timeout: 30_000 }).toBe(0);
}

async function missing(world: StoreWorld, acked: readonly string[]): Promise<string[]> {
  const stored = new Set((await storedWebhooks(world.broker)).map(({ webhookId }) => webhookId));
  return acked.filter((id) => !stored.has(id));
}

/** The webhooks that it said are durable before it was killed. */
async function runChild(parameters: readonly string[]): Promise<string[]> {
  const path = join(import.meta.dirname, "store-child.ts");
  const child = spawn(process.execPath, [path, ...parameters], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout) text += chunk;
  return text.split("\n").filter((line) => line !== "");
}

async function openGround() {
  const folder = makeFolder("store");
  const [dataDir, dir] = [join(folder, "nats"), join(folder, "spool")];
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  let server = await startNatsServer({ dataDir, port });
  const world = openStoreWorld({ url, dir });
  await ensureStreams(world.broker);
  let open = true;
  const closeWorld = async () => {
    if (open) await world[Symbol.asyncDispose]();
    open = false;
  };
  return {
    ...{ world, dataDir, dir, url, closeWorld },
    get server() {
      return server;
    },
    async stop(signal: NodeJS.Signals) {
      process.kill(server.pid, signal);
      await server.exited;
    },
    /** On another port first, where something is to be done before the world comes back. */
    async restart(before?: (broker: StoreWorld["broker"]) => Promise<void>) {
      await server.exited;
      if (before) {
        await using aside = await startNatsServer({ dataDir, port: await freePort() });
        await using other = openStoreWorld({ url: aside.url, dir: join(folder, "other") });
        await ensureStreams(other.broker);
        await before(other.broker);
      }
      server = await startNatsServer({ dataDir, port });
      if (!before && open) await ensureStreams(world.broker);
    },
    async [Symbol.asyncDispose]() {
      await closeWorld();
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
