// A provider that repeats itself for days, whose clock is wrong, that changes its secret or floods
// the door while everything runs: each webhook is in the books once. FAULTS_SEED repeats a run.

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nanos } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { allEvents } from "#dev/events.ts";
import type { StripeEvent } from "#dev/stripe-events.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { fingerprintOf } from "../webhook-gateway/providers/signature.ts";
import { createChance, seedFrom } from "./chance.ts";
import { type FaultyHouse, openFaultyHouse, type Status } from "./faulty-house.ts";
import { makeFolder } from "./folder.ts";
import { storedWebhooks } from "./store-world.ts";

const seed = seedFrom("FAULTS_SEED");
console.log(`FAULTS_SEED=${seed}`);
const chance = createChance(seed);
const folder = makeFolder("provider");
const timeout = 120_000;
let world: FaultyHouse;
let broker: ReturnType<typeof openBroker>;

beforeAll(async () => {
  world = await openFaultyHouse(folder, chance);
  const log = createLog({ service: "test", level: "silent" });
  const options = { url: world.house.natsUrl, name: "dev", events: await allEvents(), log };
  broker = openBroker({ ...options, metrics: createMetrics("test") });
});

afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("a webhook sent a thousand times, long after the broker forgot it, is posted once", {
  timeout,
}, async () => {
  const lives = await world.newLives(5);
  const events = lives.flatMap((life) => life.events);
  await world.postUntilAcked(events);
  await world.expectSettled(lives);
  const payments = await messagesIn("PAYMENTS");
  const rounds = 10;
  const sent = chance.pick(events);
  const before = await messagesIn("WEBHOOKS");
  for (let round = 0; round < rounds; round += 1) {
    await forgetDuplicates();
    const copies = Array.from({ length: 1_000 / rounds }, () => sent);
    expect(new Set(await world.postAll(copies))).toEqual(new Set([200]));
  }
  // The broker did not recognise them; whoever reads them does.
  const stored = (await messagesIn("WEBHOOKS")) - before;
  console.log(`1000 copies are ${stored} messages on the stream`);
  expect(stored).toBeGreaterThanOrEqual(rounds);
  const { deliveries } = await world.clients.deliveries.listDeliveries({ eventId: sent.id });
  expect(deliveries).toHaveLength(1);
  await world.expectSettled(lives);
  expect(await messagesIn("PAYMENTS")).toBe(payments);
});

test("beyond five minutes a clock's skew is refused and counted, within it nothing is lost", {
  timeout,
}, async () => {
  const lives = await world.newLives(12);
  const events = chance.shuffled(lives.flatMap((life) => life.events));
  const skewed = (minutes: number) => ({ at: new Date(Date.now() + minutes * 60_000) });
  const refused = (reason: string) => {
    return world.metric("bursar_gateway_rejected_total", `reason="timestamp-${reason}"`);
  };
  const third = Math.ceil(events.length / 3);
  for (const [minutes, reason] of [
    [10, "too-new"],
    [-10, "too-old"],
  ] as const) {
    const statuses = await world.postAll(events, skewed(minutes));
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(await refused(reason)).toBe(events.length);
  }
  // Sent again, by clocks that are wrong by less, and at last by one that is right.
  expect(new Set(await world.postAll(events.slice(0, third), skewed(4.5)))).toEqual(new Set([200]));
  const second = events.slice(third, 2 * third);
  expect(new Set(await world.postAll(second, skewed(-4.5)))).toEqual(new Set([200]));
  await world.postUntilAcked(events.slice(2 * third));
  await world.expectSettled(lives);
});

test("a secret is rotated and the endpoints change under load, and none is refused", {
  timeout,
}, async () => {
  const lives = await world.newLives(40);
  const events = chance.shuffled(lives.flatMap((life) => life.events));
  const file = world.house.provision.endpointsFile;
  const config = parse(readFileSync(file, "utf8"));
  const stripe = config.endpoints.find((endpoint: object) => "stripe" in endpoint);
  const old = world.house.provision.endpoints.stripe.secret;
  const fresh = `whsec_${"0123456789abcdef".repeat(2)}`;
  const oldRef = stripe.secrets[0];
  const freshRef = { file: join(folder, "secrets", "stripe-fresh") };
  writeFileSync(freshRef.file, fresh);
  const put = async (secrets: readonly object[], others: readonly object[] = []) => {
    const endpoints = config.endpoints.map((it: object) =>
      it === stripe ? { ...it, secrets } : it,
    );
    await reload(
      file,
      JSON.stringify({ ...config, endpoints: [...endpoints, ...others] }),
      "taken",
    );
  };
  const usedBy = (secret: string) => {
    const key = fingerprintOf(Buffer.from(secret));
    return world.metric(
      "bursar_gateway_verified_total",
      stripe.endpoint_id ?? stripe.endpointId,
      key,
    );
  };

  const load = startLoad(events, old);
  await put([oldRef, freshRef]);
  await load.switchTo(fresh);
  const oldCount = await usedBy(old);
  expect(oldCount).toBeGreaterThan(0);
  // Nobody uses the old one any more: the metrics say so, and only then it goes.
  await load.some(20);
  expect(await usedBy(old)).toBe(oldCount);
  await put([freshRef]);
  const url = endpointUrl("another-endpoint");
  const another = { ...stripe, endpointId: "another-endpoint", secrets: [freshRef] };
  await put([freshRef], [another]);
  const other = events.at(-1)!;
  expect(await world.post(other, { url, secret: fresh })).toBe(200);
  await reload(file, JSON.stringify({ endpoints: [{ ...stripe, secrets: [] }] }), "refused");
  expect(await world.post(other, { url, secret: fresh })).toBe(200);
  await put([freshRef]);
  expect(await world.post(other, { url, secret: fresh })).toBe(404);
  await load.some(20);
  const statuses = await load.finish();
  console.log(`${statuses.length} webhooks while secrets and endpoints changed`);
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(await world.post(other, { secret: old })).toBe(401);
  expect(await usedBy(fresh)).toBeGreaterThan(40);
  await put([oldRef]);
  await world.expectSettled(lives);
});

