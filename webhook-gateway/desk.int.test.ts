import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DeadLetterReason, HeaderSchema } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { DeliveryFlag, DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import {
  VerificationSchema,
  WebhookConfirmedSchema,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createMetrics, type Metrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { startDesk } from "./desk.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Filter } from "./filter/filter.ts";
import { parseFilter } from "./filter/filter.ts";
import { publishWebhook } from "./publish-webhook.ts";
import * as observed from "./testing/desk-observations.ts";
import { endWaitingSessions, forgetMs, intentBody } from "./testing/desk-observations.ts";
import { paymentIntent, stripeBody, webhookWith } from "./testing/webhooks.ts";
import { webhookIdOf } from "./webhook.ts";

const migrations = new URL("./migrations/", import.meta.url);
const log = silentLog();

let database: TestDatabase;
let testBroker: TestBroker;
let metrics: Metrics;
let desk: AsyncDisposable;

beforeAll(async () => {
  database = await openTestDatabase({ schema: "gateway", migrations });
  testBroker = await openTestBroker("webhook-gateway");
  for (const name of ["WEBHOOKS", "PAYMENTS", "WEBHOOK_BODIES"] as const)
    await ensureStream(testBroker.broker, name);
  metrics = createMetrics("test");
  desk = openDesk();
});
afterAll(async () => {
  await desk[Symbol.asyncDispose]();
  await testBroker[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** Of all that an endpoint is the desk asks for its filter alone. */
const livemode = parseFilter("event.livemode == true") as Filter;
const endpoints = new Map([["filtered-endpoint", { filter: livemode } as Endpoint]]);

let count = 0;
let eventId = "";
beforeEach(() => {
  eventId = `evt_${++count}`;
});

test("a payment becomes an event under the webhook's id, and a delivery that says so", async () => {
  const webhook = await arrive(stripeBody("payment_intent.succeeded", paymentIntent()));
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({
      outcome: DeliveryOutcome.PUBLISHED,
      published_events: ["bursar.payments.v1.PaymentSucceeded"],
      event_id: eventId,
      event_type: "payment_intent.succeeded",
      endpoint_id: "endpoint-1",
    });
  const published = await paymentsOf(webhook);
  expect(published.map(({ id }) => id)).toEqual([`${webhook.webhookId}/1`]);
  expect(published[0]!.subject).toBe("bursar.payments.v1.PaymentSucceeded");
  expect(fromBinary(PaymentSucceededSchema, published[0]!.data)).toMatchObject({
    ledgerId: "main",
    paymentId: "stripe/acct_demo/pi_1",
    orderId: "ord_1",
    amount: { amountMinor: 4900n, currencyCode: "USD" },
    provenance: { webhookId: webhook.webhookId, coverage: Coverage.TIME_BODY },
  });
});

test("a type that means nothing to the books is kept and counted", async () => {
  const webhook = await arrive(stripeBody("customer.created", { id: "cus_1" }));
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({
      outcome: DeliveryOutcome.KEPT,
      published_events: [],
    });
  expect(await paymentsOf(webhook)).toEqual([]);
  expect(await metrics.render()).toMatch(
    /bursar_gateway_normalised_total\{.*type="customer.created",outcome="kept".*\} 1/,
  );
});

test.each([
  ["is false", { livemode: false }, DeliveryOutcome.FILTERED, [], 0],
  ["is true", { livemode: true }, DeliveryOutcome.PUBLISHED, [], 1],
  ["cannot tell", {}, DeliveryOutcome.PUBLISHED, [DeliveryFlag.FILTER_FAILED], 1],
])("a webhook whose endpoint's filter %s", async (_, over, outcome, flags, payments) => {
  const webhook = await arrive(said(over), eventId, { endpointId: "filtered-endpoint" });
  await expect.poll(() => deliveryOf(webhook)).toMatchObject({ outcome, flags });
  expect(await paymentsOf(webhook)).toHaveLength(payments);
});

test("the same under another unsigned id is counted and flagged, and handled once", async () => {
  const webhook = await arrive(said(), eventId, { unsignedEventId: "first" });
  await expect.poll(() => deliveryOf(webhook)).toMatchObject({ repeats: 0n, flags: [] });
  await arrive(said(), eventId, { unsignedEventId: "second" });
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({ repeats: 1n, flags: [DeliveryFlag.RENAMED] });
  expect(await paymentsOf(webhook)).toHaveLength(1);
});

test("a body in parts is read back, and becomes what it would in one", async () => {
  const webhook = await arrive(said({ pad: "x".repeat(1_200_000) }));
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({ outcome: DeliveryOutcome.PUBLISHED });
  expect(await paymentsOf(webhook)).toHaveLength(1);
});

test("what nobody attests waits for its provider, whose answer is what counts", async () => {
  const verification = create(VerificationSchema, {
    scheme: "stripe",
    algorithm: "hmac-sha256",
    coverage: Coverage.ID_TIME,
  });
  const id = "WH-1AB23456CD789012E-3FG45678HI901234J";
  const body = JSON.stringify({ id, event_type: "CATALOG.PRODUCT.CREATED" });
  const webhook = await arrive(body, eventId, { verification, provider: "paypal" });
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({ outcome: DeliveryOutcome.UNCONFIRMED, published_events: [] });
  const waiting = await database.pool`select webhook_id from confirmation`;
  expect(waiting).toContainEqual({ webhook_id: webhook.webhookId });

  const confirmed = encodeEvent(
    WebhookConfirmedSchema,
    {
      webhookId: webhook.webhookId,
      webhook,
      body: Buffer.from(body),
      path: `/v1/notifications/webhooks-events/${id}`,
      fetchedTime: timestampFromMs(1_700_000_001_000),
    },
    { messageId: `${webhook.webhookId}/confirmed/1`, source: "webhook-gateway", time: new Date() },
  );
  await publish(testBroker.broker, confirmed, { deadlineMs: 5_000 });
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({ outcome: DeliveryOutcome.KEPT, published_events: [] });
});

test("a message of the version before is handled like any other", async () => {
  const webhook = await arrive(said(), eventId, { tenantId: "", partIndex: 0 });
  await expect
    .poll(() => deliveryOf(webhook))
    .toMatchObject({ tenant_id: "", unsigned_event_id: "", provider_account: "acct_demo" });
});

// One row a reason; the bytes are kept with it.
test.each<[string, string, DeadLetterReason, string]>([
  ["a decimal amount", intentBody("100.5"), DeadLetterReason.AMOUNT_NOT_EXACT, "got 100.5"],
  ["an amount in exponents", intentBody("1e2"), DeadLetterReason.AMOUNT_NOT_EXACT, "got 1e2"],
  ["an amount as text", intentBody('"100.00"'), DeadLetterReason.AMOUNT_NOT_EXACT, 'got "100.00"'],
  [
    "an amount beyond 2^53",
    intentBody("9007199254740993"),
    DeadLetterReason.AMOUNT_NOT_EXACT,
    "got 9007199254740993",
  ],
  [
    "an amount beyond int64",
    intentBody("9223372036854775808"),
    DeadLetterReason.AMOUNT_NOT_EXACT,
    "got 9223372036854775808",
  ],
  ["a negative amount", intentBody("-1"), DeadLetterReason.REFUSED, "is negative: -1"],
  ["an unknown currency", intentBody("1", "zzz"), DeadLetterReason.CURRENCY_UNKNOWN, 'got "zzz"'],
  [
    "a name twice",
    '{"type":"a","type":"b"}',
    DeadLetterReason.PAYLOAD_MALFORMED,
    'names "type" twice',
  ],
  ["invalid UTF-8", '{"type":"\u00ff"}', DeadLetterReason.PAYLOAD_MALFORMED, "not valid UTF-8"],
  ["no JSON", "paid!", DeadLetterReason.PAYLOAD_MALFORMED, "not JSON"],
])("%s is a dead letter with its reason and its bytes", async (_, body, reason, detail) => {
  const webhook = await arrive(Buffer.from(body, "latin1"));
  await expect
    .poll(() => deadLetterOf(webhook))
    .toMatchObject({
      reason,
      detail: expect.stringContaining(detail),
    });
  const letter = await deadLetterOf(webhook);
  const kept = fromBinary(WebhookReceivedSchema, letter!["data"] as Buffer);
  expect(Buffer.from(kept.body)).toEqual(Buffer.from(body, "latin1"));
  expect(await deliveryOf(webhook)).toMatchObject({ outcome: DeliveryOutcome.DEAD });
  expect(await paymentsOf(webhook)).toEqual([]);
});

test("neighbours of a webhook that cannot be read are not held up", async () => {
  const bodies = Array.from({ length: 20 }, (_, n) => {
    eventId = `evt_neighbour_${n}`;
    return n % 5 === 0
      ? intentBody("1.5")
      : stripeBody("payment_intent.succeeded", paymentIntent());
  });
  const webhooks = await Promise.all(bodies.map((body, n) => arrive(body, `evt_neighbour_${n}`)));
  await expect
    .poll(async () => (await Promise.all(webhooks.map(deliveryOf))).filter(Boolean).length)
    .toBe(20);
  const outcomes = (await Promise.all(webhooks.map(deliveryOf))).map((row) => row!["outcome"]);
  expect(outcomes.filter((outcome) => outcome === DeliveryOutcome.DEAD)).toHaveLength(4);
});

test("the whole stream once more changes nothing", async () => {
  const webhook = await arrive(stripeBody("payment_intent.succeeded", paymentIntent()));
  await expect.poll(() => deliveryOf(webhook)).toBeDefined();
  const before = await everything();

  await desk[Symbol.asyncDispose]();
  const manager = await testBroker.broker.jsm();
  await manager.consumers.delete("WEBHOOKS", "gateway-WEBHOOKS");
  desk = openDesk();
  await settledAll();
  expect(await everything()).toEqual(before);
});

test("what a provider sends again after the broker has forgotten it changes nothing", async () => {
  await using _forgetful = await forgetQuickly();
  const receivedTime = timestampNow();
  const webhook = await arrive(said({ pending_webhooks: 2 }), eventId, { receivedTime });
  await expect.poll(() => deliveryOf(webhook)).toBeDefined();
  const before = await everything();

  await sleep(forgetMs);
  await arrive(said({ pending_webhooks: 1 }), eventId, {
    endpointId: "endpoint-2",
    receivedTime: timestampFromMs(1_700_000_900_000),
    headers: [create(HeaderSchema, { name: "stripe-signature", value: "t=1700000900,v1=00" })],
  });
  await settledAll();

  expect(await everything()).toEqual(before);
  expect(await paymentsOf(webhook)).toHaveLength(1);
});

test("where the PAYMENTS stream is younger than a webhook, that is published as it was", async () => {
  await using _forgetful = await forgetQuickly();
  const webhook = await arrive(said());
  await expect.poll(() => deliveryOf(webhook)).toBeDefined();
  await sleep(forgetMs);
  await arrive(said(), eventId, { receivedTime: timestampNow() });
  await settledAll();

  const [first, second, ...more] = await paymentsOf(webhook);
  expect(second).toEqual(first);
  expect(more).toEqual([]);
});

test("another amount under the same id is a conflict, and the first one stays", async () => {
  const webhook = await arrive(said());
  await expect.poll(() => deliveryOf(webhook)).toBeDefined();
  const [published] = await paymentsOf(webhook);

  const other = stripeBody("payment_intent.succeeded", paymentIntent({ amount_received: 1 }));
  await arrive(other);

  await expect
    .poll(() => deadLetterOf(webhook))
    .toMatchObject({
      reason: DeadLetterReason.CONFLICT,
      detail: expect.stringContaining("other content"),
    });
  expect(await paymentsOf(webhook)).toEqual([published]);
});

test("what was mended under the id it was given up with is a conflict, and not lost", async () => {
  const webhook = await arrive(intentBody("1.5"));
  await arrive(intentBody("15"));
  await arrive(intentBody("2.5"));
  await settledAll();

  const letters = await database.pool`
    select reason, data from dead_letter where message_id = ${webhook.webhookId}
    order by stream_sequence
  `;
  const said = letters.map(({ reason, data }) => {
    return [reason, Buffer.from(fromBinary(WebhookReceivedSchema, data).body).toString()];
  });
  expect(said).toEqual([
    [DeadLetterReason.AMOUNT_NOT_EXACT, intentBody("1.5")],
    [DeadLetterReason.CONFLICT, intentBody("15")],
    [DeadLetterReason.CONFLICT, intentBody("2.5")],
  ]);
  expect(await paymentsOf(webhook)).toEqual([]);
});

test("a desk that stopped between publishing and committing publishes the same event again", async () => {
  await desk[Symbol.asyncDispose]();
  const webhook = await arrive(stripeBody("payment_intent.succeeded", paymentIntent()));
  // A row in the way makes the commit impossible until it is gone.
  const blocked = Promise.withResolvers<void>();
  const unblock = Promise.withResolvers<void>();
  const blocker = database.pool.begin(async (tx) => {
    await tx`
      insert into delivery (webhook_id, endpoint_id, provider, event_type, event_id, received_at,
        outcome, published_events, stream_sequence)
      values (${webhook.webhookId}, 'x', 'x', 'x', 'x', now(), 1, '{}', 1)
    `;
    blocked.resolve();
    await unblock.promise;
    throw new Error("rolled back");
  });
  await blocked.promise;
  const first = openDesk();
  await expect.poll(async () => (await paymentsOf(webhook)).length).toBe(1);
  // The session of the waiting desk is ended, as a crash would end it.
  await expect.poll(() => endWaitingSessions(database.superUrl)).toBeGreaterThan(0);
  unblock.resolve();
  await expect(blocker).rejects.toThrow();
  await expect.poll(() => deliveryOf(webhook)).toMatchObject({ endpoint_id: "endpoint-1" });
  expect(await paymentsOf(webhook)).toHaveLength(1);
  desk = first;
});

function openDesk(): AsyncDisposable {
  return startDesk({
    pool: database.pool,
    broker: testBroker.broker,
    source: "webhook-gateway",
    log,
    metrics,
    endpoints: { current: { endpoints } },
    doorBusy: () => false,
  });
}

const said = (over: object = {}) => {
  return stripeBody("payment_intent.succeeded", paymentIntent(), over);
};

async function arrive(
  body: string | Buffer,
  id = eventId,
  over: Parameters<typeof webhookWith>[1] = {},
): Promise<WebhookReceived> {
  const bytes = Buffer.from(body as string);
  const bodySha256 = createHash("sha256").update(bytes).digest();
  const type = /"type":"([a-z_.]+)"/.exec(bytes.toString())?.[1] ?? "";
  const webhook = webhookWith(bytes, {
    webhookId: webhookIdOf(
      { tenantId: "", provider: "stripe", providerAccount: "acct_demo" },
      { eventId: id, bodySha256 },
    ),
    eventType: type,
    eventId: id,
    ...over,
  });
  const { broker } = testBroker;
  const published = await publishWebhook(
    (event, options) => publish(broker, event, options),
    webhook,
    { source: "webhook-gateway", deadlineMs: 5_000 },
  );
  expect(published).toMatchObject({ duplicate: false });
  return webhook;
}

async function deliveryOf({ webhookId }: WebhookReceived) {
  const [row] = await database.pool`select * from delivery where webhook_id = ${webhookId}`;
  return row;
}

async function deadLetterOf({ webhookId }: WebhookReceived) {
  const [row] = await database.pool`select * from dead_letter where message_id = ${webhookId}`;
  return row;
}

const forgetQuickly = () => observed.forgetQuickly(testBroker.broker);
const settledAll = () => observed.settledAll(testBroker.broker);
const paymentsOf = (webhook: WebhookReceived) => observed.paymentsOf(testBroker.broker, webhook);
const everything = () => observed.everything(testBroker.broker, database.pool);
