import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { headers } from "@nats-io/transport-node";
import { expect, test, vi } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import { postgres } from "../database/driver.ts";
import type { Tx } from "../database/pool.ts";
import { inTransaction } from "../database/transaction.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "../testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { encodedPayment, encodedRefund } from "../testing/payments.ts";
import { type HandleBatch, startConsumer, type Verdict } from "./consume.ts";
import type { EncodedEvent, Received } from "./event.ts";
import { lockKeys, releaseParked } from "./parking.ts";
import { publish } from "./publish.ts";

const events = [PaymentSucceededSchema, PaymentRefundedSchema] as const;
type Payments = (typeof events)[number];

test("every event is handled once, however often it is published", async () => {
  await using world = await openWorld();
  const published = Array.from({ length: 300 }, (_, n) => encodedPayment(`pi_${n}`));
  await world.publish(...published);
  // Under another id on the broker, so that only the inbox can tell; under the same in our header.
  await world.publishRaw(...published, ...published.toReversed());

  await using _consumer = world.start({ batchMax: 64 });

  await world.expectEffects(published.map(({ messageId }) => messageId));
  expect(await world.pending()).toBe(0);
  expect(await world.database.pool`select from dead_letter`).toHaveLength(0);
  await vi.waitFor(async () => {
    expect(await world.metrics.render()).toMatch(/outcome="duplicate".* 600$/m);
  });
});

test("the same id with other bytes goes to the dead letters and the first stays", async () => {
  await using world = await openWorld();
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
  await using world = await openWorld();
  const other = encodedPayment("pi_1", { amount: { amountMinor: 1n, currencyCode: "USD" } });
  await world.publishRaw(encodedPayment("pi_1"), encodedPayment("pi_1"), other, other);

  await using _consumer = world.start();

  await world.expectEffects(["payment/pi_1"]);
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  expect(await world.deadLetters()).toMatchObject([{ reason: DeadLetterReason.CONFLICT }]);
});

