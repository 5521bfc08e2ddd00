// Kills every process at any moment with -9, again and again, while a provider
// sends duplicated and reordered webhooks; then holds every acknowledged webhook
// against the ledger and access. KILL_SECONDS sets how long it goes on.

import { readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openClients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { type House, openHouse, type ProcessName } from "#dev/house.ts";
import { openSender, type Sender, signAsStripe } from "#dev/provider.ts";
import { openShop, placeOrder } from "#dev/shop.ts";
import type { StripeEvent } from "#dev/stripe-events.ts";
import { actualLines, auditBooks, expectedLines } from "./audit.ts";
import { type Chance, createChance, seedFrom } from "./chance.ts";
import { makeFolder } from "./folder.ts";
import { createLife, type Life, priceMinor } from "./lives.ts";

const killSeconds = Number(process.env["KILL_SECONDS"]) || 25;
const lifeCount = 60 + 12 * killSeconds;
const sendersMax = 8;
const victims: readonly ProcessName[] = [
  "postgres",
  "nats",
  "ledger-service",
  "cms-service",
  "webhook-gateway",
];

test("kill -9 of any process under load loses nothing and doubles nothing", {
  timeout: (killSeconds + 240) * 1000,
}, async () => {
  const seed = seedFrom("KILL_SEED");
  console.log(`KILL_SEED=${seed} KILL_SECONDS=${killSeconds}`);
  const chance = createChance(seed);
  const folder = makeFolder("kill");
  {
    await using house = await openHouse({ folder, logLevel: "warn" });
    await using clients = openClients(house);
    using sender = openSender({
      ca: readFileSync(house.provision.tls.dev.caFile, "utf8"),
      timeoutMs: 5_000,
    });
    const shop = await openShop(clients, {
      slug: "kill",
      title: "Kill",
      prices: [{ amountMinor: BigInt(priceMinor), currencyCode: "USD" }],
    });
    const lives: Life[] = [];
    for (let n = 0; n < lifeCount; n += 1) {
      const learnerId = `learner-${n}`;
      const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "USD" });
      lives.push(createLife(chance, { learnerId, orderId }));
    }

    const acked = await sendWhileKilling(house, sender, chance, deliveriesOf(lives, chance));
    const expected = expectedLines(lives);
    const settled = await eventually(async () => {
      const actual = await actualLines(clients, shop.courseId, lives).catch(() => undefined);
      return actual?.join("\n") === expected.join("\n") ? actual : undefined;
    }, 90_000);
    const actual = settled ?? (await actualLines(clients, shop.courseId, lives));
    expect(actual).toEqual(expected);
    await auditBooks(house, clients);
    console.log(`${acked.size} webhooks acknowledged, 0 lost, 0 doubled`);
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Every event, some several times, in no order. */
function deliveriesOf(lives: readonly Life[], chance: Chance): StripeEvent[] {
  const events = lives.flatMap((life) => life.events);
  const again = events.filter(() => chance.below(3) === 0);
  return chance.shuffled([...events, ...again, ...again.filter(() => chance.below(3) === 0)]);
}

/** Sends until everything is acknowledged, as a provider does; kills until the time is up. */
async function sendWhileKilling(
  house: House,
  sender: Sender,
  chance: Chance,
  deliveries: readonly StripeEvent[],
): Promise<ReadonlySet<string>> {
  const acked = new Set<string>();
  const waiting = [...deliveries];
  const pauseMs = (killSeconds * 1000 * sendersMax) / waiting.length;
  const provider = async () => {
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      if (await sent(house, sender, event)) acked.add(event.id);
      else waiting.splice(Math.floor(Math.random() * waiting.length), 0, event);
      await sleep(pauseMs);
    }
  };
  const sending = Promise.all(Array.from({ length: sendersMax }, provider));
  const killed = await killUntil(house, chance, Date.now() + killSeconds * 1000);
  await sending;
  console.log(`killed: ${killed.join(" ")}`);
  expect(acked.size).toBe(new Set(deliveries.map(({ id }) => id)).size);
  return acked;
}

async function sent(house: House, sender: Sender, event: StripeEvent): Promise<boolean> {
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
  const signed = signAsStripe(event, house.provision.endpoints.stripe.secret);
  const answer = await sender.post(url, signed).catch(() => undefined);
  // A provider must never be told that a good webhook is bad.
  if (answer) expect([200, 503]).toContain(answer.status);
  return answer?.status === 200;
}

async function killUntil(house: House, chance: Chance, endMs: number): Promise<string[]> {
  const killed: string[] = [];
  while (Date.now() < endMs) {
    await sleep(300 + chance.below(1_200));
    const victim = chance.pick(victims);
    if (house.process(victim).kill("SIGKILL")) killed.push(victim);
  }
  return killed;
}
