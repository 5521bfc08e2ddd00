import { createHash } from "node:crypto";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  DeliveryOutcome,
  DeliveryService,
  ReplayState,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { startTestServer, type TestServer } from "#mesh/testing/rpc.ts";
import { deliveryService } from "../deliveries.ts";
import { startDesk } from "../desk.ts";
import { testOperators } from "../testing/operators.ts";
import { paymentIntent, stripeBody, webhookWith } from "../testing/webhooks.ts";
import { startReplayer } from "./replayer.ts";
import { advance, Overtaken, selectReplay } from "./rows.ts";

let database: TestDatabase;
let testBroker: TestBroker;
let server: TestServer;
let client: Client<typeof DeliveryService>;
const stack = new AsyncDisposableStack();
let operators: ReturnType<typeof testOperators>;

beforeAll(async () => {
  const migrations = new URL("../migrations/", import.meta.url);
  database = stack.use(await openTestDatabase({ schema: "gateway", migrations }));
  testBroker = stack.use(await openTestBroker("webhook-gateway"));
  for (const name of ["WEBHOOKS", "PAYMENTS"] as const) await ensureStream(testBroker.broker, name);
  operators = testOperators(database.pool, testBroker.broker);
  server = stack.use(
    await startTestServer({
      service: "webhook-gateway",
      routes: (router) => router.service(DeliveryService, deliveryService(operators)),
    }),
  );
  client = await server.client(DeliveryService);
  stack.use(startDesk(operators.deskOptions));
  stack.use(startReplayer({ ...operators, log: silentLog(), doorBusy: () => false }));
});
afterAll(() => stack.disposeAsync());

test("what comes out as before changes nothing", async () => {
  const webhookId = await arrive("same");
  const before = await payments();
  const { changed, delivery } = await client.replayDelivery({ webhookId });
  expect(changed).toBe(false);
  expect(delivery?.outcome).toBe(DeliveryOutcome.PUBLISHED);
  expect(await payments()).toEqual(before);
});

test("what comes out differently reaches consumers under an id of its own, once", async () => {
  const webhookId = await arrive("other");
  await asIfAnOlderReleaseHadRead(webhookId);
  expect((await client.replayDelivery({ webhookId })).changed).toBe(true);
  const ids = await payments(webhookId);
  expect(ids).toHaveLength(2);
  expect(ids[0]).toBe(`${webhookId}/1`);
  expect(ids[1]).toMatch(/\/1\/[A-Za-z0-9_-]{22}$/);
  expect((await client.replayDelivery({ webhookId })).changed).toBe(false);
  expect(await payments(webhookId)).toEqual(ids);
});

test("a dead webhook that can be read now is settled with its letter", async () => {
  const { pool } = database;
  const webhookId = await arrive("dead", '{"type":"payment_intent.succeeded"');
  await expect(client.replayDelivery({ webhookId })).rejects.toMatchObject({
    code: Code.FailedPrecondition,
  });
  // As if the bytes had been fine, and an older release had stumbled over them.
  const good = await arrive("mended");
  const [letter] = await pool`select data from dead_letter where message_id = ${webhookId}`;
  expect(letter).toBeDefined();
  await pool`
    insert into dead_letter (consumer, message_id, sha256, subject, stream, stream_sequence, reason,
      detail, data, headers)
    select 'gateway-WEBHOOKS', ${good}, ${createHash("sha256").update("x").digest()}, subject,
      stream, stream_sequence, reason, detail, ${await bytesOf(good)}, headers
    from dead_letter where message_id = ${webhookId}
  `;
  await pool`
    update delivery set outcome = ${DeliveryOutcome.DEAD}, published_events = '{}',
      published_digests = '{}'
    where webhook_id = ${good}
  `;
  const { changed, delivery } = await client.replayDelivery({ webhookId: good });
  expect(changed).toBe(true);
  expect(delivery?.outcome).toBe(DeliveryOutcome.PUBLISHED);
  const rows = await pool`
    select 1 from dead_letter where message_id = ${good} and resolved_at is null
  `;
  expect(rows).toHaveLength(0);
});

