import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebhookQuarantinedSchema } from "#gen/bursar/quarantine/v1/quarantine_pb.ts";
import { DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog } from "#mesh/testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { startTestServer } from "#mesh/testing/rpc.ts";
import { deliveryService } from "../deliveries.ts";
import { parseEndpoints } from "../endpoints.ts";
import { sweep } from "../sweep.ts";
import { testOperators } from "../testing/operators.ts";
import { stripeEvent, stripeHeaders } from "../testing/senders.ts";
import { openQuarantine, type Quarantine } from "./keep.ts";
import { quarantineConsumer } from "./rows.ts";
import { seal, unseal } from "./sealed.ts";

const wrong = "whsec_wrong00000000000000000000000000";
const right = "whsec_right00000000000000000000000000";
const key = randomBytes(32).toString("hex");
const endpointId = "stripe-quarantined";

const config = (secret: string, cipherKey = key, notBefore?: string) =>
  parseEndpoints(
    JSON.stringify({
      quarantine_key: { environment: "CIPHER" },
      endpoints: [
        {
          endpoint_id: endpointId,
          provider_account: "acct_1",
          ledger_id: "main",
          secrets: [
            { environment: "SECRET" },
            ...(notBefore ? [{ environment: "LATER", not_before_time: notBefore }] : []),
          ],
          quarantine: { per_minute: 3 },
          stripe: {},
        },
      ],
    }),
    { SECRET: secret, CIPHER: cipherKey, LATER: right },
    new Date(),
  );

const inForce = { current: config(wrong) };
const stack = new AsyncDisposableStack();
let database: TestDatabase;
let client: Client<typeof DeliveryService>;
let quarantine: Quarantine;

beforeAll(async () => {
  const migrations = new URL("../migrations/", import.meta.url);
  database = stack.use(await openTestDatabase({ schema: "gateway", migrations }));
  const { url } = stack.use(await openTestBroker("webhook-gateway"));
  const [log, metrics] = [silentLog(), createMetrics("test")] as const;
  const events = [WebhookReceivedSchema, WebhookQuarantinedSchema];
  const about = { url, name: "webhook-gateway", events, log, metrics };
  const broker = stack.use(openBroker({ ...about, streamBytesMax: 16 * 1024 ** 2 }));
  await broker.waitUntilConnected(5_000);
  for (const name of broker.streams.keys()) await ensureStream(broker, name);
  const { pool } = database;
  const operators = testOperators(pool, broker, inForce);
  const server = stack.use(
    await startTestServer({
      service: "webhook-gateway",
      routes: (router) => router.service(DeliveryService, deliveryService(operators)),
    }),
  );
  client = await server.client(DeliveryService);
  stack.use(startConsumer({ ...quarantineConsumer, batchMax: 16, pool, broker, log, metrics }));
  const endpoints = () => inForce.current;
  quarantine = openQuarantine({ endpoints, broker, source: "webhook-gateway", log, metrics });
  stack.use(quarantine);
});
afterAll(() => stack.disposeAsync());

test("a refused request is kept without credentials, and no more than so many a minute", async () => {
  const receivedTime = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 600_000);
  for (let n = 0; n < 5; n++) refuse(`evt_${n}`, receivedTime);
  await expect.poll(count).toBe(3);
  const { quarantined } = await client.listQuarantined({ endpointId, pageSize: 2 });
  expect(quarantined).toHaveLength(2);
  expect(quarantined[0]).toMatchObject({ endpointId, reason: "signature-mismatch" });
  const [row] = await database.pool`select quarantine_id, sealed_request from quarantined limit 1`;
  const sealed = row!["sealed_request"] as Buffer;
  expect(sealed.includes("evt_")).toBe(false);
  const opened = unseal(Buffer.from(key, "hex"), row!["quarantine_id"], sealed);
  expect(opened?.headers.map(({ name }) => name)).toEqual(["Stripe-Signature"]);
});

test("what is still not authentic stays", async () => {
  const again = await client.reverifyQuarantined({ endpointId, limit: 2 });
  expect(again).toMatchObject({ webhookIds: [], refused: 2, remaining: 1 });
  expect(await count()).toBe(3);
});

