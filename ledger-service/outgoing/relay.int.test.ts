import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog } from "#mesh/testing/broker.ts";
import { ledgerEvents } from "../journal.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { publishedUpTo, relayOf, storedMessages } from "../testing/relay.ts";

test("every fact is published once, with its exact bytes, in the order of the ledger", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await using relay = relayOf(database.pool, broker.broker);
  await submit(poster, ...Array.from({ length: 600 }, (_, n) => sale(`k${n}`, 1n)));
  relay.wake();
  const last = preparedSequence + 600n;
  await publishedUpTo(database.pool, last);

  const journal = await database.pool<{ sequence: bigint; subject: string; data: Buffer }[]>`
    select sequence, subject, data from journal order by sequence
  `;
  const messages = await messagesOf(broker.broker, Number(last));
  expect(messages.map(({ subject }) => subject)).toEqual(journal.map(({ subject }) => subject));
  for (const [place, { sequence, data }] of journal.entries()) {
    expect(Buffer.from(messages[place]!.data).equals(data)).toBe(true);
    expect(messages[place]!.header("Nats-Msg-Id")).toBe(`${ledgerId}/${sequence}`);
  }
  const event = messages.at(-1)!;
  expect(event.header("ce-subject")).toBe(ledgerId);
  expect(event.header("ce-type")).toBe(TransactionPostedSchema.typeName);
  const { transaction } = fromBinary(TransactionPostedSchema, event.data);
  const seconds = transaction?.recordedTime?.seconds ?? 0n;
  expect(event.header("ce-time").slice(0, 19)).toBe(
    new Date(Number(seconds) * 1_000).toISOString().slice(0, 19),
  );
});

test("a relay that died before it noted its position publishes nothing twice", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  {
    await using _relay = relayOf(database.pool, broker.broker);
    await publishedUpTo(database.pool, preparedSequence);
  }
  // As if the process had been killed between the acknowledgement and the note.
  await database.pool`update relay_position set published_sequence = 2`;
  await submit(poster, sale("more", 1n));
  await using _relay = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence + 1n);
  expect(await storedMessages(broker.broker)).toBe(Number(preparedSequence + 1n));
});

test("of two relays one publishes, and the other takes over when it ends", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  const options = { url: database.url, schema: "ledger", connectionsMax: 2 };
  const other = openPool({ ...options, applicationName: "other" });
  try {
    await prepareLedger(poster);
    const first = relayOf(database.pool, broker.broker);
    await publishedUpTo(database.pool, preparedSequence);
    await using _second = relayOf(other, broker.broker);
    const [locks] = await database.pool`
      select count(*)::int as count from pg_locks
      where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())
    `;
    expect(locks?.["count"]).toBe(1);
    await first[Symbol.asyncDispose]();
    await submit(poster, sale("after", 1n));
    await publishedUpTo(database.pool, preparedSequence + 1n);
  } finally {
    await other.end();
  }
});

test("a stream that lost its facts gets all of them again", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  {
    await using _relay = relayOf(database.pool, broker.broker);
    await publishedUpTo(database.pool, preparedSequence);
  }
  const manager = await broker.broker.jsm();
  await manager.streams.delete("LEDGER");
  await submit(poster, sale("after", 1n));
  await using _relay = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence + 1n);
  expect(await storedMessages(broker.broker)).toBe(Number(preparedSequence + 1n));
});

test("a stream that is deleted while it is published to gets all facts again", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await using _relay = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence);
  const manager = await broker.broker.jsm();
  await manager.streams.delete("LEDGER");
  await submit(poster, sale("after", 1n));
  const all = Number(preparedSequence) + 1;
  const stored = () => storedMessages(broker.broker).catch(() => 0);
  // Sooner than the stream is looked at: its own answers tell.
  await expect.poll(stored, { timeout: 3_000 }).toBe(all);
  await publishedUpTo(database.pool, preparedSequence + 1n);
});

test("a stream that is deleted while nothing happens gets all facts again", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await using _relay = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence);
  const manager = await broker.broker.jsm();
  await manager.streams.delete("LEDGER");
  const stored = () => storedMessages(broker.broker).catch(() => 0);
  await expect.poll(stored, { timeout: 15_000 }).toBe(Number(preparedSequence));
});

test("facts wait in the journal while the broker is away", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const options = {
    name: "absent",
    ...{ events: ledgerEvents, log: silentLog(), metrics: createMetrics("test") },
  };
  await using absent = openBroker({ ...options, url: "nats://127.0.0.1:1" });
  {
    await using _relay = relayOf(database.pool, absent);
    await sleep(200);
    const positions = await database.pool`select * from relay_position`;
    expect(positions).toHaveLength(0);
  }
  await using broker = await openTestBroker();
  await using _relay = relayOf(database.pool, broker.broker);
  await publishedUpTo(database.pool, preparedSequence);
});

async function messagesOf(broker: Broker, count: number) {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("LEDGER");
  expect(state.messages).toBe(count);
  const consumer = await broker.js().consumers.get("LEDGER");
  const messages: { subject: string; data: Uint8Array; header: (name: string) => string }[] = [];
  const batch = await consumer.fetch({ max_messages: count, expires: 10_000 });
  for await (const message of batch) {
    const header = (name: string) => message.headers?.get(name) ?? "";
    messages.push({ subject: message.subject, data: message.data, header });
    if (messages.length === count) break;
  }
  return messages;
}