test("a message without meaning is given up with its bytes and headers, once", async () => {
  await using world = await openWorld();
  const broken = { ...encodedPayment("pi_1"), data: Uint8Array.of(0xff, 0, 0xff) };
  const invalid = { ...encodedPayment("pi_2"), data: new Uint8Array() };
  await world.publishRaw(broken, broken, invalid, encodedPayment("pi_3"));

  await using _consumer = world.start();

  await world.expectEffects(["payment/pi_3"]);
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

test("a message that the database rejects does not harm its neighbours", async () => {
  await using world = await openWorld();
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
  await using world = await openWorld();
  await world.publish(encodedPayment("pi_1"), encodedPayment("pi_2"));
  const handle: HandleBatch<Payments> = async (tx, batch) => {
    for (const { messageId } of batch) assert(messageId !== "payment/pi_1", "this cannot be");
    return record(tx, batch);
  };

  await using _consumer = world.start({ handle });

  await world.expectEffects(["payment/pi_2"]);
  expect(await world.deadLetters()).toMatchObject([
    { message_id: "payment/pi_1", detail: expect.stringContaining("this cannot be") },
  ]);
});

test("an event parks until its predecessor arrives, in the same SQL transaction", async () => {
  await using world = await openWorld();
  await using _consumer = world.start({ handle: refundsWait });
  await world.publish(encodedRefund("pi_1", "re_1"), encodedRefund("pi_1", "re_2"));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(2));
  expect(await world.effects()).toEqual([]);
  expect(await world.parked()).toMatchObject([
    {
      message_id: "refund/re_1",
      waits_for: "payment/stripe/acct_demo/pi_1",
      stream: "PAYMENTS",
      stream_sequence: 1n,
      data: Buffer.from(encodedRefund("pi_1", "re_1").data),
    },
    { message_id: "refund/re_2" },
  ]);

  await world.publish(encodedPayment("pi_1"));

  await world.expectEffects(["payment/pi_1", "refund/re_1", "refund/re_2"]);
  expect(await world.parked()).toEqual([]);
});

test("every order of a payment and its refunds ends in the same effects", async () => {
  await using world = await openWorld();
  await using _consumer = world.start({ handle: refundsWait });
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const expected = orders.flatMap((order) => {
    const name = `pi_${order.join("")}`;
    return [`payment/${name}`, `refund/a${name}`, `refund/b${name}`];
  });
  for (const order of orders) {
    const name = `pi_${order.join("")}`;
    const story = [
      encodedPayment(name),
      encodedRefund(name, `a${name}`),
      encodedRefund(name, `b${name}`),
    ];
    for (const index of order) await world.publish(story[index]!);
  }

  await world.expectEffects(expected);
  expect(await world.parked()).toEqual([]);
});

test("an RPC that creates the predecessor releases who waits, or neither happens", async () => {
  await using world = await openWorld();
  await using _consumer = world.start({ handle: refundsWait });
  await world.publish(encodedRefund("pi_1", "re_1"));
  await vi.waitFor(async () => expect(await world.parked()).toHaveLength(1));

  const key = "payment/stripe/acct_demo/pi_1";
  const createPayment = (fail: boolean) =>
    inTransaction(world.database.pool, async (tx) => {
      await lockKeys(tx, [key]);
      await tx`insert into effect (message_id, about) values ('rpc', ${key})`;
      await releaseParked(tx, { consumer, events, arrived: [key], handle: refundsWait });
      if (fail) throw new Error("the caller changed its mind");
    });
  await expect(createPayment(true)).rejects.toThrow("changed its mind");
  expect(await world.parked()).toHaveLength(1);
  await createPayment(false);

  await world.expectEffects(["refund/re_1", "rpc"]);
  expect(await world.parked()).toEqual([]);
});

test("sessions of the database that end at odd moments double and lose nothing", async () => {
  await using world = await openWorld();
  const published = Array.from({ length: 600 }, (_, n) => encodedPayment(`pi_${n}`));
  await world.publish(...published);
  const killer = postgres(world.database.superUrl, { max: 1, onnotice: () => {} });

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

test("a consumer that is deleted while it runs is made again", async () => {
  await using world = await openWorld();
  await using _consumer = world.start();
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);

  await (await world.broker.jsm()).consumers.delete("PAYMENTS", consumer);
  await world.publish(encodedPayment("pi_2"));

  await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
});

test("a stream that is wiped while it is consumed is made again and consumed on", async () => {
  await using world = await openWorld();
  await using _consumer = world.start();
  await world.publish(encodedPayment("pi_1"));
  await world.expectEffects(["payment/pi_1"]);

  await (await world.broker.jsm()).streams.delete("PAYMENTS");
  await world.publish(encodedPayment("pi_2"));

  await world.expectEffects(["payment/pi_1", "payment/pi_2"]);
});

test("a consumer that learns a new event reads what was published before", async () => {
  await using world = await openWorld();
  await world.publish(encodedRefund("pi_1", "re_1"), encodedPayment("pi_1"));
  {
    await using _old = world.start({ events: [PaymentSucceededSchema] });
    await world.expectEffects(["payment/pi_1"]);
  }

  await using _new = world.start();

  await world.expectEffects(["payment/pi_1", "refund/re_1"]);
});

test("disposing finishes the batch in hand and gives the rest back at once", async () => {
  await using world = await openWorld();
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
  await using world = await openWorld();
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

const consumer = "mesh-PAYMENTS";

/** Writes a row an event, without a key that could hide a repetition. */
async function record(tx: Tx, batch: readonly Received<Payments>[]) {
  for (const { messageId, message } of batch) {
    const about = `payment/${message.paymentId}`;
    await tx`insert into effect (message_id, about) values (${messageId}, ${about})`;
  }
  return { verdicts: batch.map(() => ({ kind: "handled" }) as const), arrived: [] };
}

/** A refund waits for its payment. */
const refundsWait: HandleBatch<Payments> = async (tx, batch) => {
  const keyOf = ({ message }: Received<Payments>) => `payment/${message.paymentId}`;
  const isPayment = ({ message }: Received<Payments>) =>
    message.$typeName === "bursar.payments.v1.PaymentSucceeded";
  await lockKeys(tx, batch.map(keyOf));
  const payments = batch.filter(isPayment);
  await record(tx, payments);
  const rows = await tx<{ about: string }[]>`select about from effect`;
  const known = new Set(rows.map(({ about }) => about));
  await record(
    tx,
    batch.filter((event) => !isPayment(event) && known.has(keyOf(event))),
  );
  const verdicts = batch.map((event): Verdict => {
    if (known.has(keyOf(event))) return { kind: "handled" };
    return { kind: "parked", waitsFor: keyOf(event) };
  });
  return { verdicts, arrived: payments.map(keyOf) };
};

type World = Awaited<ReturnType<typeof openWorld>>;

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const test: TestBroker = stack.use(await openTestBroker());
  const migrations = new URL("./migrations/", import.meta.url);
  const database: TestDatabase = stack.use(await openTestDatabase({ schema: "mesh", migrations }));
  const owner = postgres(database.ownerUrl, { max: 1 });
  await owner`create table mesh.effect (message_id text not null, about text not null)`;
  await owner.end();
  const { pool } = database;
  const { broker } = test;
  const metrics = createMetrics("test");
  const log = silentLog();
  const effects = async () => {
    const rows = await pool<{ message_id: string }[]>`
      select message_id from effect order by message_id
    `;
    return rows.map(({ message_id }) => message_id);
  };
  const opened = stack.move();
  return {
    broker,
    database,
    metrics,
    effects,
    start: (over: Partial<Parameters<typeof startConsumer<readonly Payments[]>>[0]> = {}) =>
      startConsumer<readonly Payments[]>({
        ...{ consumer, stream: "PAYMENTS", events, batchMax: 100 },
        ...{ pool, broker, log, metrics, handle: record },
        ...over,
      }),
    publish: (...list: EncodedEvent[]) =>
      Promise.all(list.map((event) => publish(broker, event, { deadlineMs: 10_000 }))),
    /** Past the broker's own recognition of repeated ids. */
    async publishRaw(...list: EncodedEvent[]) {
      await publish(
        broker,
        { ...encodedPayment("warm"), messageId: "warm" },
        { deadlineMs: 9_000 },
      );
      const manager = await broker.jsm();
      await manager.streams.update("PAYMENTS", { duplicate_window: 100_000_000 });
      for (const event of list) {
        const built = headers();
        for (const [name, value] of event.headers) built.append(name, value);
        built.set("Nats-Msg-Id", event.messageId);
        let duplicate = true;
        while (duplicate) {
          const ack = await broker.js().publish(event.subject, event.data, { headers: built });
          duplicate = ack.duplicate;
          if (duplicate) await sleep(20);
        }
      }
    },
    expectEffects: async (messageIds: readonly string[]) => {
      const wanted = messageIds.toSorted();
      const found = async () =>
        (await effects()).filter((id) => id !== "payment/warm" && id !== "warm");
      await vi.waitFor(async () => expect(await found()).toHaveLength(wanted.length), 15_000);
      expect(await found()).toEqual(wanted);
    },
    deadLetters: () => pool`select * from dead_letter order by dead_letter_id`,
    parked: () => pool`select * from parked order by parked_id`,
    async pending() {
      const info = await (await broker.jsm()).consumers.info("PAYMENTS", consumer);
      return info.num_pending + info.num_ack_pending;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
