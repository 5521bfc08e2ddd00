// The service of docs/new-service.md beside the house: what it gets without a line of its own.

import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { promisify } from "node:util";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, openClients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { type House, openHouse } from "#dev/house.ts";
import { openSender, type Sender, signAsStripe } from "#dev/provider.ts";
import { devLearnerId } from "#dev/provision.ts";
import { serviceIn } from "#dev/services.ts";
import { openShop, placeOrder, type Shop } from "#dev/shop.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { ReceiptService } from "#gen/bursar/receipt/v1/receipt_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { publish } from "#mesh/events/publish.ts";
import { readBrokerConfig, readEnv } from "#mesh/process/config.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { encodedPayment } from "#mesh/testing/payments.ts";
import { makeFolder } from "./folder.ts";

const name = "receipt-service";
const root = new URL("..", import.meta.url).pathname;
const folder = makeFolder("new-service");
const told: string[] = [];
const stack = new AsyncDisposableStack();
let house: House;
let clients: Clients;
let sender: Sender;
let shop: Shop;

beforeAll(async () => {
  const extra = [serviceIn(`${root}examples/${name}`)];
  const say = (line: string) => void told.push(line);
  house = stack.use(await openHouse({ folder, extra, say, logLevel: "warn" }));
  clients = stack.use(openClients(house));
  sender = stack.use(openSender({ ca: readFileSync(house.provision.tls.dev.caFile, "utf8") }));
  shop = await openShop(clients, {
    slug: "receipts",
    title: "Receipts",
    prices: [
      { amountMinor: 4_900n, currencyCode: "USD" },
      { amountMinor: 4_500n, currencyCode: "EUR" },
    ],
  });
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("a payment leads to a receipt, which its learner and nobody else lists", async () => {
  const own = await pay({ learnerId: devLearnerId, currency: "usd", amount: 4_900 });
  const other = await pay({ learnerId: "learner-2", currency: "usd", amount: 4_900 });
  for (const { paymentId, orderId } of [own, other]) {
    expect(await receiptOf(paymentId)).toMatchObject({ orderId, paidMinor: 4_900n });
  }
  const { rpc } = stack.use(openClient(ReceiptService, connection()));
  const headers = { authorization: `Bearer ${house.provision.learnerJwt}` };
  const listed = await eventually(async () => {
    const { receipts } = await rpc.listReceipts({}, { headers });
    return receipts.length > 0 ? receipts : undefined;
  });
  expect(listed).toMatchObject([{ paymentId: own.paymentId, paidMinor: 4_900n }]);
  await expect(rpc.listReceipts({ learnerId: "learner-2" }, { headers })).rejects.toThrow();
});

test("what cannot be handled is a dead letter, and handled once the cause is mended", async () => {
  await asSuperuser(
    "alter table receipt.receipt add constraint no_euro check (currency_code <> 'EUR')",
  );
  const { paymentId } = await pay({ learnerId: devLearnerId, currency: "eur", amount: 4_500 });
  const { rpc } = stack.use(openClient(DeadLetterService, connection()));
  const [letter] =
    (await eventually(async () => {
      const { deadLetters } = await rpc.listDeadLetters({});
      return deadLetters.length > 0 ? deadLetters : undefined;
    })) ?? [];
  expect(letter).toMatchObject({ consumer: `${name}-LEDGER`, reason: DeadLetterReason.BUG });
  expect(letter?.detail).toContain("no_euro");
  const { deadLetterId } = letter!;
  await expect(rpc.replayDeadLetter({ deadLetterId })).rejects.toThrow(/given up again/);
  await asSuperuser("alter table receipt.receipt drop constraint no_euro");
  await rpc.replayDeadLetter({ deadLetterId });
  expect(await receiptOf(paymentId)).toMatchObject({ currencyCode: "EUR", paidMinor: 4_500n });
  expect((await rpc.listDeadLetters({})).deadLetters).toEqual([]);
});

test("it has probes, metrics by method, and none of it for who has no certificate", async () => {
  expect(await get("/readyz", false)).toMatchObject({ status: 200 });
  expect(await get("/metrics", false)).toMatchObject({ status: 401 });
  const { text } = await get("/metrics", true);
  expect(text).toMatch(/bursar_rpc_requests_total\{[^}]*receipt.v1.ReceiptService\/GetReceipt/);
  expect(text).toMatch(/bursar_consumer_events_total\{[^}]*receipt-service-LEDGER/);
  expect(text).toMatch(/bursar_outbox_published_total\{[^}]*\} [1-9]/);
});

test("on the broker it is a user of its own, who forges no payment", async () => {
  const config = readEnv(house.environmentOf(name), readBrokerConfig);
  expect(new URL(config.url).username).toBe(name);
  const common = { log: silentLog(), metrics: createMetrics(name), name };
  await using broker = openBroker({ ...config, ...common, events: [PaymentSucceededSchema] });
  expect(await broker.waitUntilConnected(10_000)).toBe(true);
  const manager = await (await operatorBroker()).jsm();
  const before = (await manager.streams.info("PAYMENTS")).state.last_seq;
  await expect(publish(broker, encodedPayment("forged"), { deadlineMs: 500 })).rejects.toThrow();
  expect((await manager.streams.info("PAYMENTS")).state.last_seq).toBe(before);
});

test("pages of the development server reach the course service, and others do not", async () => {
  const { caFile } = house.provision.tls.dev;
  const ask = async (origin: string) => {
    const baseUrl = house.urls.cmsBrowser;
    const nodeOptions = { ca: readFileSync(caFile) };
    const transport = createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions });
    const headers = { origin, authorization: `Bearer ${house.provision.learnerJwt}` };
    const { courseId } = shop;
    return createClient(EnrollmentService, transport).checkAccess({ courseId }, { headers });
  };
  expect(await ask("http://localhost:5173")).toMatchObject({ allowed: true });
  await expect(ask("https://evil.example")).rejects.toMatchObject({ code: Code.PermissionDenied });
});

