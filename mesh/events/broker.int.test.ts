import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freePort } from "#dev/child.ts";
import { startNatsServer } from "#dev/nats-server.ts";
import { isFault } from "../database/fault.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog } from "../testing/broker.ts";
import { encodedPayment } from "../testing/payments.ts";
import { openBroker } from "./broker.ts";
import { NotDurable, publish } from "./publish.ts";
import { ensureStream, streamNames } from "./streams.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-broker-"));
chmodSync(folder, 0o711);
afterAll(() => rmSync(folder, { recursive: true }));

const brokerOn = (port: number) =>
  openBroker({
    url: `nats://127.0.0.1:${port}`,
    name: "test",
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

test("a publish that nobody acknowledges in time is a fault", async () => {
  await using broker = brokerOn(await freePort());
  const error = await publish(broker, encodedPayment("pi_1"), { deadlineMs: 300 }).catch(
    (error) => error,
  );
  expect(error).toBeInstanceOf(NotDurable);
  expect(isFault(error)).toBe(true);
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
    await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 250));
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    server = await startNatsServer({ dataDir, port });
  }
  stop = true;
  await Promise.all(publishers);

  const stored = await storedIds(broker);
  expect(acked.length).toBeGreaterThan(100);
  expect(stored.toSorted()).toEqual(acked.toSorted());
  await server[Symbol.asyncDispose]();
});

test("the same id published again is acknowledged as a duplicate", async () => {
  await using test = await openTestBroker();
  const event = encodedPayment("pi_1");

  const first = await publish(test.broker, event, { deadlineMs: 5_000 });
  const second = await publish(test.broker, event, { deadlineMs: 5_000 });

  expect(first).toEqual({ sequence: 1n, duplicate: false });
  expect(second).toEqual({ sequence: 1n, duplicate: true });
});

test("a stream that was deleted is made again by the next publish", async () => {
  await using test = await openTestBroker();
  await publish(test.broker, encodedPayment("pi_1"), { deadlineMs: 5_000 });
  await (await test.broker.jsm()).streams.delete("PAYMENTS");

  const again = await publish(test.broker, encodedPayment("pi_2"), { deadlineMs: 5_000 });

  expect(again).toEqual({ sequence: 1n, duplicate: false });
});

test("a message that is too large is refused at once, not retried", async () => {
  await using test = await openTestBroker();
  const event = { ...encodedPayment("pi_1"), data: new Uint8Array(300 * 1024) };
  const started = performance.now();
  const error = await publish(test.broker, event, { deadlineMs: 20_000 }).catch((error) => error);

  expect(isFault(error)).toBe(false);
  expect(error.message).toMatch(/exceeds maximum allowed/);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("all streams can be declared together, twice, and drift is put right", async () => {
  await using test = await openTestBroker();
  const manager = await test.broker.jsm();
  const declare = () => Promise.all(streamNames.map((name) => ensureStream(test.broker, name)));
  await Promise.all([declare(), declare()]);
  await manager.streams.update("LEDGER", { max_msg_size: 1_024 });

  await declare();

  const { config } = await manager.streams.info("LEDGER");
  expect(config).toMatchObject({
    max_msg_size: 256 * 1024,
    subjects: ["bursar.ledger.v1.>"],
    discard: "new",
    deny_delete: true,
    deny_purge: true,
    num_replicas: 1,
  });
});

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