test("a lost PAYMENTS stream is filled again from the webhooks, under the same ids", async () => {
  const before = (await payments()).filter((id) => !/\/1\/./.test(id)).sort();
  const manager = await testBroker.broker.jsm();
  await manager.streams.delete("PAYMENTS");
  await ensureStream(testBroker.broker, "PAYMENTS");
  const { replay } = await client.createReplay({ requestId: "lost", filter: {} });
  const ended = await endOf(replay!.replayId);
  expect(ended.state).toBe(ReplayState.DONE);
  expect(ended.handled + ended.missing).toBe(ended.selected);
  expect(ended.givenUp).toBe(1n);
  const after = (await payments()).map((id) => id.split("/").slice(0, 2).join("/"));
  expect(new Set(after)).toEqual(new Set(before));
});

test("a request id starts one replay, and no other filter", async () => {
  const filter = { eventType: "nothing" };
  const { replay: first } = await client.createReplay({ requestId: "twice", filter });
  const { replay: again } = await client.createReplay({ requestId: "twice", filter });
  expect(again?.replayId).toBe(first?.replayId);
  const other = client.createReplay({ requestId: "twice", filter: { provider: "stripe" } });
  expect(await codeOf(other)).toBe(Code.AlreadyExists);
  const { replays } = await client.listReplays({ pageSize: 1 });
  expect(replays[0]?.replayId).toBe(first?.replayId);
  await endOf(first!.replayId);
  const { replay: cancelled } = await client.cancelReplay({ replayId: first!.replayId });
  expect(cancelled?.state).toBe(ReplayState.DONE);
  expect(await codeOf(client.getReplay({ replayId: "x" }))).toBe(Code.NotFound);
});

test("who was overtaken counts nothing", async () => {
  const { pool } = database;
  const { replay } = await client.createReplay({ requestId: "overtaken", filter: {} });
  await endOf(replay!.replayId);
  const row = (await selectReplay(pool, BigInt(replay!.replayId)))!;
  const further = { receivedAt: new Date(), deliveryId: row.position!.deliveryId + 1n };
  const tally = { handled: 1, changed: 0, missing: 0, givenUp: 0 };
  await pool.begin((tx) => advance(tx, row, further, tally));
  await expect(pool.begin((tx) => advance(tx, row, further, tally))).rejects.toThrow(Overtaken);
  const after = (await selectReplay(pool, row.replayId))!;
  expect(after.handled).toBe(row.handled + 1n);
});

test("bytes that the stream let go cannot be handled again", async () => {
  const webhookId = await arrive("gone");
  await database.pool`update delivery set stream_sequence = 99999 where webhook_id = ${webhookId}`;
  expect(await codeOf(client.replayDelivery({ webhookId }))).toBe(Code.FailedPrecondition);
});

async function endOf(replayId: string) {
  await expect
    .poll(async () => (await client.getReplay({ replayId })).replay?.state, { timeout: 10_000 })
    .not.toBe(ReplayState.RUNNING);
  return (await client.getReplay({ replayId })).replay!;
}

async function asIfAnOlderReleaseHadRead(webhookId: string): Promise<void> {
  const { pool } = database;
  await pool`update delivery set published_digests = '{older}' where webhook_id = ${webhookId}`;
  const digest = createHash("sha256").update("older").digest();
  await pool`update inbox set sha256 = ${digest} where message_id = ${webhookId}`;
  // Beyond the time that the broker itself knows ids for, the first event stays where it is.
}

async function arrive(name: string, body?: string): Promise<string> {
  const text = body ?? stripeBody("payment_intent.succeeded", paymentIntent({ id: `pi_${name}` }));
  const webhookId = `webhook-${name}`;
  const webhook = webhookWith(text, { webhookId, eventId: `evt_${name}`, eventType: "a.b" });
  const stored = await operators.store([webhook], { deadlineMs: 5_000, spool: false });
  expect(stored.durable).toBe(true);
  await expect
    .poll(() => database.pool`select 1 from delivery where webhook_id = ${webhookId}`)
    .toHaveLength(1);
  return webhookId;
}

async function bytesOf(webhookId: string): Promise<Uint8Array> {
  const [row] = await database.pool`
    select stream_sequence from delivery where webhook_id = ${webhookId}
  `;
  const manager = await testBroker.broker.jsm();
  const found = await manager.streams.getMessage("WEBHOOKS", {
    seq: Number(row!["stream_sequence"]),
  });
  return found!.data;
}

async function payments(prefix = ""): Promise<string[]> {
  const manager = await testBroker.broker.jsm();
  const { state } = await manager.streams.info("PAYMENTS");
  const ids: string[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage("PAYMENTS", { seq });
    ids.push(message?.header.get("Nats-Msg-Id") ?? "");
  }
  return ids.filter((id) => id.startsWith(prefix));
}

async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
  return call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error).code,
  );
}
