import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { Attestation, Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { VerificationSchema, WebhookConfirmedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { validate } from "#mesh/policy/validation.ts";
import { webhookWith } from "../testing/webhooks.ts";
import { contentOf } from "./content.ts";
import { normalise, normaliseConfirmed } from "./normalise.ts";
import { paymentEventSchemas } from "./outcome.ts";

const eur = (amountMinor: bigint) => ({ amountMinor, currencyCode: "EUR" });
const value = (text: string, currency_code = "EUR") => ({ value: text, currency_code });
const time = "2026-03-01T12:00:00Z";
const up = [{ rel: "up", href: "https://api.paypal.com/v2/payments/captures/CAP1" }];

const capture = {
  id: "CAP1",
  amount: value("49.90"),
  custom_id: "ord_1",
  seller_receivable_breakdown: { paypal_fee: value("1.72") },
};
const dispute = {
  dispute_id: "PP-D-1",
  dispute_life_cycle_stage: "CHARGEBACK",
  disputed_transactions: [{ seller_transaction_id: "CAP1", custom: "ord_1" }],
  dispute_amount: value("49.90"),
  reason: "UNAUTHORISED",
};
const sale = { id: "S1", amount: { total: "49.90", currency: "EUR" }, custom: "ord_1" };

test.each<[string, object, object]>([
  [
    "PAYMENT.CAPTURE.COMPLETED",
    capture,
    { paymentId: "paypal/shop/CAP1", orderId: "ord_1", amount: eur(4990n), fee: eur(172n) },
  ],
  [
    "PAYMENT.CAPTURE.COMPLETED",
    { ...capture, amount: value("500", "JPY"), seller_receivable_breakdown: null },
    { amount: { amountMinor: 500n, currencyCode: "JPY" } },
  ],
  [
    "PAYMENT.CAPTURE.COMPLETED",
    { ...capture, amount: value("1.250", "KWD"), seller_receivable_breakdown: null },
    { amount: { amountMinor: 1250n, currencyCode: "KWD" } },
  ],
  [
    "PAYMENT.CAPTURE.DENIED",
    { ...capture, status_details: { reason: "ECHECK" } },
    { paymentId: "paypal/shop/CAP1", failureCode: "ECHECK" },
  ],
  [
    "PAYMENT.CAPTURE.REFUNDED",
    {
      id: "R1",
      amount: value("10.00"),
      seller_payable_breakdown: { total_refunded_amount: value("15.00") },
      links: up,
    },
    {
      paymentId: "paypal/shop/CAP1",
      refundId: "paypal/shop/R1",
      amount: eur(1000n),
      refundedTotal: eur(1500n),
    },
  ],
  [
    "PAYMENT.SALE.COMPLETED",
    { ...sale, transaction_fee: { value: "1.72", currency: "EUR" } },
    { paymentId: "paypal/shop/S1", amount: eur(4990n), fee: eur(172n) },
  ],
  ["PAYMENT.SALE.DENIED", sale, { paymentId: "paypal/shop/S1", amount: eur(4990n) }],
  [
    "PAYMENT.SALE.REFUNDED",
    { ...sale, id: "R2", sale_id: "S1" },
    { paymentId: "paypal/shop/S1", refundId: "paypal/shop/R2", amount: eur(4990n) },
  ],
  [
    "CUSTOMER.DISPUTE.CREATED",
    dispute,
    { disputeId: "paypal/shop/PP-D-1", paymentId: "paypal/shop/CAP1", reasonCode: "UNAUTHORISED" },
  ],
  [
    "CUSTOMER.DISPUTE.RESOLVED",
    { ...dispute, dispute_outcome: { outcome_code: "RESOLVED_BUYER_FAVOUR" } },
    { outcome: DisputeOutcome.LOST },
  ],
  [
    "CUSTOMER.DISPUTE.RESOLVED",
    { ...dispute, dispute_outcome: { outcome_code: "RESOLVED_WITH_PAYOUT" } },
    { outcome: DisputeOutcome.WON },
  ],
])("paypal: %s", (type, resource, expected) => {
  expect(paypal(type, resource)).toMatchObject({ kind: "events", events: [expected] });
});

test.each<[string, string, object, object]>([
  [
    "an inquiry",
    "CUSTOMER.DISPUTE.CREATED",
    { ...dispute, dispute_life_cycle_stage: "INQUIRY" },
    { kind: "kept" },
  ],
  ["another type", "PAYMENT.PAYOUTSBATCH.SUCCESS", {}, { kind: "kept" }],
  [
    "a reversal",
    "PAYMENT.CAPTURE.REVERSED",
    { id: "R1" },
    { detail: expect.stringContaining("by hand") },
  ],
  [
    "an outcome that is undocumented",
    "CUSTOMER.DISPUTE.RESOLVED",
    { ...dispute, dispute_outcome: { outcome_code: "NONE" } },
    { kind: "dead" },
  ],
  [
    "a negative refund",
    "PAYMENT.CAPTURE.REFUNDED",
    { id: "R", amount: value("-1.00"), links: up },
    { detail: expect.stringContaining("negative") },
  ],
  [
    "a refund of nothing known",
    "PAYMENT.CAPTURE.REFUNDED",
    { id: "R", amount: value("1.00") },
    { detail: "resource.links names no capture as up" },
  ],
  [
    "too many decimals",
    "PAYMENT.CAPTURE.COMPLETED",
    { ...capture, amount: value("1.999") },
    { kind: "dead" },
  ],
  [
    "an amount as a number",
    "PAYMENT.CAPTURE.COMPLETED",
    { ...capture, amount: { value: 1, currency_code: "EUR" } },
    { kind: "dead" },
  ],
  [
    "a currency in small letters",
    "PAYMENT.CAPTURE.COMPLETED",
    { ...capture, amount: value("1.00", "eur") },
    { kind: "dead" },
  ],
  [
    "a fee in another currency",
    "PAYMENT.CAPTURE.COMPLETED",
    { ...capture, amount: value("1.00", "USD") },
    { detail: "the fee is in EUR, the amount in USD" },
  ],
])("paypal: %s is no guess", (_, type, resource, expected) => {
  expect(paypal(type, resource)).toMatchObject(expected);
});

const molliePayment = {
  resource: "payment",
  id: "tr_1",
  status: "paid",
  amount: { value: "49.90", currency: "EUR" },
  metadata: { bursar_order_id: "ord_1" },
  paidAt: time,
};

test("mollie: a fetched payment tells all that became of it", () => {
  const amount = { value: "10.00", currency: "EUR" };
  const one = (id: string, status: string) => ({ id, status, amount, createdAt: time });
  const refunds = [one("re_1", "refunded"), one("re_2", "pending"), one("re_3", "failed")];
  const chargebacks = [{ id: "chb_1", amount, createdAt: time, reversedAt: time }];
  expect(mollie({ ...molliePayment, _embedded: { refunds, chargebacks } })).toMatchObject({
    events: [
      { paymentId: "mollie/shop/tr_1", orderId: "ord_1", amount: eur(4990n) },
      { refundId: "mollie/shop/re_1", amount: eur(1000n) },
      { $typeName: "bursar.payments.v1.RefundFailed", refundId: "mollie/shop/re_3" },
      { $typeName: "bursar.payments.v1.DisputeOpened", disputeId: "mollie/shop/chb_1" },
      { outcome: DisputeOutcome.WON },
    ],
  });
  expect(mollie({ ...molliePayment, status: "failed", failedAt: time })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed" }],
  });
  expect(mollie({ ...molliePayment, status: "open" })).toMatchObject({ kind: "kept" });
});

test("mollie: a signed event with its full payload needs nobody to ask", () => {
  const event = (type: string, entity?: object) => {
    const verification = create(VerificationSchema, {
      scheme: "mollie",
      algorithm: "hmac-sha256",
      coverage: Coverage.BODY,
    });
    const body = { resource: "event", type, ...(entity && { _embedded: { entity } }) };
    return normalise(
      webhookWith(JSON.stringify(body), {
        provider: "mollie",
        providerAccount: "shop",
        verification,
      }),
    );
  };
  expect(event("payment.paid", molliePayment)).toMatchObject({
    events: [
      { paymentId: "mollie/shop/tr_1", provenance: { contentAttestation: Attestation.SIGNED } },
    ],
  });
  const refund = {
    id: "re_1",
    paymentId: "tr_1",
    amount: { value: "1.00", currency: "EUR" },
    createdAt: time,
  };
  expect(event("refund.refunded", refund)).toMatchObject({
    events: [{ refundId: "mollie/shop/re_1" }],
  });
  const payout = { id: "payout_1", amount: { value: "1.00", currency: "EUR" }, completedAt: time };
  expect(event("payout.completed", payout)).toMatchObject({
    events: [{ payoutId: "mollie/shop/payout_1" }],
  });
  expect(event("payment.paid")).toMatchObject({ kind: "dead", detail: "_embedded is missing" });
  expect(event("payment-link.paid", {})).toMatchObject({ kind: "kept" });
});

const mpPayment = {
  id: 77,
  status: "approved",
  status_detail: "accredited",
  currency_id: "BRL",
  transaction_amount: 49.9,
  metadata: { bursar_order_id: "ord_1" },
  date_approved: "2026-03-01T09:00:00.000-03:00",
  date_last_updated: time,
};
const brl = (amountMinor: bigint) => ({ amountMinor, currencyCode: "BRL" });

test.each<[string, object, object]>([
  [
    "approved",
    {
      fee_details: [
        { amount: 1.5, fee_payer: "collector" },
        { amount: 0.22, fee_payer: "collector" },
        { amount: 9, fee_payer: "payer" },
      ],
    },
    {
      events: [
        { paymentId: "mercadopago/shop/77", orderId: "ord_1", amount: brl(4990n), fee: brl(172n) },
      ],
    },
  ],
  [
    "named by external reference",
    { metadata: {}, external_reference: "ord_2" },
    { events: [{ orderId: "ord_2" }] },
  ],
  [
    "rejected",
    { status: "rejected", status_detail: "cc_rejected" },
    { events: [{ failureCode: "cc_rejected" }] },
  ],
  [
    "refunded by name",
    {
      status: "refunded",
      refunds: [{ id: 5, status: "approved", amount: 10, date_created: time }],
    },
    { events: [{}, { refundId: "mercadopago/shop/5", amount: brl(1000n) }] },
  ],
  [
    "refunded in part, as a total",
    { transaction_amount_refunded: 10.5 },
    { events: [{}, { refundId: "", refundedTotal: brl(1050n) }] },
  ],
  [
    "charged back",
    { status: "charged_back", status_detail: "in_process" },
    { events: [{}, { disputeId: "mercadopago/shop/77" }] },
  ],
  [
    "charged back for good",
    { status: "charged_back", status_detail: "settled" },
    { events: [{}, { outcome: DisputeOutcome.LOST }] },
  ],
  [
    "charged back in vain",
    { status: "charged_back", status_detail: "reimbursed" },
    { events: [{}, { outcome: DisputeOutcome.WON }] },
  ],
  ["pending", { status: "pending" }, { kind: "kept" }],
  ["too exact", { transaction_amount: 49.999 }, { kind: "dead" }],
  ["negative", { transaction_amount: -1 }, { kind: "dead" }],
])("mercado pago: a payment that is %s", (_, over, expected) => {
  expect(
    confirm("mercadopago", "{}", "/v1/payments/77", { ...mpPayment, ...over }, "77/r"),
  ).toMatchObject(expected);
});

test("an answer about something else is a dead letter, whatever it says", () => {
  const path = "/v2/payments/tr_1?embed=refunds,chargebacks";
  for (const answer of [
    { ...molliePayment, id: "tr_2" },
    { ...molliePayment, id: undefined },
  ]) {
    expect(confirm("mollie", "id=tr_1", path, answer)).toMatchObject({
      kind: "dead",
      detail: `${path} was answered with another id than tr_1`,
    });
  }
  const elsewhere = "/v2/payments/tr_2?embed=refunds,chargebacks";
  expect(confirm("mollie", "id=tr_1", elsewhere, molliePayment)).toMatchObject({ kind: "dead" });
});

test("the forged body of a transmission never counts: what PayPal says does", () => {
  const forged = JSON.stringify({
    id: "WH-1",
    event_type: "PAYMENT.CAPTURE.COMPLETED",
    create_time: time,
    resource: { ...capture, amount: value("9999.00") },
  });
  expect(normalise(unconfirmed("paypal", forged))).toMatchObject({ kind: "unconfirmed" });
  const contents = [forged, `${forged} `].map((body) =>
    contentOf(normalise(unconfirmed("paypal", body))),
  );
  expect(contents[0], "another body of one transmission is a conflict").not.toEqual(contents[1]);
  expect(paypal("PAYMENT.CAPTURE.COMPLETED", capture, forged)).toMatchObject({
    events: [{ amount: eur(4990n), provenance: { contentAttestation: Attestation.FETCHED } }],
  });
});

function paypal(type: string, resource: object, body = '{"id":"WH-1"}') {
  const answer = { id: "WH-1", event_type: type, create_time: time, resource };
  return confirm("paypal", body, "/v1/notifications/webhooks-events/WH-1", answer);
}

function mollie(answer: object) {
  return confirm("mollie", "id=tr_1", "/v2/payments/tr_1?embed=refunds,chargebacks", answer);
}

function unconfirmed(provider: string, body: string, eventId = "") {
  const coverage = Coverage.ID_TIME_CHECKSUM;
  const verification = create(VerificationSchema, {
    scheme: provider,
    algorithm: "none",
    coverage,
  });
  return webhookWith(body, { provider, providerAccount: "shop", eventId, verification });
}

/** What comes out must keep the rules of its schema. */
function confirm(provider: string, body: string, path: string, answer: object, eventId = "") {
  const webhook = unconfirmed(provider, body, eventId);
  const outcome = normaliseConfirmed(
    create(WebhookConfirmedSchema, {
      webhookId: webhook.webhookId,
      webhook,
      body: Buffer.from(JSON.stringify(answer)),
      path,
      fetchedTime: timestampFromMs(0),
    }),
  );
  for (const event of outcome.kind === "events" ? outcome.events : []) {
    const schema = paymentEventSchemas.find(({ typeName }) => typeName === event.$typeName)!;
    expect(validate(schema, event as never)).toEqual([]);
  }
  return outcome;
}
