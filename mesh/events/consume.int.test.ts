import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { openPool } from "../database/pool.ts";
import { consumer, openConsumerWorld, type Payments, record } from "../testing/consumer-world.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import type { HandleBatch } from "./consumer-definition.ts";
import { ensureStream } from "./streams.ts";

test("every event is handled once, however often it is published", async () => {
  await using world = await openConsumerWorld();
  const published = Array.from({ length: 300 }, (_, n) => encodedPayment(`pi_${n}`));
  await world.publish(...published);
  // Under another id on the broker, so that only the inbox can tell; under the same in our header.
  await world.publishRaw(...published, ...published.toReversed());

  await using _consumer = world.start({ batchMax: 64 });

  await world.expectEffects(published.map(({ messageId }) => messageId));
  await vi.waitFor(async () => expect(await world.pending()).toBe(0), 10_000);
  expect(await world.deadLetters()).toEqual([]);
  await vi.waitFor(async () => {
    expect(await world.metrics.render()).toMatch(/outcome="duplicate".* 600$/m);
  });
});

test("what comes again is told of, and not handled again", async () => {
  await using world = await openConsumerWorld();
  await world.publishRaw(...["pi_1", "pi_1", "pi_2", "pi_1"].map((id) => encodedPayment(id)));
  const prepared = new Set<string>();
  const unprepared: string[] = [];
  await using _consumer = world.start({
    async prepare(batch) {
      for (const { messageId } of batch) prepared.add(messageId);
    },
    async handle(tx, batch) {
      unprepared.push(...batch.flatMap(({ messageId: id }) => (prepared.has(id) ? [] : [id])));
      return record(tx, batch);
    },
    async repeated(tx, batch) {
      for (const { messageId } of batch) {
        await tx`insert into effect (message_id, about) values (${`again ${messageId}`}, '')`;
      }
    },
  });
  await world.expectEffects([
    "again payment/pi_1",
    "again payment/pi_1",
    "payment/pi_1",
    "payment/pi_2",
  ]);
  expect(unprepared).toEqual([]);
});

test("the same id with other bytes goes to the dead letters and the first stays", async () => {
  await using world = await openConsumerWorld();
  await world.publishRaw(encodedPayment("pi_1"));
  await using _consumer = world.start();
  await world.expectEffects(["payment/pi_1"]);

  const other = encodedPayment("pi_1", { amount: { amountMinor: 1n, currencyCode: "USD" } });
  await world.publishRaw(other, other);
  // And twice within one batch, together with an event that is fine.
  await world.publishRaw(encodedPayment("pi_2"));

  await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  const letters = await world.deadLetters();
  expect(letters).toMatchObject([
    {
      message_id: "payment/pi_1",
      reason: DeadLetterReason.CONFLICT,
      data: Buffer.from(other.data),
    },
  ]);
});

test("two messages of one id inside one batch are one event and one conflict", async () => {
  await using world = await openConsumerWorld();
  const other = encodedPayment("pi_1", { amount: { amountMinor: 1n, currencyCode: "USD" } });
  await world.publishRaw(encodedPayment("pi_1"), encodedPayment("pi_1"), other, other);

  await using _consumer = world.start();

  await world.expectEffects(["payment/pi_1"]);
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([{ reason: DeadLetterReason.CONFLICT }]);
  });
});

test("other bytes under a known id are no secret of the broker's", async () => {
  await using world = await openConsumerWorld();
  const saying = (amountMinor: bigint) => ({
    ...encodedPayment("pi_1", { amount: { amountMinor, currencyCode: "USD" } }),
    dedupeId: `payment/pi_1/${amountMinor}`,
  });
  await world.publish(saying(1n));
  await world.publish(saying(1n), saying(2n));

  await using _consumer = world.start();

  await world.expectEffects(["payment/pi_1"]);
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([
      {
        message_id: "payment/pi_1",
        reason: DeadLetterReason.CONFLICT,
        stream_sequence: 2n,
        data: Buffer.from(saying(2n).data),
      },
    ]);
  });
});

