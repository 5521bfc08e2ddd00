import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { createWebhookStore, type StoreWebhooks } from "./store-webhook.ts";
import { openTestDoor, type TestDoor } from "./testing/door.ts";
import { openProxy } from "./testing/proxy.ts";
import {
  genericHeaders,
  otherStripeSecret,
  standardHeaders,
  stripeEvent,
  stripeHeaders,
} from "./testing/senders.ts";

let testBroker: TestBroker;
let publisher: StoreWebhooks;
let door: TestDoor;

beforeAll(async () => {
  testBroker = await openTestBroker("webhook-gateway");
  publisher = publisherTo(testBroker.broker);
  door = await openTestDoor(publisher);
});
afterAll(async () => {
  await door[Symbol.asyncDispose]();
  await testBroker[Symbol.asyncDispose]();
});

test("a Stripe webhook is on the stream, byte for byte, before it is acknowledged", async () => {
  const body = stripeEvent("evt_first");
  const reply = await door.send({ body, headers: stripeHeaders(body) });
  expect(reply).toMatchObject({ status: 200, body: '{"received":true}' });

  const webhook = await storedWith("evt_first");
  expect(webhook).toMatchObject({
    endpointId: "stripe-endpoint",
    provider: "stripe",
    providerAccount: "acct_demo",
    ledgerId: "main",
    eventType: "payment_intent.succeeded",
    contentType: "application/json",
    headers: [{ name: "Stripe-Signature" }],
    verification: { scheme: "stripe", algorithm: "hmac-sha256", coverage: Coverage.TIME_BODY },
  });
  expect(Buffer.from(webhook!.body)).toEqual(Buffer.from(body));
  expect(Math.abs(timestampDate(webhook!.receivedTime!).getTime() - Date.now())).toBeLessThan(
    5_000,
  );
});

test("a Standard Webhook is acknowledged and identified by its signed header", async () => {
  const body = '{"type":"payout.paid","id":"unread"}';
  const reply = await door.send({
    endpoint: "standard-endpoint",
    body,
    headers: standardHeaders("msg_1", body),
  });
  expect(reply.status).toBe(200);
  expect(await storedWith("msg_1")).toMatchObject({
    provider: "standard",
    eventType: "payout.paid",
    verification: { scheme: "standard-webhooks", coverage: Coverage.ID_TIME_BODY },
  });
});

test("a generic HMAC is acknowledged, and the same body is one webhook", async () => {
  const body = '{"type":"payout.paid","n":1}';
  const before = await storedCount();
  for (let n = 0; n < 2; n++) {
    const headers = genericHeaders(body);
    expect((await door.send({ endpoint: "generic-endpoint", body, headers })).status).toBe(200);
  }
  expect(await storedCount()).toBe(before + 1);
});

test("bytes that are no text, and JSON with a name twice, are verified and stored as they are", async () => {
  for (const body of [
    Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x00, 0x22]),
    Buffer.from('{"id":"evt_a","id":"evt_b","type":"x"}'),
    Buffer.from("\ufeff{}"),
    Buffer.from("not JSON"),
  ]) {
    expect((await door.send({ body, headers: stripeHeaders(body) })).status).toBe(200);
    const last = await lastStored();
    expect(Buffer.from(last.body)).toEqual(body);
    expect(last).toMatchObject({ eventId: "", eventType: "" });
  }
});

test("the same bytes again, however they are sent, are stored once", async () => {
  const before = await storedCount();
  const replies = await Promise.all(
    Array.from({ length: 64 }, async (_, n) => {
      const body = stripeEvent("evt_64");
      const endpoint = n % 2 === 0 ? "stripe-endpoint" : "stripe-second";
      return door.send({ endpoint, body, headers: stripeHeaders(body, { secondsAgo: n }) });
    }),
  );
  expect(replies.map(({ status }) => status)).toEqual(Array(64).fill(200));
  expect(await storedCount()).toBe(before + 1);
});

test("another body under the same id is stored as well, for the desk to judge", async () => {
  const before = await storedCount();
  const bodies = [1, 2, 3].map((pending_webhooks) =>
    stripeEvent("evt_other", { pending_webhooks }),
  );
  const replies = await Promise.all(
    [...bodies, ...bodies].map((body) => door.send({ body, headers: stripeHeaders(body) })),
  );
  expect(replies.map(({ status }) => status)).toEqual(Array(6).fill(200));
  const webhooks = (await stored()).slice(before);
  expect(webhooks.map(({ body }) => Buffer.from(body).toString()).toSorted()).toEqual(bodies);
  expect(new Set(webhooks.map(({ webhookId }) => webhookId)).size).toBe(1);
});

