import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { DeliveryOutcome, DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { issueServerCertificate } from "#mesh/identity/authority.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { type TestCertificates, testCertificates } from "#mesh/testing/certificates.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { type Gateway, startGateway } from "./app.ts";
import { readConfig } from "./config.ts";

const secret = "whsec_0123456789abcdef0123456789abcdef";

let certificates: TestCertificates;
let testBroker: TestBroker;
let database: TestDatabase;

beforeAll(async () => {
  certificates = await testCertificates();
  testBroker = await openTestBroker();
  const migrations = new URL("./migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "gateway", migrations });
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await testBroker[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

test("a webhook that was acknowledged is shown to operators, a bad one among the dead letters", async () => {
  await using gateway = await start({});
  expect(await send(gateway, body("evt_good", "4900"))).toBe(200);
  expect(await send(gateway, body("evt_bad", "49.5"))).toBe(200);
  const tls = await certificates.identity("operator");
  await using deliveries = openClient(DeliveryService, {
    url: `https://127.0.0.1:${gateway.port}`,
    tls,
  });
  await expect
    .poll(async () => {
      const page = await deliveries.rpc.listDeliveries({});
      return page.deliveries.map(({ eventId, outcome }) => [eventId, outcome]);
    })
    .toEqual([
      ["evt_bad", DeliveryOutcome.DEAD],
      ["evt_good", DeliveryOutcome.PUBLISHED],
    ]);
  await using consumers = openClient(DeadLetterService, {
    url: `https://127.0.0.1:${gateway.port}`,
    tls,
  });
  const { deadLetters } = await consumers.rpc.listDeadLetters({});
  expect(deadLetters.map(({ detail }) => detail)).toEqual([
    expect.stringContaining("data.object.amount_received must be a plain whole number"),
  ]);
});

test("the door acknowledges while the database is away, and the gateway counts as ready", async () => {
  const nobody = `postgres://gateway_runtime@127.0.0.1:${await freePort()}/bursar`;
  await using gateway = await start({ DATABASE_URL: nobody, DATABASE_OWNER_URL: nobody });
  expect(await send(gateway, body("evt_no_database", "4900"))).toBe(200);
  expect(await get(gateway.port, "/readyz")).toBe(200);
});

test("the gateway starts while the broker is away, refuses webhooks and is not ready", async () => {
  const nobody = `nats://127.0.0.1:${await freePort()}`;
  await using gateway = await start({ NATS_URL: nobody, DOOR_PUBLISH_TIMEOUT_MS: "200" });
  expect(await send(gateway, body("evt_no_broker", "4900"))).toBe(503);
  expect(await get(gateway.port, "/readyz")).toBe(503);
  expect(await get(gateway.port, "/livez")).toBe(200);
});

test("a configuration with several mistakes names them all", async () => {
  const env = await environment();
  expect(() => readConfig({ ...env, DOOR_PORT: "x", NATS_URL: undefined })).toThrow(
    /NATS_URL is not set; DOOR_PORT must be a whole number/,
  );
});

async function start(over: Record<string, string>): Promise<Gateway> {
  const env = { ...(await environment()), ...over };
  return startGateway(readConfig(env), env, silentLog());
}

async function environment(): Promise<Record<string, string | undefined>> {
  const { dir, authority } = certificates;
  const mesh = await certificates.identity("webhook-gateway");
  const door = await issueServerCertificate(authority, { name: "door", dir });
  const accessFile = join(dir, "access.yaml");
  writeFileSync(
    accessFile,
    'grants: [{ identity: "spiffe://bursar/operator", scopes: ["*.*.*"], ledger_ids: ["*"] }]',
  );
  const endpointsFile = join(dir, "endpoints.yaml");
  writeFileSync(
    endpointsFile,
    `endpoints:
  - endpoint_id: stripe-endpoint
    provider_account: acct_demo
    ledger_id: main
    secrets: [{ environment: STRIPE_SECRET }]
    stripe: {}
`,
  );
  return {
    TLS_CA_FILE: mesh.caFile,
    TLS_CERT_FILE: mesh.certFile,
    TLS_KEY_FILE: mesh.keyFile,
    ACCESS_FILE: accessFile,
    DATABASE_URL: database.url,
    DATABASE_OWNER_URL: database.ownerUrl,
    NATS_URL: testBroker.url,
    DOOR_TLS_CERT_FILE: door.certFile,
    DOOR_TLS_KEY_FILE: door.keyFile,
    ENDPOINTS_FILE: endpointsFile,
    STRIPE_SECRET: secret,
  };
}

function body(eventId: string, amount: string): string {
  return (
    `{"id":"${eventId}","type":"payment_intent.succeeded","created":1700000000,` +
    `"data":{"object":{"id":"pi_${eventId}","amount_received":${amount},"currency":"usd"}}}`
  );
}

async function send({ doorPort }: Gateway, text: string): Promise<number> {
  const timestamp = Math.floor(Date.now() / 1000);
  const mac = createHmac("sha256", secret).update(`${timestamp}.${text}`).digest("hex");
  const request = httpsRequest({
    host: "127.0.0.1",
    port: doorPort,
    path: "/v1/in/stripe-endpoint",
    method: "POST",
    ca: readFileSync(certificates.caFile),
    agent: false,
    headers: { "stripe-signature": `t=${timestamp},v1=${mac}`, "content-type": "application/json" },
  });
  request.end(text);
  const [response] = await once(request, "response");
  response.resume();
  return response.statusCode;
}

async function get(port: number, path: string): Promise<number> {
  const ca = readFileSync(certificates.caFile);
  const request = httpsRequest({ host: "127.0.0.1", port, path, ca, agent: false });
  request.end();
  const [response] = await once(request, "response");
  response.resume();
  return response.statusCode;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
