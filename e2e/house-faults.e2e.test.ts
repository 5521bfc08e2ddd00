// A database that is away, a broker whose store is lost, a disk that is full: every webhook that
// was acknowledged is in the books once, or its loss is told. FAULTS_SEED repeats a run.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allEvents } from "#dev/events.ts";
import { openPool } from "#mesh/database/pool.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { createChance, seedFrom } from "./chance.ts";
import { type FaultyHouse, openFaultyHouse } from "./faulty-house.ts";
import { makeFolder } from "./folder.ts";
import type { Life } from "./lives.ts";

const seed = seedFrom("FAULTS_SEED");
console.log(`FAULTS_SEED=${seed}`);
const chance = createChance(seed);
const folder = makeFolder("faults");
const brokerFolder = join(folder, "nats");
const timeout = 120_000;
/** The broker has a disk of its own, so that it can be filled; only root may give it one. */
let hasOwnDisk = false;
let world: FaultyHouse;
let broker: ReturnType<typeof openBroker>;

beforeAll(async () => {
  mkdirSync(brokerFolder);
  const mount = ["-t", "tmpfs", "-o", "size=96m,mode=711", "tmpfs", brokerFolder];
  hasOwnDisk = spawnSync("mount", mount).status === 0;
  world = await openFaultyHouse(folder, chance);
  const log = createLog({ service: "test", level: "silent" });
  const options = { url: world.house.natsUrl, name: "dev", events: await allEvents(), log };
  broker = openBroker({ ...options, metrics: createMetrics("test") });
});

afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
  if (hasOwnDisk) spawnSync("umount", [brokerFolder]);
  rmSync(folder, { recursive: true, force: true });
});

test("webhooks are acknowledged while the database is away, and all are posted once", {
  timeout,
}, async () => {
  const lives = await world.newLives(30);
  const events = chance.shuffled([...eventsOf(lives), ...eventsOf(lives)]);
  const half = Math.floor(events.length / 2);
  {
    using _killed = world.keepKilled("postgres");
    const statuses = await world.postAll(events.slice(0, half), { pauseMs: 100 });
    expect(new Set(statuses)).toEqual(new Set([200]));
  }
  await expect.poll(() => world.house.process("postgres").pid, { timeout: 20_000 }).toBeDefined();
  {
    using _frozen = world.freeze("postgres");
    const statuses = await world.postAll(events.slice(half), { pauseMs: 100 });
    expect(new Set(statuses)).toEqual(new Set([200]));
  }
  await world.expectSettled(lives);
});

test("a wiped broker store doubles nothing, and what is lost is told and can be sent again", {
  timeout,
}, async () => {
  const posted = await world.newLives(8);
  const published = await world.newLives(6);
  const unsettled = await world.newLives(6);
  const during = await world.newLives(6);
  await world.postUntilAcked(eventsOf(posted));
  await world.expectSettled(posted);
  {
    // The desk has made payment events of these, and the ledger has read none of them.
    using _ledger = world.freeze("ledger-service");
    await world.postUntilAcked(eventsOf(published));
    await untilDeskSettled();
    {
      // Of these the desk has heard nothing.
      using _postgres = world.freeze("postgres");
      await world.postUntilAcked(eventsOf(unsettled));
      world.wipeBroker();
      // With what the broker had sent it already: that was not on any disk.
      world.house.process("ledger-service").kill("SIGKILL");
      const sending = world.postUntilAcked(chance.shuffled(eventsOf(during)));
      {
        using _away = world.keepKilled("nats");
        await sleep(2_500);
      }
      const again = await sending;
      console.log(`${again} answers were not 200 until the broker was durable again`);
    }
  }
  await world.expectSettled([...posted, ...during]);

  const lost = eventsOf(unsettled).length;
  const reports = world.logged("the broker lost webhooks that were acknowledged and not settled");
  expect(reports.map(({ count }) => count)).toEqual([lost]);
  const [{ from, until }] = reports as [{ from: string; until: string }];
  expect(Date.parse(from)).toBeLessThanOrEqual(Date.parse(until));
  expect(await world.metric("bursar_gateway_lost_webhooks")).toBe(lost);

  // The relay noticed by itself: every fact of the journal is on the stream again.
  const facts = await factsInJournal();
  await expect.poll(factsOnStream, { timeout: 20_000 }).toBe(facts);

  const lives = [...posted, ...published, ...unsettled, ...during];
  // Some with another body: what a provider says of its own sending changes from one to the next.
  const again = eventsOf(lives).map((event) => {
    return chance.below(2) === 0 ? event : { ...event, pending_webhooks: 0 };
  });
  await world.postUntilAcked(chance.shuffled(again));
  await world.expectSettled(lives);
});

test("a broker whose disk is full takes nothing, and keeps all that was acknowledged", {
  timeout,
}, async (on) => {
  if (!hasOwnDisk) return on.skip("only root may mount");
  const before = await world.newLives(5);
  await world.postUntilAcked(eventsOf(before));
  const lives = await world.newLives(10);
  fillDisk();
  const waiting = chance.shuffled(eventsOf(lives));
  const statuses = await world.postAll(waiting, { lanes: 64 });
  console.log(`${statuses.filter((status) => status !== 200).length} refused on a full disk`);
  for (const status of statuses) expect([200, 503]).toContain(status);
  expect(statuses).toContain(503);
  rmSync(join(brokerFolder, "filler"));
  world.house.process("nats").kill("SIGKILL");
  // The provider sends again only what it heard no 200 for.
  await world.postUntilAcked(waiting.filter((_, n) => statuses[n] !== 200));
  await world.expectSettled([...before, ...lives]);
});

function eventsOf(lives: readonly Life[]) {
  return lives.flatMap((life) => life.events);
}

/** What the broker confirmed is settled, and whoever watches has seen it. */
async function untilDeskSettled(): Promise<void> {
  const manager = await broker.jsm();
  const behind = async () => {
    const { state } = await manager.streams.info("WEBHOOKS");
    const { ack_floor } = await manager.consumers.info("WEBHOOKS", "gateway-WEBHOOKS");
    return state.last_seq - ack_floor.stream_seq;
  };
  await expect.poll(behind, { timeout: 20_000 }).toBe(0);
  await sleep(1_500);
}

async function factsInJournal(): Promise<number> {
  const pool = openPool({ url: world.house.databaseUrl, connectionsMax: 1 });
  try {
    const [row] = await pool<{ count: number }[]>`select count(*)::int from ledger.journal`;
    return row!.count;
  } finally {
    await pool.end();
  }
}

async function factsOnStream(): Promise<number> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("LEDGER");
  return state.messages;
}

/** To the last page. */
function fillDisk(): void {
  const filler = join(brokerFolder, "filler");
  const { bavail, bsize } = statfsSync(brokerFolder);
  for (let bytes = bavail * bsize; bytes >= 4_096; bytes = Math.floor(bytes / 2)) {
    try {
      writeFileSync(filler, Buffer.alloc(bytes), { flag: "a" });
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOSPC" });
    }
  }
  expect(existsSync(filler)).toBe(true);
}
