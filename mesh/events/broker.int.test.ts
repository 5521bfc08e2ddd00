import { expect, test } from "vitest";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { isFault } from "../database/fault.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog } from "../testing/broker.ts";
import { encodedPayment } from "../testing/payments.ts";
import { openBroker } from "./broker.ts";
import { NotDurable, publish } from "./publish.ts";
import { streamMetrics } from "./stream-metrics.ts";
import { ensureStream } from "./streams.ts";

test("a publish that nobody acknowledges in time is a fault", async () => {
  // Port 1 is nobody's.
  await using broker = openBroker({
    url: "nats://127.0.0.1:1",
    name: "test",
    events: [PaymentSucceededSchema],
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

test("a stream that the operator has made larger stays so, and says how full it is", async () => {
  await using test = await openTestBroker();
  await ensureStream(test.broker, "PAYMENTS");
  const manager = await test.broker.jsm();
  const { config } = await manager.streams.info("PAYMENTS");
  const larger = {
    max_bytes: 2 * config.max_bytes,
    max_age: 2 * config.max_age,
    max_msg_size: 2 * config.max_msg_size,
  };
  await manager.streams.update("PAYMENTS", { ...larger, allow_direct: true });

  await ensureStream({ ...test.broker, streamBytesMax: config.max_bytes / 2 }, "PAYMENTS");

  expect((await manager.streams.info("PAYMENTS")).config).toMatchObject(larger);
  await publish(test.broker, encodedPayment("pi_1"), { deadlineMs: 5_000 });
  const metrics = createMetrics("test");
  await streamMetrics(metrics)(manager, "PAYMENTS");
  const text = await metrics.render();
  expect(text).toMatch(/bursar_stream_bytes\{stream="PAYMENTS".*\} [1-9]/);
  expect(text).toMatch(new RegExp(`bursar_stream_bytes_max\\{.*\\} ${larger.max_bytes}`));
});

test("a stream that has less than it should gets it", async () => {
  await using test = await openTestBroker();
  await ensureStream(test.broker, "PAYMENTS");
  const more = 2 * test.broker.streamBytesMax;
  await ensureStream({ ...test.broker, streamBytesMax: more }, "PAYMENTS");
  const manager = await test.broker.jsm();
  expect((await manager.streams.info("PAYMENTS")).config.max_bytes).toBe(more);
});

test("all streams can be declared together, twice, and drift is put right", async () => {
  await using test = await openTestBroker();
  const manager = await test.broker.jsm();
  const names = [...test.broker.streams.keys()];
  const declare = () => Promise.all(names.map((name) => ensureStream(test.broker, name)));
  await Promise.all([declare(), declare()]);
  await manager.streams.update("LEDGER", { max_msg_size: 1_024 });

  await declare();

  const { config } = await manager.streams.info("LEDGER");
  expect(config).toMatchObject({
    max_msg_size: 1024 ** 2,
    subjects: ["bursar.ledger.v1.>"],
    discard: "new",
    deny_delete: true,
    deny_purge: true,
    num_replicas: 1,
  });
});