test("memory stays bounded while the broker is away and two thousand come each second", {
  timeout,
}, async () => {
  const perSecond = 2_000;
  const seconds = 3;
  const pid = world.house.process("webhook-gateway").pid!;
  const file = world.house.provision.endpointsFile;
  const { endpoints, ...rest } = parse(readFileSync(file, "utf8"));
  const stripe = endpoints.find((endpoint: object) => "stripe" in endpoint);
  const spool = { endpointId: "spool-endpoint", outagePolicy: "OUTAGE_POLICY_SPOOL" };
  const added = [...endpoints, { ...stripe, ...spool }];
  await reload(file, JSON.stringify({ ...rest, endpoints: added }), "taken");
  // What the gateway grows to under load anyway is no news.
  await flood("warm", perSecond, 2);
  const before = residentMiB(pid);
  let most = before;
  const watching = setInterval(() => {
    most = Math.max(most, residentMiB(pid));
  }, 50);
  let acked: readonly string[];
  {
    using _frozen = world.freeze("nats");
    acked = await flood("away", perSecond, seconds);
  }
  clearInterval(watching);
  const offered = perSecond * seconds;
  console.log(`${offered} offered, ${acked.length} acked, ${before} MiB before, ${most} at most`);
  expect(most - before).toBeLessThan(200);
  // Half of them may be spooled; the others are to be sent again.
  expect(acked.length).toBeGreaterThan(0);
  expect(acked.length).toBeLessThanOrEqual(offered / 2);
  const missing = async () => {
    const ids = new Set((await storedWebhooks(broker)).map(({ eventId }) => eventId));
    return acked.filter((id) => !ids.has(id));
  };
  await expect.poll(missing, { timeout: 30_000, interval: 1_000 }).toEqual([]);
  expect(await world.post(testEvent("after"))).toBe(200);
});

/** The ids of those that were acknowledged. */
async function flood(name: string, perSecond: number, seconds: number): Promise<string[]> {
  const acked: string[] = [];
  const sending: Promise<Status>[] = [];
  const stepMs = 10;
  const started = performance.now();
  for (let sent = 0; sent < perSecond * seconds; ) {
    const due = ((performance.now() - started) / 1_000) * perSecond;
    for (; sent < Math.min(due, perSecond * seconds); sent += 1) {
      const event = testEvent(`${name}_${sent}`);
      const url = sent % 2 === 0 ? world.url : endpointUrl("spool-endpoint");
      const one = world.post(event, { url }).then((status) => {
        if (status === 200) acked.push(event.id);
        return status;
      });
      sending.push(one);
    }
    await sleep(stepMs);
  }
  const others = new Set(await Promise.all(sending)).difference(new Set([200, 503, undefined]));
  expect([...others]).toEqual([]);
  return acked;
}

function endpointUrl(endpointId: string): string {
  return world.url.replace(/[^/]+$/, endpointId);
}

function testEvent(name: string): StripeEvent {
  const data = { object: { id: "cus_1", object: "customer", description: "x".repeat(2_000) } };
  return {
    id: `evt_${name}`,
    object: "event",
    type: "customer.created",
    created: 1_700_000_000,
    data,
  };
}

/** One lane for each of several connections, until it is told to finish. */
function startLoad(events: readonly StripeEvent[], first: string) {
  const statuses: (number | undefined)[] = [];
  let secret = first;
  let stopped = false;
  let next = 0;
  const lanes = 8;
  const lane = async () => {
    while (!stopped || next < events.length) {
      const event = events[next++ % events.length]!;
      statuses.push(await world.post(event, { secret }));
      await sleep(10);
    }
  };
  const running = Promise.all(Array.from({ length: lanes }, lane));
  const some = async (count: number) => {
    const until = statuses.length + count;
    while (statuses.length < until) await sleep(5);
  };
  return {
    some,
    /** Resolves when nothing that was signed by the one before is on its way. */
    async switchTo(other: string) {
      await some(lanes);
      secret = other;
      await some(2 * lanes);
    },
    async finish() {
      stopped = true;
      await running;
      return statuses;
    },
  };
}

/** As most tools replace a file; resolves when the gateway has judged it. */
async function reload(file: string, text: string, outcome: "taken" | "refused"): Promise<void> {
  const count = () => world.metric("bursar_gateway_config_reloads_total", `outcome="${outcome}"`);
  const before = await count();
  writeFileSync(`${file}.next`, text);
  renameSync(`${file}.next`, file);
  await expect.poll(count, { timeout: 10_000 }).toBe(before + 1);
}

/** As if the window in which the broker knows ids had passed. */
async function forgetDuplicates(): Promise<void> {
  const manager = await broker.jsm();
  for (const name of ["WEBHOOKS", "PAYMENTS"]) {
    const { config } = await manager.streams.info(name);
    await manager.streams.update(name, { ...config, duplicate_window: nanos(100) });
  }
  await sleep(300);
}

async function messagesIn(stream: string): Promise<number> {
  const manager = await broker.jsm();
  return (await manager.streams.info(stream)).state.messages;
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}
