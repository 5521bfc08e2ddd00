// What becomes of events when the broker itself is killed. Here and not in the mesh, because these
// tests start servers of their own.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test, vi } from "vitest";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { publish } from "#mesh/events/publish.ts";
import { createGroupPublisher } from "#mesh/events/publish-group.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { openTestDatabase } from "#mesh/testing/database.ts";
import { encodedPayment } from "#mesh/testing/payments.ts";
import { freePort } from "./child.ts";
import { startNatsServer } from "./nats-server.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-broker-"));
chmodSync(folder, 0o711);
afterAll(() => rmSync(folder, { recursive: true }));

const brokerOn = (port: number) =>
  openBroker({
    url: `nats://127.0.0.1:${port}`,
    name: "ledger-service",
    events: [PaymentSucceededSchema],
    log: silentLog(),
    metrics: createMetrics("test"),
  });

test("a broker that is absent at the start is found when it appears", async () => {
  const port = await freePort();
  await using broker = brokerOn(port);
  expect(broker.connected).toBe(false);
  expect(() => broker.js()).toThrow("the broker has not been reached yet");
  const early = publish(broker, encodedPayment("pi_early"), { deadlineMs: 20_000 });

  await using _server = await startNatsServer({ dataDir: join(folder, "late"), port });

  expect(await early).toMatchObject({ sequence: 1n, duplicate: false });
  expect(broker.connected).toBe(true);
});

test("every event acknowledged under kill -9 of the broker is stored once", async () => {
  const port = await freePort();
  const dataDir = join(folder, "killed");
  let server = await startNatsServer({ dataDir, port });
  await using broker = brokerOn(port);
  await broker.waitUntilConnected(5_000);

  const acked: string[] = [];
  let stop = false;
  const publishers = Array.from({ length: 16 }, async (_, lane) => {
    for (let n = 0; !stop; n++) {
      const event = encodedPayment(`pi_${lane}_${n}`);
      await publish(broker, event, { deadlineMs: 30_000 });
      acked.push(event.messageId);
    }
  });
  for (let kills = 0; kills < 5; kills++) {
    const enough = acked.length + 50 + Math.random() * 50;
    await vi.waitFor(() => expect(acked.length).toBeGreaterThan(enough), 20_000);
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    server = await startNatsServer({ dataDir, port });
  }
  stop = true;
  await Promise.all(publishers);

  const stored = await storedIds(broker);
  expect(stored.toSorted()).toEqual(acked.toSorted());
  await server[Symbol.asyncDispose]();
});

test("events published in groups under kill -9 of the broker all get an answer", async () => {
  const port = await freePort();
  const dataDir = join(folder, "grouped");
  let server = await startNatsServer({ dataDir, port });
  await using broker = brokerOn(port);
  await broker.waitUntilConnected(5_000);
  const publishGrouped = createGroupPublisher(broker, { deadlineMs: 30_000 });
  await publishGrouped(encodedPayment("pi_first"));

  const ids = ["payment/pi_first"];
  for (let kills = 0; kills < 4; kills++) {
    const events = Array.from({ length: 700 }, (_, n) => encodedPayment(`pi_${kills}_${n}`));
    ids.push(...events.map(({ messageId }) => messageId));
    const answers = events.map((event) => publishGrouped(event));
    // While the first groups are on their way, or written and not yet answered.
    await sleep(Math.random() * 30);
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    // What comes while the broker is away waits with the others.
    ids.push(`payment/pi_late_${kills}`);
    answers.push(publishGrouped(encodedPayment(`pi_late_${kills}`)));
    server = await startNatsServer({ dataDir, port });
    await Promise.all(answers);
  }

  expect((await storedIds(broker)).toSorted()).toEqual(ids.toSorted());
  await server[Symbol.asyncDispose]();
}, 90_000);

test("a lane whose group was not heard in time is free for the next", async () => {
  const port = await freePort();
  const dataDir = join(folder, "unheard");
  const server = await startNatsServer({ dataDir, port });
  await using broker = brokerOn(port);
  await broker.waitUntilConnected(5_000);
  const publishGrouped = createGroupPublisher(broker, { deadlineMs: 1_500 });
  await publishGrouped(encodedPayment("pi_first"));
  const events = Array.from({ length: 700 }, (_, n) => encodedPayment(`pi_${n}`));
  process.kill(server.pid, "SIGKILL");
  const unheard = await Promise.allSettled(events.map((event) => publishGrouped(event)));
  expect(new Set(unheard.map(({ status }) => status))).toEqual(new Set(["rejected"]));

  await using _again = await startNatsServer({ dataDir, port });
  await broker.waitUntilConnected(10_000);
  await Promise.all(events.map((event) => publishGrouped(event)));
  const wanted = ["payment/pi_first", ...events.map(({ messageId }) => messageId)];
  expect((await storedIds(broker)).toSorted()).toEqual(wanted.toSorted());
});

test("a consumer under kill -9 of the broker handles every event once", async () => {
  const migrations = new URL("../mesh/events/migrations/", import.meta.url);
  await using database = await openTestDatabase({ schema: "mesh", migrations });
  const { pool } = database;
  const port = await freePort();
  const dataDir = join(folder, "consumed");
  let server = await startNatsServer({ dataDir, port });
  await using broker = brokerOn(port);
  const ids = Array.from({ length: 1_500 }, (_, n) => `pi_${n}`);
  const all = ids.map((id) => publish(broker, encodedPayment(id), { deadlineMs: 30_000 }));
  await Promise.all(all);

  // The inbox is the effect under test: what is handled twice counts twice here.
  const handled = new Map<string, number>();
  {
    await using _consumer = startConsumer({
      ...{ consumer: "mesh-PAYMENTS", stream: "PAYMENTS", events: [PaymentSucceededSchema] },
      ...{ batchMax: 10, pool, broker, log: silentLog(), metrics: createMetrics("test") },
      async handle(_tx, batch) {
        await sleep(5);
        for (const { messageId } of batch) {
          handled.set(messageId, (handled.get(messageId) ?? 0) + 1);
        }
        return { verdicts: batch.map(() => ({ kind: "handled" })), arrived: [] };
      },
    });
    for (let kills = 0; kills < 3; kills++) {
      await sleep(100 + Math.random() * 150);
      process.kill(server.pid, "SIGKILL");
      await server.exited;
      server = await startNatsServer({ dataDir, port });
    }
    await vi.waitFor(() => expect(handled.size).toBe(ids.length), 60_000);
  }
  expect([...handled.values()].filter((times) => times !== 1)).toEqual([]);
  expect(await pool`select from inbox`).toHaveLength(ids.length);
  await server[Symbol.asyncDispose]();
}, 90_000);

async function storedIds(broker: ReturnType<typeof brokerOn>): Promise<string[]> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("PAYMENTS");
  const ids: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage("PAYMENTS", { seq });
    ids.push(message?.header.get("Nats-Msg-Id") ?? "none");
  }
  return ids;
}
