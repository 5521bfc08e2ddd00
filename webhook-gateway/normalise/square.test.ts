import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";
import { contentOf } from "./content.ts";

test.each(["payment.created", "payment.updated"])(
  "%s of a completed payment is the payment, with our order as reference",
  (type) => {
    expect(run(type, { payment: payment() })).toMatchObject({
      kind: "events",
      events: [
        {
          $typeName: "bursar.payments.v1.PaymentSucceeded",
          paymentId: "square/merchant/pmt_1",
          orderId: "ord_1",
          amount: { amountMinor: 5400n, currencyCode: "USD" },
        },
      ],
    });
  },
);

test("a later update, with its fee or a refund, says the same again", () => {
  const later = payment({
    processing_fee: [{ type: "INITIAL", amount_money: usd(172) }],
    refunded_money: usd(1500),
  });
  const said = (object: object) => contentOf(run("payment.updated", { payment: object }));
  expect(said(later)).toEqual(said(payment()));
});

test.each(["APPROVED", "PENDING", "CANCELED"])("a payment of status %s is kept", (status) => {
  expect(run("payment.updated", { payment: payment({ status }) })).toMatchObject({ kind: "kept" });
});

test("a failed payment carries the card's error", () => {
  const card_details = { errors: [{ code: "CARD_DECLINED" }] };
  const failed = payment({ status: "FAILED", card_details });
  expect(run("payment.updated", { payment: failed })).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentFailed",
        amount: { amountMinor: 4900n },
        failureCode: "CARD_DECLINED",
      },
    ],
  });
});

test.each(["CASH", "EXTERNAL"])("%s never reaches Square and is kept", (source) => {
  const noted = payment({ source_type: source });
  expect(run("payment.created", { payment: noted })).toMatchObject({ kind: "kept" });
  const back = refund({ destination_type: source });
  expect(run("refund.created", { refund: back })).toMatchObject({ kind: "kept" });
});

test.each([
  ["refund.created", "PENDING", "PaymentRefunded"],
  ["refund.updated", "COMPLETED", "PaymentRefunded"],
  ["refund.updated", "REJECTED", "RefundFailed"],
  ["refund.updated", "FAILED", "RefundFailed"],
])("%s of status %s is %s under the refund's own id", (type, status, name) => {
  expect(run(type, { refund: refund({ status }) })).toMatchObject({
    events: [
      {
        $typeName: `bursar.payments.v1.${name}`,
        paymentId: "square/merchant/pmt_1",
        refundId: "square/merchant/ref_1",
        amount: { amountMinor: 1500n, currencyCode: "USD" },
      },
    ],
  });
});

test.each([
  ["dispute.created", "EVIDENCE_REQUIRED", "DisputeOpened", {}],
  ["dispute.state.updated", "PROCESSING", "DisputeOpened", {}],
  ["dispute.state.updated", "WON", "DisputeClosed", { outcome: DisputeOutcome.WON }],
  ["dispute.state.updated", "LOST", "DisputeClosed", { outcome: DisputeOutcome.LOST }],
  ["dispute.state.changed", "ACCEPTED", "DisputeClosed", { outcome: DisputeOutcome.LOST }],
])("%s of state %s is %s", (type, state, name, more) => {
  for (const id of [{ id: "dp_1" }, { dispute_id: "dp_1", id: null }]) {
    expect(run(type, { dispute: dispute({ state, ...id }) })).toMatchObject({
      events: [
        {
          $typeName: `bursar.payments.v1.${name}`,
          disputeId: "square/merchant/dp_1",
          paymentId: "square/merchant/pmt_1",
          amount: { amountMinor: 4900n },
          ...more,
        },
      ],
    });
  }
});

test.each(["INQUIRY_EVIDENCE_REQUIRED", "INQUIRY_PROCESSING", "INQUIRY_CLOSED"])(
  "a dispute of state %s moves no money and is kept",
  (state) => {
    expect(run("dispute.created", { dispute: dispute({ state }) })).toMatchObject({
      kind: "kept",
    });
  },
);

