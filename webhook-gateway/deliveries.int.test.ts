import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  DeliveryFlag,
  DeliveryOutcome,
  DeliveryService,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { openTestBroker, type TestBroker } from "#mesh/testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { startTestServer, type TestServer } from "#mesh/testing/rpc.ts";
import { insertDeliveries, type NewDelivery } from "./store.ts";
import { testService } from "./testing/operators.ts";
import { webhookWith } from "./testing/webhooks.ts";

const receivedAt = new Date("2026-01-31T09:30:00.250Z");
const body = Buffer.from('{"id":"evt_1","type":"a.b","text":"\xff"}', "latin1");

let database: TestDatabase;
let testBroker: TestBroker;
let server: TestServer;
let client: Client<typeof DeliveryService>;

beforeAll(async () => {
  const migrations = new URL("./migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "gateway", migrations });
  testBroker = await openTestBroker("webhook-gateway");
  await ensureStream(testBroker.broker, "WEBHOOKS");
  server = await startTestServer({
    service: "webhook-gateway",
    routes: (router) =>
      router.service(DeliveryService, testService(database.pool, testBroker.broker)),
    grants: { stranger: { scopes: ["cms.courses.read"] } },
  });
  client = await server.client(DeliveryService);
  const first = await storeWebhook("webhook-1");
  await database.pool.begin((tx) =>
    insertDeliveries(tx, [
      delivery("webhook-1", { streamSequence: first }),
      delivery("webhook-2", { streamSequence: first, outcome: DeliveryOutcome.DEAD }),
      delivery("webhook-3", { endpointId: "endpoint-2", eventType: "c.d", streamSequence: 99n }),
      delivery("webhook-4", { eventId: "evt_4", outcome: DeliveryOutcome.KEPT }),
    ]),
  );
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await testBroker[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

test("deliveries are listed newest first, page by page", async () => {
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = await client.listDeliveries({ pageSize: 3, pageToken });
    pages.push(page.deliveries.map(({ webhookId }) => webhookId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(pages).toEqual([["webhook-4", "webhook-3", "webhook-2"], ["webhook-1"]]);
});

test.each<[string, object, string[]]>([
  ["endpoint", { endpointId: "endpoint-2" }, ["webhook-3"]],
  ["type", { eventType: "a.b" }, ["webhook-4", "webhook-2", "webhook-1"]],
  ["event", { eventId: "evt_4" }, ["webhook-4"]],
  ["outcome", { outcome: DeliveryOutcome.DEAD }, ["webhook-2"]],
  ["provider", { provider: "stripe", endpointId: "endpoint-2" }, ["webhook-3"]],
  ["tenant", { tenantId: "acme" }, []],
  ["flag", { flag: DeliveryFlag.RENAMED }, []],
  ["time", { receivedBefore: timestampFromDate(receivedAt) }, []],
  ["two at once", { eventType: "a.b", outcome: DeliveryOutcome.PUBLISHED }, ["webhook-1"]],
  ["what is not there", { eventType: "x'; drop table delivery --" }, []],
])("deliveries are filtered by %s", async (_, filter, expected) => {
  const { deliveries, nextPageToken } = await client.listDeliveries(filter);
  expect(deliveries.map(({ webhookId }) => webhookId)).toEqual(expected);
  expect(nextPageToken).toBe("");
});

test("a delivery comes with its exact bytes", async () => {
  const { delivery: found, webhook } = await client.getDelivery({ webhookId: "webhook-1" });
  expect(found).toMatchObject({
    webhookId: "webhook-1",
    endpointId: "endpoint-1",
    provider: "stripe",
    outcome: DeliveryOutcome.PUBLISHED,
    publishedEvents: ["bursar.payments.v1.PaymentSucceeded"],
  });
  expect(timestampDate(found!.receivedTime!)).toEqual(receivedAt);
  expect(Buffer.from(webhook!.body)).toEqual(body);
});

test("the bytes are absent when the stream has let them go, or holds another webhook there", async () => {
  for (const webhookId of ["webhook-2", "webhook-3"]) {
    const found = await client.getDelivery({ webhookId });
    expect(found.delivery?.webhookId).toBe(webhookId);
    expect(found.webhook).toBeUndefined();
  }
});

test("a webhook id that nobody sent is not found", async () => {
  const error = await failure(client.getDelivery({ webhookId: "webhook-0" }));
  expect(error.code).toBe(Code.NotFound);
  expect(error.rawMessage).toBe("no delivery has the webhook id webhook-0");
});

test.each(["x", "0", "-1", "1e3", "99999999999999999999"])(
  "a page token that was never given is refused: %s",
  async (pageToken) => {
    const error = await failure(client.listDeliveries({ pageToken }));
    expect(error.code).toBe(Code.InvalidArgument);
  },
);

test("a page token goes with its filter and no other", async () => {
  const { nextPageToken: pageToken } = await client.listDeliveries({ pageSize: 1 });
  const other = client.listDeliveries({ pageSize: 1, pageToken, eventType: "a.b" });
  expect((await failure(other)).code).toBe(Code.InvalidArgument);
});

test("who lacks the scope is refused", async () => {
  const stranger = await server.client(DeliveryService, "stranger");
  expect((await failure(stranger.listDeliveries({}))).code).toBe(Code.PermissionDenied);
});

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: unknown) => ConnectError.from(error),
  );
}

async function storeWebhook(webhookId: string): Promise<bigint> {
  const webhook = webhookWith(body, { webhookId, receivedTime: timestampFromDate(receivedAt) });
  const options = { messageId: webhookId, source: "webhook-gateway", time: receivedAt };
  const event = encodeEvent(WebhookReceivedSchema, webhook, options);
  return (await publish(testBroker.broker, event, { deadlineMs: 5_000 })).sequence;
}

function delivery(webhookId: string, over: Partial<NewDelivery> = {}): NewDelivery {
  return {
    webhookId,
    endpointId: "endpoint-1",
    provider: "stripe",
    eventType: "a.b",
    eventId: "evt_1",
    receivedAt,
    outcome: DeliveryOutcome.PUBLISHED,
    publishedEvents: ["bursar.payments.v1.PaymentSucceeded"],
    streamSequence: 1n,
    ...{ providerAccount: "acct_1", tenantId: "", unsignedEventId: "", reason: "" },
    ...{ publishedDigests: [], flags: [] },
    ...over,
  };
}
