// Every sample through the gateway's own rooms: signed, verified and identified by the
// dev house's endpoint of its provider, and read by its normaliser.

import { rmSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { afterAll, expect, test } from "vitest";
import { provision } from "#dev/provision.ts";
import { makeSample, samples, typeOf } from "#dev/sample-events.ts";
import { type Asked, Impossible } from "#dev/samples/sample.ts";
import { Attestation, Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  VerificationSchema,
  WebhookConfirmedSchema,
  type WebhookReceived,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { questionOf } from "../webhook-gateway/confirm/questions.ts";
import { type Endpoint, readEndpoints } from "../webhook-gateway/endpoints.ts";
import { normalise, normaliseConfirmed } from "../webhook-gateway/normalise/normalise.ts";
import type { Outcome } from "../webhook-gateway/normalise/outcome.ts";
import { webhookWith } from "../webhook-gateway/testing/webhooks.ts";
import { makeFolder } from "./folder.ts";

const folder = makeFolder("samples");
afterAll(() => rmSync(folder, { recursive: true }));
const { endpointsFile } = await provision({ folder });
const read = () => [...readEndpoints(endpointsFile, {}, new Date()).endpoints.values()];
const endpoints = new Map(read().map((endpoint) => [endpoint.provider.name, endpoint]));

// Ids in digits, because some providers have no others.
const asked = {
  ...{ amount: 4900, currency: "Usd", account: "BursarDemo" },
  ...{ orderId: "ord_1", paymentId: "1001", id: "2002" },
};

const bursar = [
  ["payment.succeeded", "PaymentSucceeded"],
  ["payment.failed", "PaymentFailed"],
  ["payment.refunded", "PaymentRefunded"],
  ["refund.failed", "RefundFailed"],
  ["dispute.opened", "DisputeOpened"],
  ["dispute.closed", "DisputeClosed"],
  ["payout.paid", "PayoutPaid"],
  ["payout.failed", "PayoutFailed"],
] as const;

/** What each is to become; undefined is stored and kept. */
const expected: Readonly<Record<string, readonly (readonly [string, string | undefined])[]>> = {
  standard: bursar,
  generic: bursar,
  svix: bursar,
  stripe: [
    ["payment_intent.succeeded", "PaymentSucceeded"],
    ["payment_intent.payment_failed", "PaymentFailed"],
    ["charge.refunded", "PaymentRefunded"],
    ["refund.created", "PaymentRefunded"],
    ["refund.failed", "RefundFailed"],
    ["charge.dispute.created", "DisputeOpened"],
    ["charge.dispute.closed", "DisputeClosed"],
    ["payout.paid", "PayoutPaid"],
    ["payout.failed", "PayoutFailed"],
  ],
  paddle: [
    ["transaction.completed", "PaymentSucceeded"],
    ["transaction.payment_failed", "PaymentFailed"],
    ["adjustment.updated+refund", "PaymentRefunded"],
    ["adjustment.created+chargeback", "DisputeOpened"],
    ["adjustment.updated+chargeback", "DisputeClosed"],
    ["payout.paid", "PayoutPaid"],
  ],
  razorpay: [
    ["payment.captured", "PaymentSucceeded"],
    ["payment.failed", "PaymentFailed"],
    ["refund.processed", "PaymentRefunded"],
    ["refund.failed", "RefundFailed"],
    ["payment.dispute.created", "DisputeOpened"],
    ["payment.dispute.won", "DisputeClosed"],
    ["payment.dispute.lost", "DisputeClosed"],
    ["settlement.processed", "PayoutPaid"],
  ],
  square: [
    ["payment.updated", "PaymentSucceeded"],
    ["payment.updated+failed", "PaymentFailed"],
    ["refund.updated", "PaymentRefunded"],
    ["refund.updated+failed", "RefundFailed"],
    ["dispute.created", "DisputeOpened"],
    ["dispute.state.updated", "DisputeClosed"],
    ["payout.paid", "PayoutPaid"],
    ["payout.failed", "PayoutFailed"],
  ],
  coinbase: [
    ["charge:confirmed", "PaymentSucceeded"],
    ["charge:failed", "PaymentFailed"],
  ],
  braintree: [
    ["transaction_settled", "PaymentSucceeded"],
    ["transaction_settlement_declined", "PaymentFailed"],
    ["transaction_settled+refund", "PaymentRefunded"],
    ["refund_failed", "RefundFailed"],
    ["dispute_opened", "DisputeOpened"],
    ["dispute_won", "DisputeClosed"],
    ["dispute_lost", "DisputeClosed"],
    ["disbursement", "PayoutPaid"],
  ],
  shopify: [
    ["orders/paid", "PaymentSucceeded"],
    ["refunds/create", "PaymentRefunded"],
    ["disputes/create", "DisputeOpened"],
    ["disputes/update", "DisputeClosed"],
  ],
  adyen: [
    ["AUTHORISATION", "PaymentSucceeded"],
    ["AUTHORISATION+refused", "PaymentFailed"],
    ["REFUND", "PaymentRefunded"],
    ["REFUND_FAILED", "RefundFailed"],
    ["CHARGEBACK", "DisputeOpened"],
    ["CHARGEBACK_REVERSED", "DisputeClosed"],
    ["SECOND_CHARGEBACK", "DisputeClosed"],
  ],
  lemonsqueezy: [
    ["order_created", "PaymentSucceeded"],
    ["order_created+failed", "PaymentFailed"],
    ["order_refunded", "PaymentRefunded"],
    ["subscription_payment_success", "PaymentSucceeded"],
    ["subscription_payment_failed", "PaymentFailed"],
    ["subscription_payment_refunded", "PaymentRefunded"],
  ],
  mollie: [
    ["payment.paid", "PaymentSucceeded"],
    ["payment.failed", "PaymentFailed"],
    ["refund.refunded", "PaymentRefunded"],
    ["refund.failed", "RefundFailed"],
    ["chargeback.received", "DisputeOpened"],
    ["chargeback.reversed", "DisputeClosed"],
    ["payout.completed", "PayoutPaid"],
    ["payout.failed", "PayoutFailed"],
  ],
  github: [
    ["push", undefined],
    ["ping", undefined],
  ],
  slack: [["message", undefined]],
  twilio: [["delivered", undefined]],
};

/** What a provider has to be asked about; PayPal's and classic Mollie's have no endpoint here. */
const asking = ["mercadopago", "mollie-classic", "paypal"];

test("every provider with samples is in this table, with all its samples", () => {
  for (const [provider, makers] of samples) {
    if (asking.includes(provider)) continue;
    const names = expected[provider]?.map(([name]) => name) ?? [];
    expect([provider, [...names].sort()]).toEqual([provider, Object.keys(makers).sort()]);
  }
});

const rows = Object.entries(expected).flatMap(([provider, all]) =>
  all.map(([name, event]) => [provider, name, event] as const),
);

test.each(rows)("%s %s is authentic and becomes %s", (provider, name, event) => {
  const { webhook, eventType } = receive(provider, name, asked);
  expect(eventType).toBe(typeOf(name));
  const outcome = normalise(webhook);
  if (event === undefined) {
    expect(outcome.kind).toBe("kept");
    return;
  }
  expectTold(outcome, event, provider, name);
});

test.each([
  ["PAYMENT.CAPTURE.COMPLETED", "PaymentSucceeded"],
  ["PAYMENT.CAPTURE.DENIED", "PaymentFailed"],
  ["PAYMENT.CAPTURE.REFUNDED", "PaymentRefunded"],
  ["CUSTOMER.DISPUTE.CREATED", "DisputeOpened"],
  ["CUSTOMER.DISPUTE.RESOLVED", "DisputeClosed"],
])("paypal %s becomes %s once PayPal has said the same", (name, event) => {
  const { body } = makeSample({ name: "paypal", scheme: "paypal" }, name, asked) ?? {};
  const webhook = webhookOf("paypal", body ?? Buffer.of(), Coverage.ID_TIME_CHECKSUM);
  expect(normalise(webhook)).toMatchObject({ kind: "unconfirmed" });
  const path = questionOf(webhook)?.path ?? "nothing";
  const confirmed = create(WebhookConfirmedSchema, { webhook, path, body: webhook.body });
  expectTold(normaliseConfirmed(confirmed), event, "paypal", name);
});

test.each(["payment.updated", "payment.created"])("mercadopago %s asks for its payment", (name) => {
  const { webhook } = receive("mercadopago", name, asked);
  expect(normalise(webhook)).toMatchObject({ kind: "unconfirmed" });
  expect(questionOf(webhook)).toMatchObject({ id: "1001" });
});

test("a classic webhook of Mollie asks for its payment", () => {
  const provider = { name: "mollie", scheme: "mollie-classic" };
  const { body } = makeSample(provider, "payment", { ...asked, paymentId: "tr_1001" }) ?? {};
  const webhook = webhookOf("mollie", body ?? Buffer.of(), Coverage.NOTHING);
  expect(questionOf(webhook)).toMatchObject({ id: "tr_1001" });
});

test("what is not asked for is new each time, and no order is made up", () => {
  const { amount, currency, account } = asked;
  for (const [provider, name, event] of rows) {
    if (event !== "PaymentSucceeded") continue;
    const [first, second] = [1, 2].map(() => {
      const { webhook } = receive(provider, name, { amount, currency, account });
      const outcome = normalise(webhook);
      return outcome.kind === "events" ? outcome.events[0] : undefined;
    });
    expect(first).toMatchObject({ orderId: "", paymentId: expect.stringContaining(provider) });
    expect(first).not.toMatchObject({ paymentId: (second as { paymentId: string }).paymentId });
  }
});

test("a currency without decimals is written without any", () => {
  for (const [provider, name] of rows.filter(([, , event]) => event === "PaymentSucceeded")) {
    // Lemon Squeezy documents no unit for it.
    if (provider === "lemonsqueezy") continue;
    const { webhook } = receive(provider, name, { ...asked, currency: "JPY" });
    const amount = { amountMinor: 4900n, currencyCode: "JPY" };
    expect(normalise(webhook)).toMatchObject({ kind: "events", events: [{ amount }] });
  }
});

test.each(["shopify", "lemonsqueezy", "mercadopago"])("%s has no ids but numbers", (provider) => {
  const [name = ""] = Object.keys(samples.get(provider) ?? {});
  const make = () =>
    makeSample({ name: provider, scheme: provider }, name, { ...asked, paymentId: "pi_1" });
  expect(make).toThrow(Impossible);
  expect(make).toThrow(/numbers of up to 15 digits, which pi_1 is not/);
});

/** As the door does it: what it would store of the first part, and the type that it shows. */
function receive(provider: string, name: string, of: Asked) {
  const endpoint = endpoints.get(provider) as Endpoint;
  const { body, headers } = makeSample(endpoint.provider, name, of)!;
  const { secrets, toleranceMs } = endpoint;
  const now = new Date();
  const key = secrets[0]!.bytes;
  const signed = endpoint.provider.sign({ key, body, now, eventId: "evt_1" })!;
  const all: Readonly<Record<string, string>> = { ...headers, ...signed.headers };
  const request = {
    body: signed.body,
    header: (header: string) => all[header],
    query: new URLSearchParams(signed.query),
  };
  const trust = { keys: secrets, now, toleranceMs };
  expect(endpoint.provider.verify(request, trust)).toMatchObject({ verified: true });
  const [part = signed.body] = endpoint.provider.split?.(request) ?? [];
  const identity = endpoint.provider.identify({ ...request, body: part });
  const webhook = webhookOf(provider, part, endpoint.provider.coverage, endpoint.provider.scheme);
  return {
    webhook: { ...webhook, eventId: identity.eventId },
    eventType: identity.eventType || identity.unsignedEventType,
  };
}

function webhookOf(
  provider: string,
  body: Uint8Array,
  coverage: Coverage,
  scheme = provider,
): WebhookReceived {
  const verification = create(VerificationSchema, {
    scheme,
    algorithm: "hmac-sha256",
    keyFingerprint: "0123456789abcdef",
    coverage,
  });
  return webhookWith(body, { provider, providerAccount: "demo", verification });
}

/** Neither of these says which refund it was: what is told is the total so far. */
const unnamed = /^(charge\.refunded|order_refunded|subscription_payment_refunded)$/;

function expectTold(outcome: Outcome, event: string, provider: string, name: string) {
  if (outcome.kind !== "events") throw new Error(`${name} became ${JSON.stringify(outcome)}`);
  const [told, ...others] = outcome.events;
  expect(others).toEqual([]);
  const contentAttestation = provider === "paypal" ? Attestation.FETCHED : Attestation.SIGNED;
  expect(told).toMatchObject({
    $typeName: `bursar.payments.v1.${event}`,
    ledgerId: "main",
    provenance: { contentAttestation },
  });
  const said = told as unknown as Readonly<Record<string, unknown>>;
  const money = { amountMinor: 4900n, currencyCode: "USD" };
  expect(said["amount"] ?? said["refundedTotal"]).toMatchObject(money);
  const scoped = new RegExp(`^${provider}/demo/([a-z-]+/)?`).source;
  if (!event.startsWith("Payout")) {
    expect(said["paymentId"]).toMatch(new RegExp(`${scoped}1001$`));
  }
  if (/^Payment(Succeeded|Failed)$/.test(event)) expect(said["orderId"]).toBe("ord_1");
  const id = said["refundId"] || said["disputeId"] || said["payoutId"];
  if (!/^Payment(Succeeded|Failed)$/.test(event) && !unnamed.test(name)) {
    expect(id).toMatch(new RegExp(`${scoped}2002(/|$)`));
  }
}
