// Money that moved in part: what was authorised and not captured, refunded and charged back, lost and
// not lost. What a payload does not say exactly is a dead letter, never a guess.

import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { VerificationSchema, WebhookConfirmedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { stripeBody, webhookWith } from "../testing/webhooks.ts";
import { normalise, normaliseConfirmed } from "./normalise.ts";

const { REFUSED, PAYLOAD_MALFORMED } = DeadLetterReason;
const time = "2026-03-01T12:00:00Z";
const eur = (value: string) => ({ value, currency: "EUR" });

test("stripe: a total that holds what was never captured is no refund", () => {
  const charge = {
    id: "ch_1",
    payment_intent: "pi_1",
    amount: 20_675,
    amount_refunded: 375,
    currency: "usd",
  };
  const refunded = (over: object) =>
    normalise(webhookWith(stripeBody("charge.refunded", { ...charge, ...over })));
  expect(refunded({ captured: true, amount_captured: 20_675 })).toMatchObject({
    events: [{ refundedTotal: { amountMinor: 375n } }],
  });
  expect(refunded({ captured: true, amount_captured: 20_300 })).toMatchObject({
    kind: "dead",
    reason: REFUSED,
  });
  expect(refunded({ captured: false, amount_captured: 0 })).toMatchObject({ kind: "kept" });
});

test("mollie: of an authorised payment what was captured counts", () => {
  const payment = {
    resource: "payment",
    id: "tr_1",
    status: "paid",
    amount: eur("49.90"),
    paidAt: time,
  };
  const told = (over: object) => {
    const path = "/v2/payments/tr_1?embed=refunds,chargebacks";
    return confirm("mollie", "id=tr_1", path, { ...payment, ...over });
  };
  expect(told({ amountCaptured: eur("30.00") })).toMatchObject({
    events: [{ amount: { amountMinor: 3000n } }],
  });
  expect(told({ amount: eur("0.00") })).toMatchObject({ kind: "kept" });
  const entity = { ...payment, amount: eur("0.00") };
  const body = { resource: "event", type: "payment.paid", _embedded: { entity } };
  const signed = webhook("mollie", JSON.stringify(body), Coverage.BODY);
  expect(normalise(signed)).toMatchObject({ kind: "kept" });
});

test("mercado pago: what the bank took of a payment that was refunded is nobody's guess", () => {
  const payment = {
    id: 77,
    status: "charged_back",
    status_detail: "settled",
    currency_id: "BRL",
    transaction_amount: 100,
    date_approved: time,
    date_last_updated: time,
  };
  const told = (over: object) =>
    confirm("mercadopago", "{}", "/v1/payments/77", { ...payment, ...over }, "77/r");
  const refunds = [{ id: 5, status: "approved", amount: 20, date_created: time }];
  expect(told({})).toMatchObject({ kind: "events" });
  expect(told({ refunds })).toMatchObject({ kind: "dead", reason: REFUSED });
  expect(told({ transaction_amount_refunded: 100 })).toMatchObject({ kind: "dead" });
  expect(told({ status: "refunded" })).toMatchObject({ kind: "dead", reason: PAYLOAD_MALFORMED });
});

test("razorpay: a dispute that is lost in part is nobody's guess", () => {
  const lost = (amount_deducted: number) => {
    const dispute = {
      id: "disp_1",
      payment_id: "pay_1",
      amount: 50_000,
      currency: "INR",
      status: "lost",
      amount_deducted,
    };
    const payload = { dispute: { entity: dispute } };
    const body = { event: "payment.dispute.lost", created_at: 1_700_000_000, payload };
    return normalise(webhook("razorpay", JSON.stringify(body), Coverage.BODY));
  };
  expect(lost(50_000)).toMatchObject({ kind: "events" });
  expect(lost(20_000)).toMatchObject({ kind: "dead", reason: REFUSED });
});

test("paypal: a dispute that is lost in part is nobody's guess", () => {
  const lost = (value: string) => {
    const amount = { value: "49.90", currency_code: "EUR" };
    const resource = {
      dispute_id: "PP-D-1",
      dispute_life_cycle_stage: "CHARGEBACK",
      disputed_transactions: [{ seller_transaction_id: "CAP1" }],
      dispute_amount: amount,
      dispute_outcome: {
        outcome_code: "RESOLVED_BUYER_FAVOUR",
        amount_refunded: { ...amount, value },
      },
    };
    const type = "CUSTOMER.DISPUTE.RESOLVED";
    const answer = { id: "WH-1", event_type: type, create_time: time, resource };
    const path = "/v1/notifications/webhooks-events/WH-1";
    return confirm("paypal", '{"id":"WH-1"}', path, answer);
  };
  expect(lost("49.90")).toMatchObject({ kind: "events" });
  expect(lost("20.00")).toMatchObject({ kind: "dead", reason: REFUSED });
});

test("shopify: the refund of a test order gives nothing back", () => {
  const refund = (over: object) => {
    const transaction = { kind: "refund", status: "success", amount: "10.00", currency: "USD" };
    const body = {
      id: 5,
      order_id: 7,
      admin_graphql_api_id: "gid://shopify/Refund/5",
      created_at: time,
      transactions: [{ ...transaction, ...over }],
    };
    return normalise(webhook("shopify", JSON.stringify(body), Coverage.BODY));
  };
  expect(refund({ test: false })).toMatchObject({ kind: "events" });
  expect(refund({ test: true })).toMatchObject({ kind: "kept" });
});

function webhook(provider: string, body: string, coverage: Coverage, eventId = "") {
  const verification = create(VerificationSchema, {
    scheme: provider,
    algorithm: "none",
    coverage,
  });
  return webhookWith(body, { provider, providerAccount: "shop", eventId, verification });
}

function confirm(provider: string, body: string, path: string, answer: object, eventId = "") {
  const received = webhook(provider, body, Coverage.ID_TIME_CHECKSUM, eventId);
  const { webhookId } = received;
  const fetched = Buffer.from(JSON.stringify(answer));
  const confirmed = { webhookId, webhook: received, body: fetched, path };
  return normaliseConfirmed(create(WebhookConfirmedSchema, confirmed));
}
