// A broker, a database and a consumer of payments whose effects can be counted, for the tests of
// everything between a stream and a table.

import { headers } from "@nats-io/transport-node";
import { expect, vi } from "vitest";
import {
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import { openPool, type Tx } from "../database/pool.ts";
import { startConsumer } from "../events/consume.ts";
import type { HandleBatch, Verdict } from "../events/consumer-definition.ts";
import type { EncodedEvent, Received } from "../events/event.ts";
import { lockKeys } from "../events/parking.ts";
import { publish } from "../events/publish.ts";
import { ensureStream } from "../events/streams.ts";
import { createMetrics } from "../process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "./broker.ts";
import { openTestDatabase, type TestDatabase } from "./database.ts";

export const events = [PaymentSucceededSchema, PaymentRefundedSchema] as const;
export type Payments = (typeof events)[number];

export const consumer = "mesh-PAYMENTS";

/** Writes a row an event, without a key that could hide a repetition. */
export async function record(tx: Tx, batch: readonly Received<Payments>[]) {
  for (const { messageId, message } of batch) {
    const about = `payment/${message.paymentId}`;
    await tx`insert into effect (message_id, about) values (${messageId}, ${about})`;
  }
  return { verdicts: batch.map(() => ({ kind: "handled" }) as const), arrived: [] };
}

/** A refund waits for its payment. */
export const refundsWait: HandleBatch<Payments> = async (tx, batch) => {
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

export type ConsumerWorld = Awaited<ReturnType<typeof openConsumerWorld>>;

export async function openConsumerWorld() {
  await using stack = new AsyncDisposableStack();
  const test: TestBroker = stack.use(await openTestBroker());
  const migrations = new URL("../events/migrations/", import.meta.url);
  const database: TestDatabase = stack.use(await openTestDatabase({ schema: "mesh", migrations }));
  const owner = openPool({ url: database.ownerUrl, connectionsMax: 1 });
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
    /** Past the broker's own recognition of repeated ids: it is told none. */
    async publishRaw(...list: EncodedEvent[]) {
      await ensureStream(broker, "PAYMENTS");
      for (const event of list) {
        const built = headers();
        for (const [name, value] of event.headers) built.append(name, value);
        await broker.js().publish(event.subject, event.data, { headers: built });
      }
    },
    expectEffects: async (messageIds: readonly string[]) => {
      const wanted = messageIds.toSorted();
      await vi.waitFor(async () => expect(await effects()).toHaveLength(wanted.length), 15_000);
      expect(await effects()).toEqual(wanted);
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
