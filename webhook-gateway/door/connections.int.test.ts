import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { silentLog } from "#mesh/testing/broker.ts";
import type { StoreWebhooks } from "../store-webhook.ts";
import { openTestDoor, type TestDoor } from "../testing/door.ts";
import { stripeEvent, stripeHeaders } from "../testing/senders.ts";
import { createKeepingStore } from "../testing/snapshots.ts";
import { startDoor } from "./listen.ts";

function requestOf(eventId: string, more = ""): string {
  const body = stripeEvent(eventId);
  const signature = stripeHeaders(body)["Stripe-Signature"];
  return (
    `POST /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nStripe-Signature: ${signature}\r\n` +
    `${more}Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

async function heard(door: TestDoor, send: (write: (text: string) => void) => unknown) {
  const socket = await door.openSocket();
  let reply = "";
  socket.on("data", (chunk) => (reply += chunk)).on("error", () => {});
  const closed = once(socket, "close");
  await send((text) => socket.write(text));
  return { socket, closed, said: () => reply };
}

test("without a certificate the door speaks plain HTTP, on loopback only", async () => {
  const { store, stored } = createKeepingStore();
  await using door = await openTestDoor(store, { plain: true });
  const body = stripeEvent("evt_plain");
  expect((await door.send({ body, headers: stripeHeaders(body) })).status).toBe(200);
  expect(stored).toHaveLength(1);
  const config = { port: 0, certFile: undefined, keyFile: undefined, connectionsMax: 1 };
  const times = { requestTimeoutMs: 1_000, drainTimeoutMs: 1_000 };
  const start = (host: string) => startDoor({ host, ...config, ...times }, silentLog(), () => {});
  await expect(start("0.0.0.0")).rejects.toThrow(/no certificate, and 0\.0\.0\.0 is not loopback/);
  await using local = await start("localhost");
  expect(local.port).toBeGreaterThan(0);
});

test("a sender that has said all and closed its half still gets its answer", async () => {
  await using door = await openTestDoor(createKeepingStore().store, { plain: true });
  const { socket, closed, said } = await heard(door, (write) => write(requestOf("evt_half")));
  socket.end();
  await closed;
  expect(said()).toMatch(/^HTTP\/1\.1 200 /);
});

test("a head that comes too slowly is 408, and the connection is closed", async () => {
  await using door = await openTestDoor(createKeepingStore().store, {
    plain: true,
    requestTimeoutMs: 300,
  });
  const { closed, said } = await heard(door, (write) => write("POST /v1/in/stripe-endpoint HTT"));
  await closed;
  expect(said()).toMatch(/^HTTP\/1\.1 408 /);
});

test("what follows a refused request on the same connection is not looked at", async () => {
  const { store, stored } = createKeepingStore();
  await using door = await openTestDoor(store, { plain: true });
  const refused = "PUT /v1/in/stripe-endpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
  const { closed, said } = await heard(door, (write) => write(refused + requestOf("evt_behind")));
  await closed;
  expect(said().match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 405"]);
  expect(stored).toEqual([]);
});

test("what follows a body that says it is shorter than it is ends the connection with 400", async () => {
  const { store, stored } = createKeepingStore();
  await using door = await openTestDoor(store, { plain: true });
  const { closed, said } = await heard(door, (write) =>
    write(`${requestOf("evt_short")}garbage\r\n\r\n`),
  );
  await closed;
  // The first may be stored or not by then; unanswered, its sender sends it again.
  expect(
    said()
      .match(/^HTTP\/1\.1 \d+/gm)
      ?.at(-1),
  ).toBe("HTTP/1.1 400");
  expect(stored.length).toBeLessThanOrEqual(1);
});

test("a request that is on its way when the door closes is answered, and is the last", async () => {
  const { store: keep, stored } = createKeepingStore();
  const gate = Promise.withResolvers<void>();
  const store: StoreWebhooks = (...of) => gate.promise.then(() => keep(...of));
  const door = await openTestDoor(store, { plain: true });
  const idle = await door.openSocket();
  const idleClosed = once(idle.resume(), "close");
  const { socket, closed, said } = await heard(door, (write) => write(requestOf("evt_last")));
  await expect.poll(() => door.gauge("bursar_gateway_in_flight_requests")).toBe(1);
  const stopped = door[Symbol.asyncDispose]();
  socket.write(requestOf("evt_too_late"));
  await sleep(50);
  gate.resolve();
  await Promise.all([stopped, closed, idleClosed]);
  expect(said().match(/^HTTP\/1\.1 \d+/gm)?.[0]).toBe("HTTP/1.1 200");
  expect(said()).toMatch(/^connection: close\r$/im);
  // What came too late may be stored; it is not acknowledged, so its sender sends it again.
  expect(said().match(/^HTTP\/1\.1 200/gm)).toHaveLength(1);
  expect(stored.length).toBeGreaterThanOrEqual(1);
});

test("connections beyond the most are closed at once", async () => {
  const config = { host: "127.0.0.1", port: 0, certFile: undefined, keyFile: undefined };
  const bounds = { connectionsMax: 2, requestTimeoutMs: 1_000, drainTimeoutMs: 100 };
  await using door = await startDoor({ ...config, ...bounds }, silentLog(), () => {});
  const sockets = [1, 2, 3].map(() => connect(door.port, "127.0.0.1").on("error", () => {}));
  const closed = await Promise.race(
    sockets.map(async (socket, index) => {
      await once(socket.resume(), "close");
      return index;
    }),
  );
  expect([0, 1, 2]).toContain(closed);
  for (const socket of sockets) socket.destroy();
});
