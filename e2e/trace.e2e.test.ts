// One trace from a provider's webhook to a learner's access, through three processes and three
// streams; and what the same flows leave in the logs.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, openClients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { type House, openHouse } from "#dev/house.ts";
import { openSender, type Sender, signAsStripe } from "#dev/provider.ts";
import { openShop, placeOrder, type Shop } from "#dev/shop.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";
import { printedTree, type TraceSpan } from "#dev/trace-tree.ts";
import { openTraces, type Traces } from "#dev/traces.ts";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { makeFolder } from "./folder.ts";

const folder = makeFolder("trace");
const stack = new AsyncDisposableStack();
let traces: Traces;
let house: House;
let clients: Clients;
let sender: Sender;
let shop: Shop;

beforeAll(async () => {
  traces = stack.use(await openTraces());
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: traces.url };
  house = stack.use(await openHouse({ folder, env, logLevel: "debug" }));
  clients = stack.use(openClients(house));
  sender = stack.use(openSender({ ca: readFileSync(house.provision.tls.dev.caFile, "utf8") }));
  shop = await openShop(clients, {
    slug: "traces",
    title: "Traces",
    prices: [{ amountMinor: 4_900n, currencyCode: "USD" }],
  });
});
afterAll(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

/** What must be nowhere but in the database. */
const secret = "hunter2";
const learnerId = `learner-${secret}`;

const webhook = "bursar.webhook.v1.WebhookReceived";
const payment = "bursar.payments.v1.PaymentSucceeded";
const posted = "bursar.ledger.v1.TransactionPosted";
const granted = "bursar.cms.v1.EnrollmentGranted";

/** Each the child of the one before it. */
const path = [
  ["webhook-gateway", "POST /v1/in/{endpoint_id}"],
  ["webhook-gateway", `publish ${webhook}`],
  ["webhook-gateway", `process ${webhook}`],
  ["webhook-gateway", `publish ${payment}`],
  ["ledger-service", `process ${payment}`],
  ["ledger-service", `publish ${posted}`],
  ["cms-service", `process ${posted}`],
  ["cms-service", `publish ${granted}`],
] as const;

test("a webhook is one trace, from the door to the learner's access", async () => {
  const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "USD" });
  const mark = traces.all().length;
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const answer = await pay(orderId, { traceparent });
  expect(answer.status).toBe(200);
  const spans = await traceWith(`publish ${granted}`, mark);

  const tree = printedTree(spans);
  expectPath(spans);
  const root = spans.filter(({ parentSpanId }) => parentSpanId === "");
  expect(
    root.map(({ name }) => name),
    tree,
  ).toEqual(["POST /v1/in/{endpoint_id}"]);
  expect(root[0]?.traceId, "the provider's own trace").not.toContain("0af7651916cd43dd");
  expect(root[0]?.attributes).toMatchObject({ "http.response.status_code": 200 });
  expect(spans.filter(({ failed }) => failed)).toEqual([]);
  const doors = traces
    .all()
    .slice(mark)
    .flat()
    .filter(({ name }) => name === path[0][1]);
  expect(doors.length, "one webhook, one trace").toBe(1);
});

test("webhooks that are posted in one batch keep their own traces", async () => {
  const ids = [1, 2, 3, 4, 5].map((n) => `${learnerId}-${n}`);
  const orders = await Promise.all(
    ids.map((id) => placeOrder(clients, shop, { learnerId: id, currencyCode: "USD" })),
  );
  const mark = traces.all().length;
  const ledger = house.process("ledger-service");
  ledger.kill("SIGSTOP");
  await Promise.all(orders.map((orderId) => pay(orderId)));
  const published = () =>
    traces
      .all()
      .slice(mark)
      .flat()
      .filter(({ name }) => name === `publish ${payment}`);
  await eventually(async () => (published().length === ids.length ? true : undefined));
  ledger.kill("SIGCONT");
  await eventually(
    async () => tracesWith(`publish ${granted}`, mark).length === ids.length || undefined,
  );

  const found = tracesWith(`publish ${granted}`, mark);
  expect(found.length).toBe(ids.length);
  for (const spans of found) {
    expectPath(spans);
    expect(spans.filter(({ name }) => name === `process ${payment}`).length).toBe(1);
  }
  // The first may have been taken up alone; what came after it went together.
  const carried = new Set(published().map(({ spanId }) => spanId));
  const together = await eventually(async () => {
    const batches = traces
      .all()
      .flat()
      .filter(({ name }) => name.startsWith("process batch ledger"));
    return batches.find(
      ({ links }) => links.filter(({ spanId }) => carried.has(spanId)).length > 1,
    );
  });
  expect(together).toMatchObject({ service: "ledger-service", parentSpanId: "" });
});