// One row a way of not being authentic: one answer for all of them.
test.each<[string, (body: string) => Record<string, string | string[]>, string]>([
  ["no signature", () => ({}), "header-missing"],
  ["an empty signature", () => ({ "stripe-signature": "" }), "header-missing"],
  ["an old signature", (body) => stripeHeaders(body, { secondsAgo: 301 }), "timestamp-too-old"],
  ["a future signature", (body) => stripeHeaders(body, { secondsAgo: -302 }), "timestamp-too-new"],
  [
    "a forged signature",
    (body) => stripeHeaders(body, { secret: otherStripeSecret }),
    "signature-mismatch",
  ],
  [
    "a truncated signature",
    (body) => ({ "Stripe-Signature": stripeHeaders(body)["Stripe-Signature"].slice(0, -2) }),
    "header-malformed",
  ],
  ["a signature of another body", () => stripeHeaders("{}"), "signature-mismatch"],
  [
    "two signatures",
    (body) => ({
      "Stripe-Signature": [
        stripeHeaders(body)["Stripe-Signature"],
        stripeHeaders(body)["Stripe-Signature"],
      ],
    }),
    "header-duplicated",
  ],
])("%s is 401 without a reason", async (_, headersFor, reason) => {
  const body = stripeEvent("evt_never");
  const before = await door.rejected(reason);
  const reply = await door.send({ body, headers: headersFor(body) });
  expect(reply).toMatchObject({ status: 401, body: '{"error":"not authentic"}' });
  expect(await door.rejected(reason)).toBe(before + 1);
  expect(await storedWith("evt_never")).toBeUndefined();
});

test("a tampered body is 401", async () => {
  const body = stripeEvent("evt_tampered");
  const reply = await door.send({
    body: body.replace("4900", "4901"),
    headers: stripeHeaders(body),
  });
  expect(reply.status).toBe(401);
});

test("without the broker it is 503 with Retry-After, and with it 200 again", async () => {
  await using proxy = await openProxy(testBroker.url);
  await using broker = openBroker({
    url: proxy.url,
    name: "through-proxy",
    events: [WebhookReceivedSchema],
    log: silentLog(),
    metrics: createMetrics("test"),
    streamBytesMax: testBroker.broker.streamBytesMax,
  });
  expect(await broker.waitUntilConnected(5_000)).toBe(true);
  await using away = await openTestDoor(publisherTo(broker), { publishTimeoutMs: 300 });
  const body = stripeEvent("evt_away");
  const attempt = () => away.send({ body, headers: stripeHeaders(body) });

  expect((await attempt()).status).toBe(200);
  proxy.cut();
  const refused = await away.send({
    body: stripeEvent("evt_cut"),
    headers: stripeHeaders(stripeEvent("evt_cut")),
  });
  expect(refused).toMatchObject({
    status: 503,
    body: '{"error":"try again later"}',
    headers: { "retry-after": "5" },
  });
  await proxy.mend();
  await expect.poll(async () => (await attempt()).status, { timeout: 10_000 }).toBe(200);
});

test("a broker that stays away is waited for no longer, and used as soon as it is back", async () => {
  await using proxy = await openProxy(testBroker.url);
  await using broker = openBroker({
    url: proxy.url,
    name: "through-proxy",
    events: [WebhookReceivedSchema],
    log: silentLog(),
    metrics: createMetrics("test"),
    streamBytesMax: testBroker.broker.streamBytesMax,
  });
  expect(await broker.waitUntilConnected(5_000)).toBe(true);
  expect(broker.absentMs).toBe(0);
  await using away = await openTestDoor(publisherTo(broker), { publishTimeoutMs: 8_000 });
  const attempt = (body: string) => away.send({ body, headers: stripeHeaders(body) });

  proxy.cut();
  await expect.poll(() => broker.absentMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  const startedMs = performance.now();
  const replies = await Promise.all([1, 2, 3].map((n) => attempt(stripeEvent(`evt_long_${n}`))));
  expect(replies.map(({ status }) => status)).toEqual([503, 503, 503]);
  expect(performance.now() - startedMs).toBeLessThan(1_000);

  await proxy.mend();
  expect(await broker.waitUntilConnected(5_000)).toBe(true);
  expect((await attempt(stripeEvent("evt_long_1"))).status).toBe(200);
});

test("a broker that was never there is not waited for either", async () => {
  await using proxy = await openProxy(testBroker.url);
  proxy.cut();
  const metrics = createMetrics("test");
  await using broker = openBroker({
    ...{ url: proxy.url, name: "x", events: [WebhookReceivedSchema], log: silentLog(), metrics },
  });
  await expect.poll(() => broker.absentMs, { timeout: 5_000 }).toBeGreaterThan(1_000);
  await using away = await openTestDoor(publisherTo(broker), { publishTimeoutMs: 8_000 });
  const body = stripeEvent("evt_nowhere");
  const startedMs = performance.now();
  expect((await away.send({ body, headers: stripeHeaders(body) })).status).toBe(503);
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});

function publisherTo(broker: Broker): StoreWebhooks {
  return createWebhookStore({ broker, source: "webhook-gateway", log: silentLog() });
}

async function stored() {
  const manager = await testBroker.broker.jsm();
  const { state } = await manager.streams.info("WEBHOOKS");
  const webhooks = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage("WEBHOOKS", { seq });
    if (message) webhooks.push(fromBinary(WebhookReceivedSchema, message.data));
  }
  return webhooks;
}

async function storedCount(): Promise<number> {
  return (await stored()).length;
}

async function storedWith(eventId: string) {
  return (await stored()).find((webhook) => webhook.eventId === eventId);
}

async function lastStored() {
  return (await stored()).at(-1)!;
}