test("the commands of docs/new-service.md work", async () => {
  const page = readFileSync(`${root}docs/new-service.md`, "utf8");
  const blocks = [...page.matchAll(/^```sh run\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  expect(blocks.length).toBeGreaterThan(0);
  const env = { ...process.env, ...environmentOfHouse(house) };
  const path = `${root}node_modules/.bin:${process.env["PATH"]}`;
  const script = `set -euo pipefail\n${blocks.join("\n")}`;
  const options = { cwd: root, env: { ...env, PATH: path }, timeout: 30_000 };
  const { stdout } = await promisify(execFile)("bash", ["-c", script], options);
  expect(stdout).toContain('"paidMinor": "4900"');
});

test("it stops when it is asked to, with exit code 0", async () => {
  const { restarts } = house.process(name);
  house.process(name).kill("SIGTERM");
  await eventually(async () => (house.process(name).restarts > restarts ? true : undefined));
  expect(told.join("\n")).toContain(`${name} ended with code 0`);
});

async function pay(order: { learnerId: string; currency: string; amount: number }) {
  const { learnerId, currency, amount } = order;
  const currencyCode = currency.toUpperCase();
  const orderId = await placeOrder(clients, shop, { learnerId, currencyCode });
  const payment = newStripePayment({ amount, currency, orderId });
  const { secret } = house.provision.endpoints.stripe;
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"]!;
  const { status } = await sender.post(url, signAsStripe(paymentIntentSucceeded(payment), secret));
  expect(status).toBe(200);
  return { orderId, paymentId: `stripe/acct_demo/${payment.paymentIntentId}` };
}

async function operatorBroker(): Promise<Broker> {
  const common = { log: silentLog(), metrics: createMetrics("dev"), name: "dev" };
  const broker = stack.use(
    openBroker({ url: house.natsUrl, ...common, events: [PaymentSucceededSchema] }),
  );
  await broker.waitUntilConnected(10_000);
  return broker;
}

async function receiptOf(paymentId: string) {
  const { rpc } = stack.use(openClient(ReceiptService, connection()));
  return eventually(async () => {
    const found = await rpc.getReceipt({ ledgerId: "main", paymentId }).catch(() => undefined);
    return found?.receipt;
  });
}

function connection() {
  return { url: house.urlOf(name), tls: house.provision.tls.dev };
}

async function asSuperuser(statement: string): Promise<void> {
  const pool = openPool({ url: house.databaseUrl, connectionsMax: 1 });
  await pool.unsafe(statement);
  await pool.end();
}

function get(path: string, certified: boolean): Promise<{ status: number; text: string }> {
  const { caFile, certFile, keyFile } = house.provision.tls.dev;
  const own = certified ? { cert: readFileSync(certFile), key: readFileSync(keyFile) } : {};
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const url = `${house.urlOf(name)}${path}`;
  const asked = request(url, { agent: false, ca: readFileSync(caFile), ...own }, async (reply) => {
    resolve({ status: reply.statusCode ?? 0, text: (await reply.toArray()).join("") });
  });
  asked.once("error", reject).end();
  return promise;
}
