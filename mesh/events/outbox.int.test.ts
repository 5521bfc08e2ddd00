import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { openPool } from "../database/pool.ts";
import { inTransaction } from "../database/transaction.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "../testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { encodedPayment, paymentSucceeded } from "../testing/payments.ts";
import { appendEncoded, appendEvent } from "./outbox.ts";
import { startOutboxRelay } from "./outbox-relay.ts";

const migrations = new URL("./migrations/", import.meta.url);
const time = new Date(0);
const children: ReturnType<typeof spawn>[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

test("what is appended is published once it is committed, and only then", async () => {
  await using world = await openWorld();
  await using relay = world.startRelay();
  const options = { source: "webhook-gateway", time };
  await inTransaction(world.pool, async (tx) => {
    await appendEvent(tx, PaymentSucceededSchema, paymentSucceeded("pi_1"), options);
    await sleep(150);
    expect(await world.stored()).toEqual([]);
  });
  await inTransaction(world.pool, async (tx) => {
    await appendEvent(tx, PaymentSucceededSchema, paymentSucceeded("pi_2"), options);
    throw new Error("rolled back");
  }).catch(() => {});
  relay.wake();

  await vi.waitFor(async () => expect(await world.stored()).toHaveLength(1));
  await sleep(200);
  expect(await world.stored()).toHaveLength(1);
  expect(await world.pending()).toBe(0);
});

test("events leave the outbox in the order in which they were appended", async () => {
  await using world = await openWorld();
  const events = Array.from({ length: 1_200 }, (_, n) => encodedPayment(`pi_${n}`));
  await inTransaction(world.pool, (tx) => appendEncoded(tx, events));

  await using _relay = world.startRelay();

  await vi.waitFor(async () => expect(await world.pending()).toBe(0), 20_000);
  expect(await world.stored()).toEqual(events.map(({ messageId }) => messageId));
});

test("a row that is committed after later ones are published is published too", async () => {
  await using world = await openWorld();
  await using _relay = world.startRelay();
  await inTransaction(world.pool, async (late) => {
    await appendEncoded(late, [encodedPayment("pi_late")]);
    await inTransaction(world.pool, (tx) => appendEncoded(tx, [encodedPayment("pi_early")]));
    await vi.waitFor(async () => expect(await world.stored()).toEqual(["payment/pi_early"]));
  });

  await vi.waitFor(async () => {
    expect(await world.stored()).toEqual(["payment/pi_early", "payment/pi_late"]);
  });
  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
});

test("a row that is committed while later ones are being deleted is not deleted with them", async () => {
  await using world = await openWorld();
  const owner = openPool({ url: world.database.ownerUrl, connectionsMax: 1 });
  const lateCommitted = Promise.withResolvers<void>();
  let locked: Promise<unknown> = Promise.resolve();
  let relay: AsyncDisposable | undefined;
  await inTransaction(world.pool, async (late) => {
    await appendEncoded(late, [encodedPayment("pi_late")]);
    await inTransaction(world.pool, (tx) => appendEncoded(tx, [encodedPayment("pi_early")]));
    const isLocked = Promise.withResolvers<void>();
    locked = owner.begin(async (lock) => {
      await lock`select from mesh.outbox for update`;
      isLocked.resolve();
      await lateCommitted.promise;
    });
    await isLocked.promise;
    // The relay publishes the later row, and its delete waits for our lock.
    relay = world.startRelay();
    await vi.waitFor(async () => expect(await world.stored()).toEqual(["payment/pi_early"]));
  });
  lateCommitted.resolve();
  await locked;

  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  expect(await world.stored()).toEqual(["payment/pi_early", "payment/pi_late"]);
  await relay?.[Symbol.asyncDispose]();
  await owner.end();
});

test("a relay that is killed between publish and delete publishes the same id again", async () => {
  await using world = await openWorld();
  const owner = openPool({ url: world.database.ownerUrl, connectionsMax: 1 });
  await inTransaction(world.pool, (tx) => appendEncoded(tx, [encodedPayment("pi_1")]));

  await owner.begin(async (lock) => {
    await lock`select from mesh.outbox for update`;
    const child = relayProcess(world);
    await vi.waitFor(async () => expect(await world.stored()).toHaveLength(1), 20_000);
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  await owner.end();
  expect(await world.pending()).toBe(1);

  await using _relay = world.startRelay();

  await vi.waitFor(async () => expect(await world.pending()).toBe(0), 20_000);
  expect(await world.stored()).toEqual(["payment/pi_1"]);
});

test("two relays publish every event once", async () => {
  await using world = await openWorld();
  await using _one = world.startRelay();
  await using _other = world.startRelay();
  const events = Array.from({ length: 200 }, (_, n) => encodedPayment(`pi_${n}`));
  for (const event of events) {
    await inTransaction(world.pool, (tx) => appendEncoded(tx, [event]));
  }

  await vi.waitFor(async () => expect(await world.pending()).toBe(0), 20_000);
  expect(await world.stored()).toEqual(events.map(({ messageId }) => messageId));
});

test("an event that the broker will never take does not hold up the others", async () => {
  await using world = await openWorld();
  const large = { ...encodedPayment("pi_large"), data: new Uint8Array(300 * 1024) };
  await inTransaction(world.pool, (tx) => {
    return appendEncoded(tx, [encodedPayment("pi_1"), large, encodedPayment("pi_2")]);
  });

  await using _relay = world.startRelay();

  await vi.waitFor(async () => expect(await world.pending()).toBe(0));
  expect(await world.stored()).toEqual(["payment/pi_1", "payment/pi_2"]);
  expect(await world.pool`select consumer, message_id from dead_letter`).toEqual([
    { consumer: "outbox", message_id: "payment/pi_large" },
  ]);
});

type World = Awaited<ReturnType<typeof openWorld>>;

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const test: TestBroker = stack.use(await openTestBroker());
  const database: TestDatabase = stack.use(await openTestDatabase({ schema: "mesh", migrations }));
  const { pool } = database;
  const { broker } = test;
  const opened = stack.move();
  return {
    pool,
    database,
    url: test.url,
    startRelay: () =>
      startOutboxRelay({ pool, broker, log: silentLog(), metrics: createMetrics("test") }),
    async stored(): Promise<string[]> {
      const manager = await broker.jsm();
      const info = await manager.streams.info("PAYMENTS").catch(() => undefined);
      const ids: string[] = [];
      for (let seq = 1; seq <= (info?.state.last_seq ?? 0); seq++) {
        const message = await manager.streams.getMessage("PAYMENTS", { seq });
        ids.push(message?.header.get("Nats-Msg-Id") ?? "none");
      }
      return ids;
    },
    async pending(): Promise<number> {
      const rows = await pool`select outbox_id from outbox`;
      return rows.length;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** A relay in a process of its own, to be killed. */
function relayProcess({ database, url }: World) {
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    const { openPool } = await import(${at("../database/pool.ts")});
    const { openBroker } = await import(${at("./broker.ts")});
    const { PaymentSucceededSchema } = await import(
      ${at("../../gen/bursar/payments/v1/events_pb.ts")}
    );
    const { startOutboxRelay } = await import(${at("./outbox-relay.ts")});
    const { createLog } = await import(${at("../process/log.ts")});
    const { createMetrics } = await import(${at("../process/metrics.ts")});
    const [url, natsUrl] = process.argv.slice(1);
    const log = createLog({ service: "test", level: "silent" });
    const metrics = createMetrics("test");
    const pool = openPool({ url, schema: "mesh", connectionsMax: 2, applicationName: "child" });
    const events = [PaymentSucceededSchema];
    const broker = openBroker({ url: natsUrl, name: "child", events, log, metrics });
    startOutboxRelay({ pool, broker, log, metrics });
  `;
  const args = ["--input-type=module", "--eval", script, database.url, url];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  children.push(child);
  return child;
}