test("another quarantine key is told, and nothing is lost", async () => {
  inForce.current = config(right, randomBytes(32).toString("hex"));
  const error = await failure(client.reverifyQuarantined({ endpointId }));
  expect(error.code).toBe(Code.FailedPrecondition);
  expect(error.rawMessage).toContain("put that key back");
  expect(await count()).toBe(3);
});

test("with a mended secret, begun later or not, they are webhooks of the time they came", async () => {
  inForce.current = config(wrong, key, new Date(Date.now() - 60_000).toISOString());
  const again = await client.reverifyQuarantined({ endpointId });
  expect(again.webhookIds).toHaveLength(3);
  expect(again).toMatchObject({ refused: 0, remaining: 0 });
  expect(await count()).toBe(0);
});

test("one id or one endpoint must be named, and the id must be there", async () => {
  expect((await failure(client.reverifyQuarantined({}))).code).toBe(Code.InvalidArgument);
  const absent = client.reverifyQuarantined({ quarantineId: "none" });
  expect((await failure(absent)).code).toBe(Code.NotFound);
});

test("what has expired is neither listed nor kept", async () => {
  refuse("evt_old", new Date());
  await expect.poll(count).toBe(1);
  await database.pool`update quarantined set expires_at = now() - interval '1 second'`;
  expect((await client.listQuarantined({})).quarantined).toEqual([]);
  expect(await sweep(database.pool)).toBe(false);
  expect(await count()).toBe(0);
});

test("while the broker is away a flood of refusals does not keep the door from closing", async () => {
  const [log, metrics] = [silentLog(), createMetrics("test")] as const;
  const nowhere = { url: "nats://127.0.0.1:9", name: "webhook-gateway", events: [], log, metrics };
  await using away = openBroker({ ...nowhere, streamBytesMax: 16 * 1024 ** 2 });
  const about = { broker: away, source: "webhook-gateway", log, metrics: createMetrics("test") };
  const flooded = openQuarantine({ endpoints: () => inForce.current, ...about });
  const request = { body: Buffer.from("{}"), contentType: "application/json", headers: [] };
  const configured = inForce.current.endpoints.get(endpointId)!;
  const endpoint = { ...configured, quarantine: { keepMs: 60_000, perMinute: 1_000 } };
  for (let n = 0; n < 200; n++) {
    flooded.refused({ endpoint, reason: "signature-mismatch", request, receivedTime: new Date() });
  }
  // As long as the process gives everything together would be too long by far.
  const closed = Promise.resolve(flooded[Symbol.asyncDispose]()).then(() => "closed");
  const late = sleep(15_000, "late", { ref: false });
  expect(await Promise.race([closed, late])).toBe("closed");
}, 30_000);

test("what was sealed opens under its own id only, and not when it was changed", () => {
  const bytes = randomBytes(32);
  const body = Buffer.from("{}");
  const sealed = seal(bytes, "a", { headers: [], contentType: "", query: undefined, body });
  expect(Buffer.from(unseal(bytes, "a", sealed)!.body)).toEqual(body);
  expect(unseal(bytes, "b", sealed)).toBeUndefined();
  sealed[20]! ^= 1;
  expect(unseal(bytes, "a", sealed)).toBeUndefined();
});

function refuse(eventId: string, receivedTime: Date): void {
  const body = stripeEvent(eventId);
  const secondsAgo = Math.floor((Date.now() - receivedTime.getTime()) / 1_000);
  const signature = stripeHeaders(body, { secret: right, secondsAgo })["Stripe-Signature"];
  const headers = [
    { name: "Stripe-Signature", value: signature },
    { name: "Authorization", value: "Bearer s3cret" },
    { name: "Cookie", value: "session=1" },
  ];
  quarantine.refused({
    endpoint: inForce.current.endpoints.get(endpointId)!,
    reason: "signature-mismatch",
    request: { headers, contentType: "application/json", body: Buffer.from(body) },
    receivedTime,
  });
}

async function count(): Promise<number> {
  const [row] = await database.pool`select count(*)::int as count from quarantined`;
  return row!["count"];
}

async function failure(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: unknown) => ConnectError.from(error),
  );
}
