// From a posted payment to visible access, beside the floor: the same fact reaching a consumer that
// does nothing with it. Both clocks start when the webhook was answered.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { Clients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import type { House } from "#dev/house.ts";
import { openSender, signAsStripe } from "#dev/provider.ts";
import { openShop, placeOrder } from "#dev/shop.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { brokerAccess } from "#mesh/events/broker-access.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { percentile } from "./percentile.ts";

const sampleCount = 300;

export type LagResult = { readonly floor: Lag; readonly access: Lag };

export type Lag = { readonly p50Ms: number; readonly p99Ms: number };

export async function benchLag(house: House, clients: Clients): Promise<LagResult> {
  const ca = readFileSync(house.provision.tls.dev.caFile, "utf8");
  using sender = openSender({ ca, connectionsMax: 4 });
  await using floor = await watchOrders(house);
  const prices = [{ amountMinor: 4_900n, currencyCode: "USD" }];
  const shop = await openShop(clients, { slug: `lag-${randomUUID()}`, title: "Lag", prices });
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
  const { secret } = house.provision.endpoints.stripe;
  const [floorMs, accessMs]: [number[], number[]] = [[], []];
  for (let n = 0; n < sampleCount; n += 1) {
    const learnerId = `lag-${n}`;
    const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "USD" });
    const payment = newStripePayment({ amount: 4_900, currency: "usd", orderId });
    await sender.post(url, signAsStripe(paymentIntentSucceeded(payment), secret));
    const startMs = performance.now();
    const { courseId } = shop;
    for (;;) {
      const { allowed } = await clients.enrollments.checkAccess({ learnerId, courseId });
      if (allowed) break;
      if (performance.now() - startMs > 60_000) throw new Error(`no access for ${learnerId}`);
      await sleep(1);
    }
    accessMs.push(performance.now() - startMs);
    floorMs.push(Math.max(0, (await floor.seenMs(orderId)) - startMs));
  }
  return { floor: lagOf(floorMs), access: lagOf(accessMs) };
}

function lagOf(values: number[]): Lag {
  values.sort((a, b) => a - b);
  return { p50Ms: percentile(values, 0.5), p99Ms: percentile(values, 0.99) };
}

/** When each order's payment reached this process. */
async function watchOrders(house: House) {
  const connection = await connect(brokerAccess({ url: house.natsUrl }, silentLog()));
  const manager = await jetstreamManager(connection);
  const { name } = await manager.consumers.add("LEDGER", {
    name: `bench-${randomUUID()}`,
    deliver_policy: DeliverPolicy.New,
    ack_policy: AckPolicy.None,
    inactive_threshold: 60e9,
    mem_storage: true,
  });
  const consumer = await jetstream(connection).consumers.get("LEDGER", name);
  const messages = await consumer.consume();
  const seen = new Map<string, number>();
  const reading = (async () => {
    for await (const { subject, data } of messages) {
      if (subject !== TransactionPostedSchema.typeName) continue;
      const { transaction } = fromBinary(TransactionPostedSchema, data);
      seen.set(transaction?.paymentState?.orderId ?? "", performance.now());
    }
  })();
  return {
    async seenMs(orderId: string): Promise<number> {
      for (let tries = 0; tries < 10_000; tries += 1) {
        const atMs = seen.get(orderId);
        if (atMs !== undefined) return atMs;
        await sleep(1);
      }
      throw new Error(`nothing about ${orderId} was seen on the stream`);
    },
    async [Symbol.asyncDispose]() {
      await messages.close();
      await reading;
      await connection.close();
    },
  };
}
