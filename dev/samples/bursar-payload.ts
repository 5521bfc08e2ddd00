// Samples of the payload of docs/standard-webhooks.md, which several schemes carry.

import { type Asked, nowText, randomId, type Samples, upper } from "./sample.ts";

export const bursarPayload: Samples = {
  "payment.succeeded": (asked) => payload("payment.succeeded", paymentOf(asked)),
  "payment.failed": (asked) =>
    payload("payment.failed", { ...paymentOf(asked), failure_code: "card_declined" }),
  "payment.refunded": (asked) => payload("payment.refunded", refundOf(asked)),
  "refund.failed": (asked) => payload("refund.failed", refundOf(asked)),
  "dispute.opened": (asked) =>
    payload("dispute.opened", { ...disputeOf(asked), reason_code: "fraudulent" }),
  "dispute.closed": (asked) => payload("dispute.closed", { ...disputeOf(asked), outcome: "lost" }),
  "payout.paid": (asked) => payload("payout.paid", payoutOf(asked)),
  "payout.failed": (asked) =>
    payload("payout.failed", { ...payoutOf(asked), failure_code: "account_closed" }),
};

function payload(type: string, data: object) {
  return { type, timestamp: nowText(), data };
}

function paymentOf(asked: Asked) {
  return {
    payment_id: asked.paymentId ?? randomId("pay_"),
    ...(asked.orderId !== undefined && { order_id: asked.orderId }),
    ...amountOf(asked),
  };
}

function refundOf(asked: Asked) {
  return { ...paymentOf(asked), refund_id: asked.id ?? randomId("ref_") };
}

function disputeOf(asked: Asked) {
  return { ...paymentOf(asked), dispute_id: asked.id ?? randomId("dis_") };
}

function payoutOf(asked: Asked) {
  return { payout_id: asked.id ?? randomId("out_"), ...amountOf(asked) };
}

function amountOf(asked: Asked) {
  return { amount: { amount_minor: asked.amount, currency: upper(asked) } };
}