test("a payout is paid or fails, and one that takes money is refused", () => {
  const payout = { id: "po_1", status: "PAID", amount_money: usd(120_000) };
  const said = { payoutId: "square/merchant/po_1", amount: { amountMinor: 120_000n } };
  expect(run("payout.paid", { payout })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PayoutPaid", ...said }],
  });
  expect(run("payout.failed", { payout })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PayoutFailed", ...said }],
  });
  expect(run("payout.sent", { payout })).toMatchObject({ kind: "kept" });
  expect(run("payout.paid", { payout: { ...payout, amount_money: usd(-5) } })).toMatchObject({
    reason: DeadLetterReason.REFUSED,
    detail: "data.object.payout.amount_money.amount is negative: -5",
  });
});

test("yen have no smaller unit", () => {
  const total_money = { amount: 500, currency: "JPY" };
  expect(run("payment.updated", { payment: payment({ total_money }) })).toMatchObject({
    events: [{ amount: { amountMinor: 500n, currencyCode: "JPY" } }],
  });
});

test.each<[string, object, DeadLetterReason]>([
  ["text", { amount: "5400", currency: "USD" }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["a decimal", { amount: 54.5, currency: "USD" }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["without currency", { amount: 5400 }, DeadLetterReason.PAYLOAD_MALFORMED],
  ["in lower case", { amount: 5400, currency: "usd" }, DeadLetterReason.CURRENCY_UNKNOWN],
  ["negative", { amount: -5400, currency: "USD" }, DeadLetterReason.REFUSED],
])("an amount that is %s is a dead letter", (_, money, reason) => {
  const paid = payment({ total_money: money });
  expect(run("payment.updated", { payment: paid })).toMatchObject({ kind: "dead", reason });
  const back = refund({ amount_money: money });
  expect(run("refund.updated", { refund: back })).toMatchObject({ kind: "dead", reason });
});

test.each<[string, string, object, string]>([
  [
    "an unknown payment status",
    "payment.updated",
    { payment: payment({ status: "completed" }) },
    'data.object.payment.status is not documented: "completed"',
  ],
  [
    "a refund of no payment",
    "refund.created",
    { refund: refund({ payment_id: null }) },
    "data.object.refund.payment_id is missing",
  ],
  [
    "an unknown dispute state",
    "dispute.created",
    { dispute: dispute({ state: "DRAW" }) },
    'data.object.dispute.state is not documented: "DRAW"',
  ],
])("%s is malformed", (_, type, object, detail) => {
  expect(run(type, object)).toMatchObject({ reason: DeadLetterReason.PAYLOAD_MALFORMED, detail });
});

test.each(["order.created", "invoice.payment_made", "dispute.evidence.added", "constructor"])(
  "a type that is not mapped is kept: %s",
  (type) => {
    expect(run(type, {})).toMatchObject({ kind: "kept" });
  },
);

function usd(amount: number) {
  return { amount, currency: "USD" };
}

function payment(over: object = {}) {
  return {
    id: "pmt_1",
    status: "COMPLETED",
    source_type: "CARD",
    amount_money: usd(4900),
    tip_money: usd(500),
    total_money: usd(5400),
    order_id: "square-order",
    reference_id: "ord_1",
    ...over,
  };
}

function refund(over: object = {}) {
  const about = { id: "ref_1", payment_id: "pmt_1", destination_type: "CARD" };
  return { ...about, amount_money: usd(1500), status: "PENDING", ...over };
}

function dispute(over: object = {}) {
  const about = { id: "dp_1", state: "EVIDENCE_REQUIRED", reason: "NO_KNOWLEDGE" };
  return {
    ...about,
    amount_money: usd(4900),
    disputed_payment: { payment_id: "pmt_1" },
    ...over,
  };
}

function run(type: string, object: object) {
  const event = {
    merchant_id: "merchant",
    type,
    event_id: "evt_1",
    created_at: "2026-03-01T10:00:00.5Z",
    data: { type: "any", id: "any", object },
  };
  const of = { provider: "square", providerAccount: "merchant" };
  return outcomeOf(webhookWith(JSON.stringify(event), of));
}