test("what a call causes belongs to the call's trace, across the broker", async () => {
  const ledgerId = "trace";
  await clients.ledger.createLedger({ ledgerId, displayName: "Trace" });
  await clients.ledger.registerAsset({ ledgerId, assetCode: "USD", scale: 2 });
  for (const [accountCode, kind] of [
    ["assets:cash", AccountKind.ASSET],
    ["income:sales", AccountKind.INCOME],
  ] as const) {
    await clients.ledger.createAccount({
      ledgerId,
      account: { accountCode, assetCode: "USD" },
      kind,
    });
  }
  const mark = traces.all().length;
  const entry = (accountCode: string, side: Side) => {
    return { account: { accountCode, assetCode: "USD" }, side, amountMinor: 100n };
  };
  await clients.ledger.postTransaction({
    ledgerId,
    idempotencyKey: "trace-1",
    entries: [entry("assets:cash", Side.DEBIT), entry("income:sales", Side.CREDIT)],
  });
  const spans = await traceWith(`process ${posted}`, mark);
  const tree = printedTree(spans);
  const call = find(spans, "bursar.ledger.v1.LedgerService/PostTransaction");
  expect(find(spans, `publish ${posted}`)?.parentSpanId, tree).toBe(call?.spanId);
  expect(call?.attributes, tree).toMatchObject({
    "rpc.status_code": "ok",
    "bursar.caller": "spiffe://bursar/dev",
  });
});

test("no learner, no body and no signature stands in a log", async () => {
  const { stripe } = house.provision.endpoints;
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
  const forged = signAsStripe(paymentOf(undefined), `whsec_${secret}`);
  expect((await sender.post(url, forged)).status).toBe(401);
  const broken = signAsStripe({ ...paymentOf(undefined), data: secret }, stripe.secret);
  expect((await sender.post(url, broken)).status).toBe(200);
  const missing = clients.enrollments.getEnrollment({ learnerId, courseId: "crs_unknown" });
  await expect(missing).rejects.toThrow();
  const absent = { learnerId: `${learnerId}-absent`, courseId: shop.courseId };
  await expect(clients.enrollments.getEnrollment(absent)).rejects.toThrow();
  const tooLong = { learnerId: secret.repeat(100), courseId: shop.courseId };
  await expect(clients.enrollments.checkAccess(tooLong)).rejects.toThrow();
  await eventually(async () => {
    const { deadLetters } = await clients.gatewayDeadLetters.listDeadLetters({});
    return deadLetters.length > 0 ? true : undefined;
  });

  const logs = join(folder, "logs");
  const services = readdirSync(logs).filter((name) => /-(service|gateway)\.log$/.test(name));
  expect(services.length).toBe(3);
  for (const name of services) {
    const lines = readFileSync(join(logs, name), "utf8").split("\n");
    expect(lines.length, name).toBeGreaterThan(5);
    const leaks = lines.filter((line) => line.includes(secret) || line.includes("whsec_"));
    expect(leaks, name).toEqual([]);
  }
  // Nor in what leaves the house.
  expect(JSON.stringify(traces.all())).not.toContain(secret);
  const answered = readFileSync(join(logs, "cms-service.log"), "utf8")
    .split("\n")
    .filter((line) => line.includes("EnrollmentService/GetEnrollment"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(answered.length).toBeGreaterThan(0);
  for (const line of answered) expect(line["traceId"], "a trace id").toMatch(/^[0-9a-f]{32}$/);
});

function paymentOf(orderId: string | undefined) {
  const event = paymentIntentSucceeded(
    newStripePayment({ amount: 4_900, currency: "usd", orderId }),
  );
  const { object } = event["data"] as { object: object };
  // As a provider adds things that are nobody's business.
  return { ...event, data: { object: { ...object, receipt_email: `${secret}@example.org` } } };
}

function pay(orderId: string, headers: Record<string, string> = {}) {
  const { secret: key } = house.provision.endpoints.stripe;
  const signed = signAsStripe(paymentOf(orderId), key);
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
  return sender.post(url, { ...signed, headers: { ...signed.headers, ...headers } });
}

/** Those that have arrived from every service: no span but a call's waits for its parent. */
function tracesWith(name: string, mark: number): (readonly TraceSpan[])[] {
  return traces
    .all()
    .slice(mark)
    .filter((spans) => {
      const ids = new Set(spans.map(({ spanId }) => spanId));
      // The client's own span is not exported: only the services are told where to.
      const orphans = spans.filter(
        ({ kind, parentSpanId }) => kind !== 2 && !ids.has(parentSpanId),
      );
      return spans.some((span) => span.name === name) && orphans.length === 0;
    });
}

async function traceWith(name: string, mark: number): Promise<readonly TraceSpan[]> {
  const found = await eventually(async () => tracesWith(name, mark)[0]);
  if (found !== undefined) return found;
  const seen = traces
    .all()
    .slice(mark)
    .map((spans) => printedTree(spans));
  throw new Error(`no whole trace has ${name}:\n${seen.join("\n")}`);
}

function find(spans: readonly TraceSpan[], name: string): TraceSpan | undefined {
  return spans.find((span) => span.name === name);
}

function expectPath(spans: readonly TraceSpan[]): void {
  let parentSpanId = "";
  for (const [service, name] of path) {
    const span = find(spans, name);
    expect(span, `${name} in\n${printedTree(spans)}`).toMatchObject({ service, parentSpanId });
    parentSpanId = span?.spanId ?? "";
  }
}
