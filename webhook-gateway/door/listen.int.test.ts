import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Broker } from "#mesh/events/broker.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { createWebhookStore, type StoreWebhooks } from "../store-webhook.ts";
import { bodyTimeoutMs, openTestDoor, type TestDoor } from "../testing/door.ts";
import { bodyBytesMax, stripeEvent, stripeHeaders } from "../testing/senders.ts";

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
  const body = stripeEvent("evt_nowhere");
  const reply = await door.send({ path, body, headers: stripeHeaders(body) });
  expect(reply).toMatchObject({ status: 404, body: '{"error":"not found"}' });
});

test("only POST is allowed", async () => {
  for (const method of ["GET", "PUT", "DELETE", "OPTIONS"]) {
    const reply = await door.send({ method, headers: {} });
    expect(reply).toMatchObject({ status: 405, headers: { allow: "POST" } });
  }
});

test("what is compressed or no JSON is 415, a missing type is JSON", async () => {
  const body = stripeEvent("evt_types");
  const reply = (headers: Record<string, string>, type?: string) =>
    door.send({
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
  const body = (length: number) => stripeEvent(`evt_${length}`).padEnd(length);
  const exact = body(bodyBytesMax);
  expect((await door.send({ body: exact, headers: stripeHeaders(exact) })).status).toBe(200);
  const larger = body(bodyBytesMax + 1);
  for (const chunked of [false, true]) {
    const reply = await door.send({ body: larger, headers: stripeHeaders(larger), chunked });
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
    expect((await door.send({ body, headers: stripeHeaders("x"), chunked })).status).toBe(413);
  }
});

test("a sender that waits for permission is refused before it sends a body", async () => {
  const reply = await door.raw(
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
      "Content-Length: 9999999\r\n\r\n",
  );
  expect(reply).toMatch(/^HTTP\/1\.1 413 /);
  expect(reply).not.toContain("100 Continue");
});

test("a sender that waits for permission gets it when its body is wanted", async () => {
  const body = stripeEvent("evt_continue");
  const signature = stripeHeaders(body)["Stripe-Signature"];
  const reply = await door.raw(
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
      `Stripe-Signature: ${signature}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  expect(reply).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});

test("a slow body is 408", async () => {
  const startedAt = performance.now();
  const reply = await door.raw(
    "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
  );
  expect(reply).toMatch(/^HTTP\/1\.1 408 /);
  expect(performance.now() - startedAt).toBeGreaterThan(bodyTimeoutMs - 50);
});

test("a sender that goes away leaves nothing behind", async () => {
  const socket = await door.openSocket();
  socket.write("POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
  await sleep(100);
  expect(await door.gauge("bursar_gateway_in_flight_requests")).toBe(1);
  socket.destroy();
  await expect.poll(() => door.gauge("bursar_gateway_in_flight_requests")).toBe(0);
  expect(await door.gauge("bursar_gateway_in_flight_bytes")).toBe(0);
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
  expect(await door.raw(text)).toMatch(/^HTTP\/1\.1 400 /);
});

test("headers beyond the limit are 431", async () => {
  const reply = await door.raw(`POST / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`);
  expect(reply).toMatch(/^HTTP\/1\.1 431 /);
});

test("requests that are sent without waiting are answered in order", async () => {
  const requestFor = (eventId: string, close: boolean) => {
    const body = stripeEvent(eventId);
    return (
      "POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\n" +
      `Stripe-Signature: ${stripeHeaders(body)["Stripe-Signature"]}\r\n` +
      `${close ? "Connection: close\r\n" : ""}Content-Length: ${body.length}\r\n\r\n${body}`
    );
  };
  const reply = await door.raw(requestFor("evt_pipe_1", false) + requestFor("evt_pipe_2", true));
  expect(reply.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
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
  const store: StoreWebhooks = (...of) => gate.promise.then(() => publisher(...of));
  await using busy = await openTestDoor(store, { limits: { requestsMax: 1, bytesMax: 1_000_000 } });
  const body = stripeEvent("evt_busy");
  const first = busy.send({ body, headers: stripeHeaders(body) });
  await sleep(100);
  const second = await busy.send({ body, headers: stripeHeaders(body) });
  expect(second).toMatchObject({ status: 503, headers: { "retry-after": "5" } });
  gate.resolve();
  expect((await first).status).toBe(200);
  expect((await busy.send({ body, headers: stripeHeaders(body) })).status).toBe(200);
});

test("more bytes than allowed are 503", async () => {
  await using small = await openTestDoor(publisher, { limits: { requestsMax: 10, bytesMax: 100 } });
  const body = stripeEvent("evt_bytes");
  const reply = await small.send({ body, headers: stripeHeaders(body) });
  expect(reply.status).toBe(503);
});

test("stopping finishes what was accepted and takes nothing new", async () => {
  const gate = Promise.withResolvers<void>();
  const store: StoreWebhooks = (...of) => gate.promise.then(() => publisher(...of));
  const stopping = await openTestDoor(store);
  const body = stripeEvent("evt_drain");
  const accepted = stopping.send({ body, headers: stripeHeaders(body) });
  await sleep(100);
  const stopped = stopping[Symbol.asyncDispose]();
  await expect(stopping.send({ body, headers: stripeHeaders(body) })).rejects.toThrow(
    /ECONNREFUSED/,
  );
  gate.resolve();
  expect(await accepted).toMatchObject({ status: 200, headers: { connection: "close" } });
  await stopped;
});

function publisherTo(broker: Broker): StoreWebhooks {
  return createWebhookStore({ broker, source: "webhook-gateway", log: silentLog() });
}