test("what an event says, where it is asked, tells a repetition from a conflict", async () => {
  await using world = await openConsumerWorld();
  const saying = (orderId: string, amountMinor: bigint) =>
    encodedPayment("pi_1", { orderId, amount: { amountMinor, currencyCode: "USD" } });
  const undecodable = { ...encodedPayment("pi_2"), data: Uint8Array.of(0xff) };
  await world.publishRaw(saying("ord_1", 1n), saying("ord_2", 1n), saying("ord_3", 2n));
  await world.publishRaw(undecodable, undecodable);

  await using _consumer = world.start({
    contentOf: ({ message }) => Buffer.from(String(message.amount?.amountMinor)),
  });

  await world.expectEffects(["payment/pi_1"]);
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  expect(await world.deadLetters()).toMatchObject([
    { reason: DeadLetterReason.CONFLICT, data: Buffer.from(saying("ord_3", 2n).data) },
    { reason: DeadLetterReason.UNDECODABLE },
  ]);
});

test("an event that trips over its own content is given up alone", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedPayment("pi_1"), encodedPayment("pi_2"));
  const stumble = ({ messageId }: { messageId: string }) =>
    assert(messageId !== "payment/pi_1", "this cannot be");

  await using _consumer = world.start({
    contentOf(event) {
      stumble(event);
      return event.data;
    },
    handle(tx, batch) {
      batch.forEach(stumble);
      return record(tx, batch);
    },
  });

  await world.expectEffects(["payment/pi_2"]);
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([
      { message_id: "payment/pi_1", reason: DeadLetterReason.BUG },
    ]);
  });
});

test("a message without meaning is given up with its bytes and headers, once", async () => {
  await using world = await openConsumerWorld();
  const broken = { ...encodedPayment("pi_1"), data: Uint8Array.of(0xff, 0, 0xff) };
  const invalid = { ...encodedPayment("pi_2"), data: new Uint8Array() };
  await world.publishRaw(broken, broken, invalid, encodedPayment("pi_3"));

  await using _consumer = world.start();

  await world.expectEffects(["payment/pi_3"]);
  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(2));
  const letters = await world.deadLetters();
  expect(letters).toMatchObject([
    {
      message_id: "payment/pi_1",
      reason: DeadLetterReason.UNDECODABLE,
      subject: "bursar.payments.v1.PaymentSucceeded",
      stream: "PAYMENTS",
      data: Buffer.from([0xff, 0, 0xff]),
    },
    { message_id: "payment/pi_2", reason: DeadLetterReason.INVALID },
  ]);
  expect(Object.fromEntries(letters[0]?.["headers"])).toMatchObject({
    "ce-source": "webhook-gateway",
    "ce-subject": "stripe/acct_demo/pi_1",
  });
});

test.each([
  ["a value with a line feed in it", "ce-id: payment/\npi_1"],
  ["a name with a space in it", "ce id: payment/pi_1"],
])("headers that cannot be read, %s, stop nobody else", async (_, line) => {
  await using world = await openConsumerWorld();
  await ensureStream(world.broker, "PAYMENTS");
  const { subject, data } = encodedPayment("pi_1");
  const headers = { encode: () => Buffer.from(`NATS/1.0\r\n${line}\r\n\r\n`) };
  world.broker.connection.publish(subject, data, { headers: headers as never });
  await world.publish(encodedPayment("pi_2"));

  await using _consumer = world.start();

  await world.expectEffects(["payment/pi_2"]);
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  expect(await world.deadLetters()).toMatchObject([
    {
      message_id: "PAYMENTS/1",
      reason: DeadLetterReason.UNDECODABLE,
      detail: expect.stringContaining("its headers cannot be read"),
      data: Buffer.from(data),
    },
  ]);
});

test("a message that the database rejects does not harm its neighbours", async () => {
  await using world = await openConsumerWorld();
  const names = Array.from({ length: 100 }, (_, n) => `pi_${n}`);
  await world.publish(...names.map((name) => encodedPayment(name)));
  const handle: HandleBatch<Payments> = async (tx, batch) => {
    const handled = await record(tx, batch);
    const poison = batch.some(({ messageId }) => messageId === "payment/pi_37");
    if (poison) await tx`select 1 / 0`;
    return handled;
  };

  await using _consumer = world.start({ handle });

  const others = names.filter((name) => name !== "pi_37").map((name) => `payment/${name}`);
  await world.expectEffects(others);
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([
      {
        message_id: "payment/pi_37",
        reason: DeadLetterReason.BUG,
        detail: expect.stringContaining("division by zero"),
      },
    ]);
  });
});

test("a handler that trips over an assertion gives up that message only", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedPayment("pi_1"), encodedPayment("pi_2"));
  const handle: HandleBatch<Payments> = async (tx, batch) => {
    for (const { messageId } of batch) assert(messageId !== "payment/pi_1", "this cannot be");
    return record(tx, batch);
  };

  await using _consumer = world.start({ handle });

  await world.expectEffects(["payment/pi_2"]);
  await vi.waitFor(async () => {
    expect(await world.deadLetters()).toMatchObject([
      { message_id: "payment/pi_1", detail: expect.stringContaining("this cannot be") },
    ]);
  });
});

