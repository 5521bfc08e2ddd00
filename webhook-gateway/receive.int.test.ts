import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { issueServerCertificate } from "#mesh/identity/authority.ts";
import { createMetrics, type Metrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { type TestCertificates, testCertificates } from "#mesh/testing/certificates.ts";
import { type Door, startDoor } from "./door/listen.ts";
import { createLoad, type LoadLimits } from "./door/load.ts";
import { createDoorMetrics } from "./door/metrics.ts";
import { parseEndpoints } from "./endpoints.ts";
import { createReceiver } from "./receive.ts";
import { createPublisher, type StoreWebhook } from "./store-webhook.ts";

const stripeSecret = "whsec_0123456789abcdef0123456789abcdef";
const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const genericSecret = "0123456789abcdef0123456789abcdef";
const bodyBytesMax = 5_000;
const bodyTimeoutMs = 500;

const endpoints = parseEndpoints(
  JSON.stringify({
    endpoints: [
      { ...common("stripe-endpoint", "acct_demo", "STRIPE"), stripe: {} },
      { ...common("stripe-second", "acct_demo", "STRIPE"), stripe: {} },
      { ...common("standard-endpoint", "shop", "STANDARD"), standard_webhooks: {} },
      {
        ...common("generic-endpoint", "bank", "GENERIC"),
        generic_hmac: {
          signature_header: "x-signature",
          algorithm: "HMAC_ALGORITHM_SHA256",
          signature_encoding: "SIGNATURE_ENCODING_HEX",
          key_encoding: "KEY_ENCODING_UTF8",
        },
      },
    ],
  }),
  { STRIPE: stripeSecret, STANDARD: standardSecret, GENERIC: genericSecret },
  new Date(),
);

let certificates: TestCertificates;
let testBroker: TestBroker;
let metrics: Metrics;
let door: Door;

beforeAll(async () => {
  certificates = await testCertificates();
  testBroker = await openTestBroker();
  await ensureStream(testBroker.broker, "WEBHOOKS");
  metrics = createMetrics("test");
  door = await openDoor({ store: publisher(testBroker.broker), metrics });
});
afterAll(async () => {
  await door[Symbol.asyncDispose]();
  await testBroker[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

test("a Stripe webhook is on the stream, byte for byte, before it is acknowledged", async () => {
  const body = stripeBody("evt_first");
  const reply = await send({ body, headers: stripeHeaders(body) });
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
  const reply = await send({
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
    const headers = {
      "x-signature": createHmac("sha256", genericSecret).update(body).digest("hex"),
    };
    expect((await send({ endpoint: "generic-endpoint", body, headers })).status).toBe(200);
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
    expect((await send({ body, headers: stripeHeaders(body) })).status).toBe(200);
    const last = await lastStored();
    expect(Buffer.from(last.body)).toEqual(body);
    expect(last).toMatchObject({ eventId: "", eventType: "" });
  }
});

test("the same event again, however it is sent, is stored once", async () => {
  const before = await storedCount();
  const replies = await Promise.all(
    Array.from({ length: 64 }, async (_, n) => {
      const body = stripeBody("evt_64", { pending_webhooks: n % 3 });
      const endpoint = n % 2 === 0 ? "stripe-endpoint" : "stripe-second";
      return send({ endpoint, body, headers: stripeHeaders(body, { secondsAgo: n }) });
    }),
  );
  expect(replies.map(({ status }) => status)).toEqual(Array(64).fill(200));
  expect(await storedCount()).toBe(before + 1);
});

// One row a way of not being authentic: one answer for all of them.
test.each<[string, (body: string) => Record<string, string | string[]>, string]>([
  ["no signature", () => ({}), "header-missing"],
  ["an empty signature", () => ({ "stripe-signature": "" }), "header-missing"],
  ["an old signature", (body) => stripeHeaders(body, { secondsAgo: 301 }), "timestamp-too-old"],
  ["a future signature", (body) => stripeHeaders(body, { secondsAgo: -302 }), "timestamp-too-new"],
  [
    "a forged signature",
    (body) => stripeHeaders(body, { secret: `${stripeSecret}x` }),
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
  const body = stripeBody("evt_never");
  const before = await rejected(reason);
  const reply = await send({ body, headers: headersFor(body) });
  expect(reply).toMatchObject({ status: 401, body: '{"error":"not authentic"}' });
  expect(await rejected(reason)).toBe(before + 1);
  expect(await storedWith("evt_never")).toBeUndefined();
});

test("a tampered body is 401", async () => {
  const body = stripeBody("evt_tampered");
  const reply = await send({
    body: body.replace("4900", "4901"),
    headers: stripeHeaders(body),
  });
  expect(reply.status).toBe(401);
});

test.each([
  ["/v1/in/unknown-endpoint"],
  ["/v1/in/stripe-endpoint/"],
  ["/v1/in/stripe-endpoint?a=1"],
  ["/v1/in/%73tripe-endpoint"],
  ["/livez"],
  ["/metrics"],
  ["/"],
  ["https://elsewhere/v1/in/stripe-endpoint"],
])("%s is 404, one body for all", async (path) => {
  const body = stripeBody("evt_nowhere");
  const reply = await send({ path, body, headers: stripeHeaders(body) });
  expect(reply).toMatchObject({ status: 404, body: '{"error":"not found"}' });
});

test("only POST is allowed", async () => {
  for (const method of ["GET", "PUT", "DELETE", "OPTIONS"]) {
    const reply = await send({ method, headers: {} });
    expect(reply).toMatchObject({ status: 405, headers: { allow: "POST" } });
  }
});

test("what is compressed or no JSON is 415, a missing type is JSON", async () => {
  const body = stripeBody("evt_types");
  const reply = (headers: Record<string, string>, type?: string) =>
    send({
      body,
      headers: { ...stripeHeaders(body), ...headers },
      ...(type !== undefined && { type }),
    });
  expect((await reply({ "content-encoding": "gzip" })).status).toBe(415);
  expect((await reply({}, "application/x-www-form-urlencoded")).status).toBe(415);
  expect((await reply({}, "text/plain")).status).toBe(415);
  expect((await reply({}, "application/json; charset=utf-8")).status).toBe(200);
  expect((await reply({}, "")).status).toBe(200);
});

test("a body of exactly the limit passes; one byte more is 413, announced or not", async () => {
  const body = (length: number) => stripeBody(`evt_${length}`).padEnd(length);
  const exact = body(bodyBytesMax);
  expect((await send({ body: exact, headers: stripeHeaders(exact) })).status).toBe(200);
  const larger = body(bodyBytesMax + 1);
  for (const chunked of [false, true]) {
    const reply = await send({ body: larger, headers: stripeHeaders(larger), chunked });
    expect(reply).toMatchObject({
      status: 413,
      body: '{"error":"body too large"}',
      headers: { connection: "close" },
    });
  }
});

test("a large body is refused while its sender is still writing, and the answer arrives", async () => {
  const body = Buffer.alloc(3_000_000, "x");
  for (const chunked of [false, true]) {
    expect((await send({ body, headers: stripeHeaders("x"), chunked })).status).toBe(413);
  }
});

test("a sender that waits for permission is refused before it sends a body", async () => {
  const reply = await raw(
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
      "Content-Length: 9999999\r\n\r\n",
  );
  expect(reply).toMatch(/^HTTP\/1\.1 413 /);
  expect(reply).not.toContain("100 Continue");
});

test("a sender that waits for permission gets it when its body is wanted", async () => {
  const body = stripeBody("evt_continue");
  const signature = stripeHeaders(body)["Stripe-Signature"];
  const reply = await raw(
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
      `Stripe-Signature: ${signature}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  expect(reply).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});

test("a slow body is 408", async () => {
  const startedAt = performance.now();
  const reply = await raw(
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
  );
  expect(reply).toMatch(/^HTTP\/1\.1 408 /);
  expect(performance.now() - startedAt).toBeGreaterThan(bodyTimeoutMs - 50);
});

test("a sender that goes away leaves nothing behind", async () => {
  const socket = await openSocket();
  socket.write("POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
  await sleep(100);
  expect(await gauge("bursar_gateway_in_flight_requests")).toBe(1);
  socket.destroy();
  await expect.poll(() => gauge("bursar_gateway_in_flight_requests")).toBe(0);
  expect(await gauge("bursar_gateway_in_flight_bytes")).toBe(0);
});

test.each([
  ["no HTTP", "hello\r\n\r\n"],
  ["no host", "POST /v1/in/stripe-endpoint HTTP/1.1\r\n\r\n"],
  [
    "two lengths",
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
  ],
  [
    "length and chunks",
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  [
    "a control character in a header",
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
  ],
])("%s is 400 and the connection is closed", async (_, text) => {
  expect(await raw(text)).toMatch(/^HTTP\/1\.1 400 /);
});

test("headers beyond the limit are 431", async () => {
  const reply = await raw(`POST / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`);
  expect(reply).toMatch(/^HTTP\/1\.1 431 /);
});

test("requests that are sent without waiting are answered in order", async () => {
  const requestFor = (eventId: string, close: boolean) => {
    const body = stripeBody(eventId);
    return (
      "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\n" +
      `Stripe-Signature: ${stripeHeaders(body)["Stripe-Signature"]}\r\n` +
      `${close ? "Connection: close\r\n" : ""}Content-Length: ${body.length}\r\n\r\n${body}`
    );
  };
  const reply = await raw(requestFor("evt_pipe_1", false) + requestFor("evt_pipe_2", true));
  expect(reply.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  expect(await storedWith("evt_pipe_1")).toBeDefined();
  expect(await storedWith("evt_pipe_2")).toBeDefined();
});

test("TLS below 1.2 is refused", async () => {
  const socket = connectTls({
    port: door.port,
    host: "127.0.0.1",
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
    rejectUnauthorized: false,
  });
  await expect(once(socket, "secureConnect")).rejects.toThrow();
});

test("more in flight than allowed is 503 with Retry-After, and the next one passes", async () => {
  const gate = Promise.withResolvers<void>();
  const store: StoreWebhook = async () => {
    await gate.promise;
    return { durable: true, duplicate: false };
  };
  await using busy = await openDoor({ store, load: { requestsMax: 1, bytesMax: 1_000_000 } });
  const body = stripeBody("evt_busy");
  const first = send({ port: busy.port, body, headers: stripeHeaders(body) });
  await sleep(100);
  const second = await send({ port: busy.port, body, headers: stripeHeaders(body) });
  expect(second).toMatchObject({ status: 503, headers: { "retry-after": "5" } });
  gate.resolve();
  expect((await first).status).toBe(200);
  expect((await send({ port: busy.port, body, headers: stripeHeaders(body) })).status).toBe(200);
});

test("more bytes than allowed are 503", async () => {
  const store: StoreWebhook = async () => ({ durable: true, duplicate: false });
  await using small = await openDoor({ store, load: { requestsMax: 10, bytesMax: 100 } });
  const body = stripeBody("evt_bytes");
  const reply = await send({ port: small.port, body, headers: stripeHeaders(body) });
  expect(reply.status).toBe(503);
});

test("stopping finishes what was accepted and takes nothing new", async () => {
  const gate = Promise.withResolvers<void>();
  const store: StoreWebhook = async () => {
    await gate.promise;
    return { durable: true, duplicate: false };
  };
  const stopping = await openDoor({ store });
  const body = stripeBody("evt_drain");
  const accepted = send({ port: stopping.port, body, headers: stripeHeaders(body) });
  await sleep(100);
  const stopped = stopping[Symbol.asyncDispose]();
  await expect(send({ port: stopping.port, body, headers: stripeHeaders(body) })).rejects.toThrow(
    /ECONNREFUSED/,
  );
  gate.resolve();
  expect(await accepted).toMatchObject({ status: 200, headers: { connection: "close" } });
  await stopped;
});

test("without the broker it is 503 with Retry-After, and with it 200 again", async () => {
  await using proxy = await openProxy(testBroker.url);
  await using broker = openBroker({
    url: proxy.url,
    name: "through-proxy",
    log: silentLog(),
    metrics: createMetrics("test"),
    streamBytesMax: testBroker.broker.streamBytesMax,
  });
  expect(await broker.waitUntilConnected(5_000)).toBe(true);
  await using away = await openDoor({ store: publisher(broker, 300) });
  const body = stripeBody("evt_away");
  const attempt = () => send({ port: away.port, body, headers: stripeHeaders(body) });

  expect((await attempt()).status).toBe(200);
  proxy.cut();
  const refused = await send({
    port: away.port,
    body: stripeBody("evt_cut"),
    headers: stripeHeaders(stripeBody("evt_cut")),
  });
  expect(refused).toMatchObject({
    status: 503,
    body: '{"error":"try again later"}',
    headers: { "retry-after": "5" },
  });
  await proxy.mend();
  await expect.poll(async () => (await attempt()).status, { timeout: 10_000 }).toBe(200);
});

function common(endpointId: string, providerAccount: string, environment: string) {
  return {
    endpoint_id: endpointId,
    provider_account: providerAccount,
    ledger_id: "main",
    secrets: [{ environment }],
    body_bytes_max: bodyBytesMax,
  };
}

function publisher(broker: Broker, deadlineMs = 5_000): StoreWebhook {
  return createPublisher({ broker, source: "webhook-gateway", deadlineMs, log: silentLog() });
}

type DoorOptions = { store: StoreWebhook; metrics?: Metrics; load?: LoadLimits };

function openDoor({ store, metrics = createMetrics("test"), load }: DoorOptions): Promise<Door> {
  const { certFile, keyFile } = issueServerCertificate(certificates.authority, {
    name: "door",
    dir: certificates.dir,
  });
  const limits = createLoad(load ?? { requestsMax: 1_000, bytesMax: 10_000_000 });
  const receive = createReceiver({
    endpoints: () => endpoints,
    store,
    load: limits,
    metrics: createDoorMetrics(metrics, limits),
    log: silentLog(),
    bodyTimeoutMs,
    now: () => new Date(),
  });
  return startDoor(
    {
      host: "127.0.0.1",
      port: 0,
      certFile,
      keyFile,
      connectionsMax: 1_000,
      requestTimeoutMs: 5_000,
      drainTimeoutMs: 5_000,
    },
    silentLog(),
    receive,
  );
}

function stripeBody(eventId: string, over: object = {}): string {
  const object = { id: "pi_1", amount_received: 4900, currency: "usd" };
  return JSON.stringify({
    id: eventId,
    type: "payment_intent.succeeded",
    data: { object },
    ...over,
  });
}

type Signing = { secondsAgo?: number; secret?: string };

function stripeHeaders(
  body: string | Buffer,
  { secondsAgo = 0, secret = stripeSecret }: Signing = {},
): { "Stripe-Signature": string } {
  const timestamp = Math.floor(Date.now() / 1000) - secondsAgo;
  if (typeof body === "string") {
    // The provider's own library, for what it can sign.
    const header = new Stripe("sk_test_unused").webhooks.generateTestHeaderString({
      payload: body,
      secret,
      timestamp,
    });
    return { "Stripe-Signature": header };
  }
  const mac = createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
  return { "Stripe-Signature": `t=${timestamp},v1=${mac}` };
}

function standardHeaders(eventId: string, body: string): Record<string, string> {
  const now = new Date();
  return {
    "webhook-id": eventId,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": new Webhook(standardSecret).sign(eventId, now, body),
  };
}

type Sending = {
  endpoint?: string;
  path?: string;
  port?: number;
  method?: string;
  body?: string | Buffer;
  headers: Record<string, string | string[]>;
  /** Empty: no content type. */
  type?: string;
  chunked?: boolean;
};
type Reply = { status: number; body: string; headers: Record<string, unknown> };

async function send(sending: Sending): Promise<Reply> {
  const {
    endpoint = "stripe-endpoint",
    method = "POST",
    body,
    type = "application/json",
  } = sending;
  const options: RequestOptions = {
    host: "127.0.0.1",
    port: sending.port ?? door.port,
    path: sending.path ?? `/v1/in/${endpoint}`,
    method,
    ca: readFileSync(certificates.caFile),
    agent: new Agent({ keepAlive: false }),
    headers: {
      ...(type && { "content-type": type }),
      ...sending.headers,
      ...(body !== undefined && !sending.chunked && { "content-length": Buffer.byteLength(body) }),
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const request = httpsRequest(options, async (response) => {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers });
  });
  request.on("error", reject);
  if (sending.chunked && body) request.write(body);
  request.end(sending.chunked ? undefined : body);
  return promise;
}

async function openSocket() {
  const socket = connectTls({
    port: door.port,
    host: "127.0.0.1",
    ca: readFileSync(certificates.caFile),
  });
  await once(socket, "secureConnect");
  return socket;
}

/** Everything the door says until it closes. */
async function raw(text: string): Promise<string> {
  const socket = await openSocket();
  socket.write(Buffer.from(text, "latin1"));
  let reply = "";
  for await (const chunk of socket) reply += chunk;
  return reply;
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

async function rejected(reason: string): Promise<number> {
  const line = new RegExp(
    `^bursar_gateway_rejected_total\\{.*reason="${reason}".*\\} (\\d+)$`,
    "m",
  );
  return Number(line.exec(await metrics.render())?.[1] ?? 0);
}

async function gauge(name: string): Promise<number> {
  return Number(new RegExp(`^${name}\\{.*\\} (\\d+)$`, "m").exec(await metrics.render())?.[1]);
}

/** A way to the broker that can be cut and mended. */
async function openProxy(target: string) {
  const url = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((inside) => {
    const outside = connectTcp(Number(url.port), url.hostname);
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as { port: number }).port;
  };
  const port = await listen(0);
  const through = new URL(target);
  through.port = String(port);
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: through.href,
    cut,
    mend: () => listen(port),
    async [Symbol.asyncDispose]() {
      cut();
    },
  };
}
