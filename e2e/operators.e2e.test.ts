// What operators do about webhooks, through to the books: a mended configuration, a lost stream, a
// secret that was wrong. Whatever is handled again, the ledger books each fact once.

import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { parseDocument } from "yaml";
import { type Clients, openClients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { type House, openHouse } from "#dev/house.ts";
import { openSender, type Sender, signAsStripe } from "#dev/provider.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";
import {
  DeliveryFlag,
  DeliveryOutcome,
  type Replay,
  ReplayState,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { brokerAccess } from "#mesh/events/broker-access.ts";
import { createLog } from "#mesh/process/log.ts";
import { makeFolder } from "./folder.ts";
import { startSecondGateway } from "./second-gateway.ts";

const ledgerId = "main";
const folder = makeFolder("operators");
const stack = new AsyncDisposableStack();
const patience = { timeout: 60_000, interval: 100 };
let house: House;
let clients: Clients;
let sender: Sender;
let pool: Pool;
let failed = false;

beforeAll(async () => {
  house = stack.use(
    await openHouse({
      folder,
      logLevel: "warn",
      starts: ["ledger-service", "webhook-gateway"],
    }),
  );
  clients = stack.use(openClients(house));
  sender = stack.use(openSender({ ca: readFileSync(house.provision.tls.dev.caFile, "utf8") }));
  pool = openPool({ url: house.databaseUrl, connectionsMax: 2 });
  stack.defer(() => pool.end({ timeout: 1 }));
  // The ledger is opened by the first that is booked in it.
  const payment = await pay();
  const booked = () => bookings(payment.id).catch(() => 0);
  expect(await eventually(async () => (await booked()) || undefined)).toBe(1);
});
afterEach(({ task }) => {
  failed ||= task.result?.state === "fail";
});
afterAll(async () => {
  await stack.disposeAsync();
  if (!failed) rmSync(folder, { recursive: true, force: true });
});

test("what a filter kept from the books reaches them once when the filter is mended", async () => {
  await configure({ filter: "event.livemode == true" });
  const payment = await pay();
  const kept = await deliveryWith(payment.eventId, DeliveryOutcome.FILTERED);
  expect(await bookings(payment.id)).toBe(0);
  await configure({ filter: undefined });
  const { changed } = await clients.deliveries.replayDelivery(kept);
  expect(changed).toBe(true);
  await expect.poll(() => bookings(payment.id), patience).toBe(1);
  expect((await clients.deliveries.replayDelivery(kept)).changed).toBe(false);
});

test("a dead letter whose webhook can be read now is settled, and booked once", async () => {
  await configure({ filter: "event.livemode == true" });
  const payment = await pay();
  const { webhookId } = await deliveryWith(payment.eventId, DeliveryOutcome.FILTERED);
  await configure({ filter: undefined });
  // As an older release would have left it that could not read this body.
  const { webhook } = await clients.deliveries.getDelivery({ webhookId });
  await becomeDead(webhookId, webhook !== undefined);
  const { delivery } = await clients.deliveries.replayDelivery({ webhookId });
  expect(delivery?.outcome).toBe(DeliveryOutcome.PUBLISHED);
  await expect.poll(() => bookings(payment.id), patience).toBe(1);
  const { deadLetters } = await clients.gatewayDeadLetters.listDeadLetters({});
  expect(deadLetters).toEqual([]);
});

test("a forged webhook is kept; with the secret mended it is stored, and booked once", async () => {
  const secret = `whsec_${randomBytes(16).toString("hex")}`;
  const key = writeSecret("quarantine-key", randomBytes(32).toString("hex"));
  await configure({ quarantineKey: key, quarantine: {} });
  const payment = await pay(secret, 401);
  const listed = async () => (await clients.deliveries.listQuarantined({})).quarantined;
  await expect.poll(listed, patience).toHaveLength(1);
  const [refused] = await listed();
  expect(refused?.reason).toBe("signature-mismatch");
  const { quarantineId } = refused!;
  const before = await clients.deliveries.reverifyQuarantined({ quarantineId });
  expect(before).toMatchObject({ webhookIds: [], refused: 1 });
  await configure({ secret: writeSecret("mended", secret) });
  const mended = await clients.deliveries.reverifyQuarantined({ quarantineId });
  expect(mended).toMatchObject({ webhookIds: [expect.any(String)], refused: 0, remaining: 0 });
  await expect.poll(() => bookings(payment.id), patience).toBe(1);
  expect(await listed()).toEqual([]);
  const endpointId = stripeEndpoint();
  const reasons = async () => {
    const asked = { endpointId, hours: 2 };
    const { endpoints } = await clients.deliveries.listEndpointStatistics(asked);
    return endpoints[0]?.refused.map(({ reason }) => reason);
  };
  await expect.poll(reasons, patience).toEqual(["signature-mismatch"]);
  // The provider itself tries again meanwhile: the same webhook.
  expect((await post(payment.event, secret)).status).toBe(200);
  await replayEverything();
  expect(await bookings(payment.id)).toBe(1);
});

test("replaying everything twice changes nothing", async () => {
  await Promise.all(Array.from({ length: 20 }, () => pay()));
  await everythingJudged();
  const before = await books();
  for (let time = 0; time < 2; time += 1) {
    const replay = await replayEverything();
    expect(replay.state).toBe(ReplayState.DONE);
    expect(replay).toMatchObject({ changed: 0n, missing: 0n, givenUp: 0n });
    expect(replay.handled).toBe(replay.selected);
  }
  expect(await books()).toEqual(before);
});

test("a lost PAYMENTS stream is filled again, and nothing is doubled in the books", async () => {
  const before = await books();
  await using broker = await operatorsBroker();
  await broker.manager.streams.delete("PAYMENTS");
  const isThere = async () => broker.manager.streams.info("PAYMENTS").then(() => true);
  await expect.poll(() => isThere().catch(() => false), patience).toBe(true);
  const replay = await replayEverything();
  expect(replay).toMatchObject({ missing: 0n, givenUp: 0n });
  const { state } = await broker.manager.streams.info("PAYMENTS");
  expect(BigInt(state.messages)).toBe(replay.selected);
  const settled = async () => {
    const { consumer } = await ledgersConsumer(broker.manager);
    return consumer === undefined ? -1 : consumer.num_pending + consumer.num_ack_pending;
  };
  await expect.poll(settled, patience).toBe(0);
  // One that comes afterwards is booked like any other.
  const payment = await pay();
  await expect.poll(() => bookings(payment.id), patience).toBe(1);
  const after = await books();
  expect(after.transactions).toBe(before.transactions + 1);
  const { deadLetters } = await clients.ledgerDeadLetters.listDeadLetters({});
  expect(deadLetters).toEqual([]);
});

test("of two replicas one replays; killed in the middle, the other goes on; cancelled, it ends", async () => {
  await using second = await startSecondGateway(house);
  for (let n = 0; n < 60; n += 1) await Promise.all(Array.from({ length: 20 }, () => pay()));
  await everythingJudged();
  const before = await books();

  // Both look for work at once.
  const shared = await Promise.all([createReplay(), createReplay(), createReplay()]);
  for (const { replayId } of shared) {
    const replay = await endOf(replayId);
    expect(replay).toMatchObject({ state: ReplayState.DONE, changed: 0n, missing: 0n });
    expect(replay.handled).toBe(replay.selected);
  }

  second.kill("SIGSTOP");
  const leader = house.process("webhook-gateway");
  const { replayId } = await createReplay();
  await underWay(replayId);
  leader.kill("SIGKILL");
  second.kill("SIGCONT");
  const handled = async () => {
    const [row] = await pool`select handled, selected, state from gateway.replay
      where replay_id = ${replayId}`;
    return row!;
  };
  await expect
    .poll(async () => (await handled())["state"], patience)
    .toBe(Number(ReplayState.DONE));
  const row = await handled();
  expect(row["handled"]).toBe(row["selected"]);
  await expect.poll(() => leader.restarts, patience).toBeGreaterThan(0);

  await expect
    .poll(() =>
      clients.deliveries.listReplays({}).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  const cancelled = await createReplay();
  await underWay(cancelled.replayId);
  const { replay } = await clients.deliveries.cancelReplay({ replayId: cancelled.replayId });
  expect(replay?.state).toBe(ReplayState.CANCELLED);
  // The batch in hand ends; behind it another replay has its turn.
  expect((await endOf((await createReplay()).replayId)).state).toBe(ReplayState.DONE);
  const left = await endOf(cancelled.replayId);
  expect(left.state).toBe(ReplayState.CANCELLED);
  expect(left.handled).toBeLessThan(left.selected);
  expect(await books()).toEqual(before);
});

async function pay(secret = house.provision.endpoints.stripe.secret, status = 200) {
  const payment = newStripePayment({ amount: 4_900, currency: "usd" });
  const event = paymentIntentSucceeded(payment);
  expect((await post(event, secret)).status).toBe(status);
  return { id: payment.paymentIntentId, eventId: event.id, event };
}

function post(event: object, secret: string) {
  return sender.post(environmentOfHouse(house)["BURSAR_STRIPE_URL"]!, signAsStripe(event, secret));
}

const stripeEndpoint = () => house.provision.endpoints.stripe.endpointId;

type Change = {
  readonly filter?: string | undefined;
  readonly quarantine?: object;
  readonly quarantineKey?: string;
  /** A file, beside those that are there. */
  readonly secret?: string;
};

/** Changes the endpoints' file as an operator does, and waits until it is in force. */
async function configure(change: Change): Promise<void> {
  const { endpointsFile } = house.provision;
  const document = parseDocument(readFileSync(endpointsFile, "utf8"));
  const { endpoints } = document.toJS() as { endpoints: { endpointId: string }[] };
  const at = endpoints.findIndex(({ endpointId }) => endpointId === stripeEndpoint());
  const { filter, quarantine, quarantineKey, secret } = change;
  if ("filter" in change) {
    if (filter === undefined) document.deleteIn(["endpoints", at, "filter"]);
    else document.setIn(["endpoints", at, "filter"], filter);
  }
  if (quarantine) document.setIn(["endpoints", at, "quarantine"], quarantine);
  if (quarantineKey) document.set("quarantineKey", { file: quarantineKey });
  if (secret) document.addIn(["endpoints", at, "secrets"], { file: secret });
  const reloads = await reloaded();
  writeFileSync(endpointsFile, String(document));
  await expect.poll(reloaded, patience).toBeGreaterThan(reloads);
}

/** How often a changed configuration was put in force. */
async function reloaded(): Promise<number> {
  const { caFile, certFile, keyFile } = house.provision.tls.dev;
  const [ca, cert, key] = [caFile, certFile, keyFile].map((file) => readFileSync(file));
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${house.urls.gatewayAdmin}/metrics`, { ca, cert, key }, resolve).on("error", reject);
  });
  const line = /^bursar_gateway_config_reloads_total\{.*outcome="taken".*\} (\d+)$/m;
  return Number(line.exec(await text(answer))?.[1] ?? 0);
}

function writeSecret(name: string, text: string): string {
  const file = join(folder, "secrets", name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

async function deliveryWith(eventId: string, outcome: DeliveryOutcome) {
  const found = async () => (await clients.deliveries.listDeliveries({ eventId })).deliveries[0];
  await expect.poll(async () => (await found())?.outcome, patience).toBe(outcome);
  const { webhookId, flags } = (await found())!;
  expect(flags).not.toContain(DeliveryFlag.FILTER_FAILED);
  return { webhookId };
}

async function becomeDead(webhookId: string, isStored: boolean): Promise<void> {
  expect(isStored).toBe(true);
  await using broker = await operatorsBroker();
  const [row] = await pool`select stream_sequence from gateway.delivery
    where webhook_id = ${webhookId}`;
  const message = await broker.manager.streams.getMessage("WEBHOOKS", {
    seq: Number(row!["stream_sequence"]),
  });
  await pool`
    insert into gateway.dead_letter (consumer, message_id, sha256, subject, stream,
      stream_sequence, reason, detail, data, headers)
    select 'gateway-WEBHOOKS', ${webhookId}, sha256('older'::bytea),
      'bursar.webhook.v1.WebhookReceived', 'WEBHOOKS', stream_sequence, 1,
      'an older release could not read it', ${message!.data}, '[]'
    from gateway.delivery where webhook_id = ${webhookId}
  `;
  await pool`update gateway.delivery set outcome = ${DeliveryOutcome.DEAD}
    where webhook_id = ${webhookId}`;
}

/** Transactions in the books about a payment. */
async function bookings(paymentIntentId: string): Promise<number> {
  const paymentId = `stripe/acct_demo/${paymentIntentId}`;
  const { transactions } = await clients.ledger.listTransactions({ ledgerId, paymentId });
  return transactions.length;
}

/** What must not move. */
async function books() {
  const [row] = await pool<{ transactions: number }[]>`
    select count(*)::int as transactions from ledger.transaction`;
  const { totals } = await clients.ledger.getTrialBalance({ ledgerId });
  return { transactions: row!.transactions, totals };
}

/** Nothing is on its way any more: the desk has published, the ledger has booked. */
async function everythingJudged(): Promise<void> {
  await using broker = await operatorsBroker();
  const waiting = async () => {
    const desk = await broker.manager.consumers.info("WEBHOOKS", "gateway-WEBHOOKS");
    const { consumer } = await ledgersConsumer(broker.manager);
    return [desk, consumer!].reduce((sum, of) => sum + of.num_pending + of.num_ack_pending, 0);
  };
  await expect.poll(waiting, patience).toBe(0);
}

async function ledgersConsumer(manager: Awaited<ReturnType<typeof jetstreamManager>>) {
  for await (const consumer of manager.consumers.list("PAYMENTS")) {
    if (consumer.name.startsWith("ledger")) return { consumer };
  }
  return { consumer: undefined };
}

async function operatorsBroker() {
  const log = createLog({ service: "test", level: "silent" });
  const connection = await connect(brokerAccess({ url: house.natsUrl }, log));
  const manager = await jetstreamManager(connection);
  return { manager, [Symbol.asyncDispose]: () => connection.close() };
}

async function createReplay(): Promise<Replay> {
  const asked = { requestId: randomUUID(), filter: {} };
  return (await clients.deliveries.createReplay(asked)).replay!;
}

async function replayEverything(): Promise<Replay> {
  return endOf((await createReplay()).replayId);
}

async function endOf(replayId: string): Promise<Replay> {
  const now = async () => (await clients.deliveries.getReplay({ replayId })).replay!;
  await expect.poll(async () => (await now()).state, patience).not.toBe(ReplayState.RUNNING);
  return now();
}

/** It has handled some, and has more to do. */
async function underWay(replayId: string): Promise<void> {
  const now = async () => (await clients.deliveries.getReplay({ replayId })).replay!;
  await expect
    .poll(async () => (await now()).handled, { timeout: 60_000, interval: 5 })
    .toBeGreaterThan(0n);
  const { handled, selected, state } = await now();
  expect(state).toBe(ReplayState.RUNNING);
  expect(handled).toBeLessThan(selected);
}