test("sessions of the database that end at odd moments double and lose nothing", async () => {
  await using world = await openConsumerWorld();
  const published = Array.from({ length: 600 }, (_, n) => encodedPayment(`pi_${n}`));
  await world.publish(...published);
  const killer = openPool({ url: world.database.superUrl, connectionsMax: 1 });

  await using _consumer = world.start({
    batchMax: 20,
    handle: async (tx, batch) => {
      const handled = await record(tx, batch);
      await tx`select pg_sleep(0.005)`;
      return handled;
    },
  });
  for (let kills = 0; kills < 10; kills++) {
    await sleep(Math.random() * 60);
    await killer`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'test-pool'
    `;
  }

  await world.expectEffects(published.map(({ messageId }) => messageId));
  expect(await world.deadLetters()).toEqual([]);
  await killer.end();
});

test("two processes that share a consumer handle every event once between them", async () => {
  await using world = await openConsumerWorld();
  const published = Array.from({ length: 500 }, (_, n) => encodedPayment(`pi_${n}`));
  await using _one = world.start({ batchMax: 7 });
  await using _other = world.start({ batchMax: 11 });

  await world.publish(...published);

  await world.expectEffects(published.map(({ messageId }) => messageId));
});

test("a second copy that arrives while the first is handled waits and is a duplicate", async () => {
  await using world = await openConsumerWorld();
  await using _one = world.start({
    batchMax: 1,
    handle: async (tx, batch) => {
      const handled = await record(tx, batch);
      await sleep(300);
      return handled;
    },
  });
  await using _other = world.start({ batchMax: 1, consumer: "mesh-PAYMENTS" });
  await world.publishRaw(encodedPayment("pi_1"), encodedPayment("pi_1"), encodedPayment("pi_1"));

  await vi.waitFor(async () => expect(await world.pending()).toBe(0), 10_000);
  expect(await world.effects()).toEqual(["payment/pi_1"]);
  expect(await world.deadLetters()).toEqual([]);
});

test("a consumer that is deleted while it runs is made again", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start();
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);

  await (await world.broker.jsm()).consumers.delete("PAYMENTS", consumer);
  await world.publish(encodedPayment("pi_2"));

  await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
});

test("a stream that is wiped while it is consumed is made again and consumed on", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start();
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);

  await (await world.broker.jsm()).streams.delete("PAYMENTS");
  await world.publish(encodedPayment("pi_2"));

  await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
});

test("a consumer that learns a new event reads what was published before", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedRefund("pi_1", "re_1"), encodedPayment("pi_1"));
  {
    await using _old = world.start({ events: [PaymentSucceededSchema] });
    await world.expectEffects(["payment/pi_1"]);
  }

  await using _new = world.start();

  await world.expectEffects(["payment/pi_1", "refund/re_1"]);
});

test("disposing finishes the batch in hand and gives the rest back at once", async () => {
  await using world = await openConsumerWorld();
  const published = Array.from({ length: 30 }, (_, n) => encodedPayment(`pi_${n}`));
  await world.publish(...published);
  const entered = Promise.withResolvers<void>();
  const slow = world.start({
    batchMax: 10,
    handle: async (tx, batch) => {
      entered.resolve();
      await sleep(200);
      return record(tx, batch);
    },
  });
  await entered.promise;
  await slow[Symbol.asyncDispose]();
  const committed = (await world.effects()).length;
  expect(committed).toBeGreaterThan(0);
  expect(committed).toBeLessThanOrEqual(10);

  await using _next = world.start();

  // Well under the 30 seconds after which the broker would give up on the first.
  await world.expectEffects(published.map(({ messageId }) => messageId));
});

test("while the database is away the consumer pauses, and then goes on", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedPayment("pi_1"));
  let away = true;
  let runs = 0;
  await using _consumer = world.start({
    handle: async (tx, batch) => {
      runs++;
      if (away) await tx`select pg_terminate_backend(pg_backend_pid())`;
      return record(tx, batch);
    },
  });
  await vi.waitFor(() => expect(runs).toBeGreaterThan(2));
  expect(await world.metrics.render()).toMatch(/bursar_consumer_paused\{.*\} 1/);
  expect(await world.deadLetters()).toEqual([]);
  away = false;

  await world.expectEffects(["payment/pi_1"]);
});
