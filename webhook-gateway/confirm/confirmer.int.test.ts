import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import {
  FetchBackConfigSchema,
  MollieConfigSchema,
  PaypalConfigSchema,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { VerificationSchema, WebhookConfirmedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { mercadoPago } from "../providers/mercadopago.ts";
import { createMollie } from "../providers/mollie.ts";
import { createPaypal } from "../providers/paypal.ts";
import type { Provider } from "../providers/provider.ts";
import { webhookWith } from "../testing/webhooks.ts";
import { startConfirmer } from "./confirmer.ts";
import { enqueue } from "./queue.ts";

const fetchBack = create(FetchBackConfigSchema);
const providers: Record<string, Provider> = {
  paypal: createPaypal(create(PaypalConfigSchema)) as Provider,
  mollie: createMollie(create(MollieConfigSchema, { classic: true, fetchBack })) as Provider,
  mercadopago: mercadoPago,
};
const pace = { timeoutMs: 300, pollMs: 20, pauseMs: 20, pauseMsMax: 50, unknownMs: 60_000 };

let database: TestDatabase;
let testBroker: TestBroker;
let baseUrl: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: string[];
const server = createServer((request, response) => {
  asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
  if (request.url !== "/v1/oauth2/token") return answer(request, response);
  response.end('{"access_token":"token-1","expires_in":3600}');
});

beforeAll(async () => {
  const migrations = new URL("../migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "gateway", migrations });
  testBroker = await openTestBroker("webhook-gateway");
  await ensureStream(testBroker.broker, "WEBHOOKS");
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await testBroker[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(() => {
  asked = [];
});

test.each([
  [
    "paypal",
    '{"id":"WH-1","event_type":"X"}',
    "",
    "/v1/notifications/webhooks-events/WH-1",
    "token-1",
  ],
  ["mollie", "id=tr_1", "", "/v2/payments/tr_1?embed=refunds,chargebacks", "key"],
  ["mercadopago", "{}", "77/req-1", "/v1/payments/77", "key"],
])(
  "%s is asked, and its answer published under its own digest",
  async (provider, body, eventId, path, bearer) => {
    answer = (_, response) => void response.end('{"id":"it"}');
    const webhookId = await arrive(provider, body, { eventId });
    await using _ = open();
    await expect.poll(() => waiting(webhookId)).toBeUndefined();
    expect(asked.at(-1)).toBe(`GET ${path} Bearer ${bearer}`);
    const [message, ...others] = await confirmedOf(webhookId);
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      path,
      webhook: { webhookId, body: new Uint8Array(Buffer.from(body)) },
    });
    expect(Buffer.from(message!.body).toString()).toBe('{"id":"it"}');
  },
);

// One row a way to fail; each is asked again until it is well.
test.each<[string, (response: ServerResponse) => void, string]>([
  ["a fault", (it) => void it.writeHead(500).end(), "answered 500"],
  ["no answer", () => {}, "not answered in time"],
  [
    "a redirect",
    (it) => void it.writeHead(302, { location: "/v2/elsewhere" }).end(),
    "answered 302",
  ],
  ["a huge answer", (it) => void it.end(Buffer.alloc(2 * 1024 ** 2, 32)), "over 1048576 bytes"],
  ["wrong credentials", (it) => void it.writeHead(401).end("key"), "answered 401"],
  ["a broken answer", (it) => void it.destroy(), "cannot be reached"],
  ["nothing there yet", (it) => void it.writeHead(404).end(), "there is no tr_"],
])("%s is no word: it is asked again, and confirmed once it is well", async (_, fail, problem) => {
  answer = (_, response) => fail(response);
  const webhookId = await arrive("mollie", `id=tr_f${++count}`);
  await using _confirmer = open();
  await expect.poll(async () => (await waiting(webhookId))?.["problem"]).toContain(problem);
  expect(await confirmedOf(webhookId)).toEqual([]);
  expect(asked.some((it) => it.includes("elsewhere"))).toBe(false);
  answer = (_, response) => void response.end('{"id":"it"}');
  await expect.poll(() => waiting(webhookId)).toBeUndefined();
  expect(await confirmedOf(webhookId)).toHaveLength(1);
});

test("what a provider does not know after a while is kept, with the reason", async () => {
  answer = (_, response) => void response.writeHead(404).end();
  const webhookId = await arrive("mollie", "id=tr_forged", {
    receivedTime: timestampFromDate(new Date(Date.now() - 120_000)),
  });
  await using _ = open();
  await expect.poll(() => waiting(webhookId)).toBeUndefined();
  expect(await deliveryOf(webhookId)).toEqual({
    outcome: DeliveryOutcome.KEPT,
    reason: "mollie knows no tr_forged",
  });
  expect(await confirmedOf(webhookId)).toEqual([]);
});

test("what cannot be asked about is kept, and whose endpoint has no fetch_back waits", async () => {
  const odd = await arrive("mollie", "id=ord_1");
  const held = await arrive("paypal", '{"id":"WH-2","event_type":"X"}', { endpointId: "silent" });
  await using _ = open();
  await expect.poll(() => waiting(odd)).toBeUndefined();
  expect((await deliveryOf(odd))?.["reason"]).toBe("mollie is not asked about such a webhook");
  expect(await waiting(held)).toMatchObject({ failures: 0 });
  expect(asked).toEqual([]);
  expect((await deliveryOf(held))?.["outcome"]).toBe(DeliveryOutcome.UNCONFIRMED);
});

test("what came again while it was asked about is asked about once more", async () => {
  const answers = ['{"id":"it","status":"open"}', '{"id":"it","status":"paid"}'];
  const webhook = { eventId: "" };
  let webhookId = "";
  answer = async (_, response) => {
    if (answers.length === 2) await arrive("mollie", "id=tr_again", webhook, webhookId);
    response.end(answers.shift());
  };
  webhookId = await arrive("mollie", "id=tr_again", webhook);
  await using _ = open();
  await expect.poll(() => waiting(webhookId)).toBeUndefined();
  const bodies = (await confirmedOf(webhookId)).map(({ body }) => Buffer.from(body).toString());
  expect(bodies).toEqual(['{"id":"it","status":"open"}', '{"id":"it","status":"paid"}']);
});

let count = 0;

async function arrive(
  provider: string,
  body: string,
  over: Parameters<typeof webhookWith>[1] = {},
  webhookId = `webhook-c${++count}`,
): Promise<string> {
  const verification = create(VerificationSchema, {
    scheme: provider,
    algorithm: "none",
    coverage: Coverage.NOTHING,
  });
  const receivedTime = timestampFromDate(new Date());
  const about = {
    webhookId,
    provider,
    endpointId: provider,
    eventId: "",
    verification,
    receivedTime,
  };
  const webhook = webhookWith(body, { ...about, ...over });
  await inTransaction(database.pool, async (tx) => {
    await tx`
      insert into delivery (webhook_id, endpoint_id, provider, event_type, event_id, received_at,
        outcome, published_events, stream_sequence)
      values (${webhookId}, ${webhook.endpointId}, ${provider}, '', '', now(),
        ${DeliveryOutcome.UNCONFIRMED}, '{}', ${count})
      on conflict do nothing
    `;
    await enqueue(tx, [{ webhook }]);
  });
  return webhookId;
}

function open(): AsyncDisposable {
  const credentials = { clientId: "client", apiKey: "key", apiBaseUrl: baseUrl };
  const endpoints = new Map(
    Object.entries(providers).map(([name, provider]) => [
      name,
      { provider, fetchBack: credentials },
    ]),
  );
  return startConfirmer({
    pool: database.pool,
    broker: testBroker.broker,
    source: "webhook-gateway",
    endpoints: () => endpoints,
    log: silentLog(),
    metrics: createMetrics("test"),
    now: () => new Date(),
    pace,
  });
}

async function waiting(webhookId: string) {
  const [row] = await database.pool`
    select problem, failures from confirmation where webhook_id = ${webhookId}
  `;
  return row;
}

async function deliveryOf(webhookId: string) {
  const [row] = await database.pool`
    select outcome, reason from delivery where webhook_id = ${webhookId}
  `;
  return row;
}

async function confirmedOf(webhookId: string) {
  const { streams } = await testBroker.broker.jsm();
  const { state } = await streams.info("WEBHOOKS");
  const found = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const stored = await streams.getMessage("WEBHOOKS", { seq });
    const message = stored && fromBinary(WebhookConfirmedSchema, stored.data);
    if (message?.webhookId === webhookId) found.push(message);
  }
  return found;
}
