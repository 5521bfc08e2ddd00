import { expect, test } from "vitest";
import { isFault } from "../database/fault.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog } from "../testing/broker.ts";
import { encodedPayment } from "../testing/payments.ts";
import { openBroker } from "./broker.ts";
import { NotDurable, publish } from "./publish.ts";
import { ensureStream, streamNames } from "./streams.ts";

test("a publish that nobody acknowledges in time is a fault", async () => {
  // Port 1 is nobody's.
  await using broker = openBroker({
    url: "nats://127.0.0.1:1",
    name: "test",
    log: silentLog(),
    metrics: createMetrics("test"),
  });
  const error = await publish(broker, encodedPayment("pi_1"), { deadlineMs: 300 }).catch(
    (error) => error,
  );
  expect(error).toBeInstanceOf(NotDurable);
  expect(isFault(error)).toBe(true);
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
