import assert from "node:assert/strict";
import { expect, test, vi } from "vitest";
import { openPool } from "../database/pool.ts";
import { openConsumerWorld, record } from "../testing/consumer-world.ts";
import { encodedPayment } from "../testing/payments.ts";

const namesOf = (count: number) => Array.from({ length: count }, (_, n) => `pi_${n}`);

test("a bug that hits everything pauses the consumer instead of emptying the stream", async () => {
  await using world = await openConsumerWorld();
  const names = namesOf(40);
  await world.publish(...names.map((name) => encodedPayment(name)));
  let broken = true;
  let runs = 0;
  await using _consumer = world.start({
    async handle(tx, batch) {
      runs++;
      assert(!broken, "this cannot be");
      return record(tx, batch);
    },
  });
  await vi.waitFor(() => expect(runs).toBeGreaterThan(200), 10_000);
  // The first may have come alone.
  const letters = await world.deadLetters();
  expect(letters.length).toBeLessThanOrEqual(10);
  broken = false;

  const given = new Set(letters.map((letter) => letter["message_id"]));
  const rest = names.map((name) => `payment/${name}`).filter((id) => !given.has(id));
  await world.expectEffects(rest);
  expect(await world.deadLetters()).toEqual(letters);
});

test("one that can be handled ends the pause, and the others are given up", async () => {
  await using world = await openConsumerWorld();
  await world.publish(...namesOf(20).map((name) => encodedPayment(name)));
  await using _consumer = world.start({
    async handle(tx, batch) {
      assert(!batch.some(({ messageId }) => messageId !== "payment/good"), "this cannot be");
      return record(tx, batch);
    },
  });
  await vi.waitFor(async () => {
    expect(await world.metrics.render()).toMatch(/bursar_consumer_paused\{.*\} 1/);
  });
  expect((await world.deadLetters()).length).toBeLessThanOrEqual(10);

  await world.publish(encodedPayment("good"));

  await world.expectEffects(["payment/good"]);
  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(20), 10_000);
});

test("poisoned messages one at a time are given up at once, until it is too many", async () => {
  await using world = await openConsumerWorld();
  await using _consumer = world.start({
    batchMax: 1,
    handle: () => Promise.reject(new Error("this cannot be")),
  });
  await world.publish(encodedPayment("pi_first"));
  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(1));

  await world.publish(...namesOf(15).map((name) => encodedPayment(name)));

  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(10));
  await vi.waitFor(async () => {
    expect(await world.metrics.render()).toMatch(/bursar_consumer_paused\{.*\} 1/);
  });
  expect(await world.deadLetters()).toHaveLength(10);
});

test("a column that is missing stops the consumer; nothing is given up for it", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedPayment("pi_1"));
  let migrated = false;
  let runs = 0;
  await using _consumer = world.start({
    async handle(tx, batch) {
      runs++;
      if (!migrated) await tx`select of_tomorrow from effect`;
      return record(tx, batch);
    },
  });
  await vi.waitFor(() => expect(runs).toBeGreaterThan(2));
  migrated = true;

  await world.expectEffects(["payment/pi_1"]);
  expect(await world.deadLetters()).toEqual([]);
});

test("a message whose statement always runs out of time is given up in the end", async () => {
  await using world = await openConsumerWorld();
  await world.publish(encodedPayment("pi_1"), encodedPayment("pi_2"));
  let timeouts = 0;
  await using _consumer = world.start({
    async handle(tx, batch) {
      if (batch.some(({ messageId }) => messageId === "payment/pi_1")) {
        if (batch.length === 1) timeouts++;
        await tx`select set_config('statement_timeout', '20ms', true)`;
        await tx`select pg_sleep(5)`;
      }
      return record(tx, batch);
    },
  });

  await world.expectEffects(["payment/pi_2"]);
  await vi.waitFor(async () => expect(await world.deadLetters()).toHaveLength(1), 10_000);
  expect(timeouts).toBe(5);
});

test("who waits for somebody else's lock is not slow: nothing is given up for it", async () => {
  await using world = await openConsumerWorld();
  const url = world.database.url;
  const pool = openPool({ url, schema: "mesh", connectionsMax: 4, statementTimeoutMs: 60 });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => pool.end({ timeout: 5 }));
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = world.database.pool.begin(async (tx) => {
    await tx`lock table effect in access exclusive mode`;
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  let runs = 0;
  stack.use(
    world.start({
      pool,
      handle(tx, batch) {
        runs++;
        return record(tx, batch);
      },
    }),
  );
  await world.publish(encodedPayment("pi_1"));
  await vi.waitFor(() => expect(runs).toBeGreaterThan(6), 20_000);
  held.resolve();
  await holding;
  await world.expectEffects(["payment/pi_1"]);
  expect(await world.deadLetters()).toEqual([]);
});
