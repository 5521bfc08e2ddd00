// From a webhook's answer to visible access: under no load beyond the samples, and
// while the whole path carries half of what it can.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import type { House } from "#dev/house.ts";
import { openSender, type Sender, signAsStripe } from "#dev/provider.ts";
import { openShop, placeOrder, type Shop } from "#dev/shop.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";
import { openPool } from "#mesh/database/pool.ts";
import { percentile } from "./percentile.ts";

const sampleCount = 200;
const ceilingSeconds = 5;

export type AccessResult = {
  readonly pathPerSecond: number;
  readonly idle: Percentiles;
  readonly half: Percentiles;
};

export type Percentiles = { readonly p50Ms: number; readonly p99Ms: number };

export async function benchAccess(house: House, clients: Clients): Promise<AccessResult> {
  const ca = readFileSync(house.provision.tls.dev.caFile, "utf8");
  using sender = openSender({ ca, connectionsMax: 64 });
  const prices = [{ amountMinor: 4_900n, currencyCode: "USD" }];
  const shop = await openShop(clients, { slug: "bench", title: "Bench", prices });
  const send = senderOf(house, sender);

  const pathPerSecond = await measureCeiling(house, send);
  const idle = await sample(clients, shop, send, "idle");
  const stop = new AbortController();
  const background = keepSending(send, pathPerSecond / 2, stop.signal);
  await sleep(1_000);
  const half = await sample(clients, shop, send, "half");
  stop.abort();
  await background;
  return { pathPerSecond, idle, half };
}

type Send = (orderId: string | undefined) => Promise<void>;

function senderOf(house: House, sender: Sender): Send {
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
  const { secret } = house.provision.endpoints.stripe;
  return async (orderId) => {
    const payment = newStripePayment({ amount: 4_900, currency: "usd", orderId });
    const { status } = await sender.post(
      url,
      signAsStripe(paymentIntentSucceeded(payment), secret),
    );
    if (status !== 200) throw new Error(`the door answered ${status}`);
  };
}

/** Everything at once for a while; the clock stops when the CMS has read it all. */
async function measureCeiling(house: House, send: Send): Promise<number> {
  const startMs = performance.now();
  const endMs = startMs + ceilingSeconds * 1_000;
  let count = 0;
  const connection = async () => {
    while (performance.now() < endMs) {
      await send(undefined);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: 32 }, connection));
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1 });
  const seen = await eventually(async () => {
    const [row] = await sql`
      select (select count(*) from ledger.transaction)
           - (select count(*) from cms.inbox) as behind`;
    return Number(row?.["behind"]) <= 0 ? true : undefined;
  }, 120_000);
  await sql.end();
  if (!seen) throw new Error("the CMS did not catch up");
  return count / ((performance.now() - startMs) / 1_000);
}

async function keepSending(send: Send, perSecond: number, stop: AbortSignal): Promise<void> {
  const startMs = performance.now();
  const inFlight = new Set<Promise<void>>();
  for (let sent = 0; !stop.aborted; ) {
    const due = ((performance.now() - startMs) / 1_000) * perSecond;
    while (sent < due && inFlight.size < 64) {
      const one = send(undefined).finally(() => inFlight.delete(one));
      inFlight.add(one);
      sent += 1;
    }
    await sleep(5);
  }
  await Promise.all(inFlight);
}

async function sample(
  clients: Clients,
  shop: Shop,
  send: Send,
  name: string,
): Promise<Percentiles> {
  const { courseId } = shop;
  const waitedMs: number[] = [];
  for (let n = 0; n < sampleCount; n += 1) {
    const learnerId = `${name}-${n}`;
    const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "USD" });
    await send(orderId);
    const startMs = performance.now();
    for (;;) {
      const { allowed } = await clients.enrollments.checkAccess({ learnerId, courseId });
      if (allowed) break;
      if (performance.now() - startMs > 60_000) throw new Error(`no access for ${learnerId}`);
      await sleep(1);
    }
    waitedMs.push(performance.now() - startMs);
  }
  waitedMs.sort((a, b) => a - b);
  return { p50Ms: percentile(waitedMs, 0.5), p99Ms: percentile(waitedMs, 0.99) };
}
