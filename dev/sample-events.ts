// One sample of every event that `send` can send, by provider and type, made of
// what was asked for on the command line.

import {
  chargeRefunded,
  disputeEvent,
  newStripePayment,
  paymentIntentFailed,
  paymentIntentSucceeded,
  payoutEvent,
  refundEvent,
  stripeId,
} from "./stripe-events.ts";

export type Asked = {
  readonly amount: number;
  /** In either case; each provider writes it in its own. */
  readonly currency: string;
  readonly orderId?: string | undefined;
  readonly paymentId?: string | undefined;
  /** Of the refund, dispute or payout. */
  readonly id?: string | undefined;
};

type Samples = Readonly<Record<string, (asked: Asked) => object>>;

const stripe: Samples = {
  "payment_intent.succeeded": (asked) => paymentIntentSucceeded(stripePayment(asked)),
  "payment_intent.payment_failed": (asked) => paymentIntentFailed(stripePayment(asked)),
  "charge.refunded": (asked) => chargeRefunded(stripePayment(asked), asked.amount),
  "refund.created": (asked) => stripeRefund("refund.created", asked, "succeeded"),
  "refund.failed": (asked) => stripeRefund("refund.failed", asked, "failed"),
  "charge.dispute.created": (asked) =>
    stripeDispute("charge.dispute.created", asked, "needs_response"),
  "charge.dispute.closed": (asked) => stripeDispute("charge.dispute.closed", asked, "lost"),
  "payout.paid": (asked) => stripePayout("payout.paid", asked),
  "payout.failed": (asked) => stripePayout("payout.failed", asked),
};

/** The payload of docs/standard-webhooks.md. */
const bursar: Samples = {
  "payment.succeeded": (asked) => payload("payment.succeeded", ofPayment(asked)),
  "payment.failed": (asked) =>
    payload("payment.failed", { ...ofPayment(asked), failure_code: "card_declined" }),
  "payment.refunded": (asked) => payload("payment.refunded", ofRefund(asked)),
  "refund.failed": (asked) => payload("refund.failed", ofRefund(asked)),
  "dispute.opened": (asked) =>
    payload("dispute.opened", { ...ofDispute(asked), reason_code: "fraudulent" }),
  "dispute.closed": (asked) => payload("dispute.closed", { ...ofDispute(asked), outcome: "lost" }),
  "payout.paid": (asked) => payload("payout.paid", ofPayout(asked)),
  "payout.failed": (asked) =>
    payload("payout.failed", { ...ofPayout(asked), failure_code: "account_closed" }),
};

export const samples: ReadonlyMap<string, Samples> = new Map([
  ["stripe", stripe],
  ["standard", bursar],
  ["generic", bursar],
]);

function stripePayment({ amount, currency, orderId, paymentId }: Asked) {
  const payment = newStripePayment({ amount, currency: currency.toLowerCase(), orderId });
  return paymentId === undefined ? payment : { ...payment, paymentIntentId: paymentId };
}

function stripeRefund(type: string, asked: Asked, status: string) {
  const refund = { refundId: asked.id ?? stripeId("re"), amount: asked.amount };
  return refundEvent(type, stripePayment(asked), refund, status);
}

function stripeDispute(type: string, asked: Asked, status: string) {
  return disputeEvent(type, stripePayment(asked), asked.id ?? stripeId("dp"), status);
}

function stripePayout(type: string, { amount, currency, id }: Asked) {
  const payoutId = id ?? stripeId("po");
  return payoutEvent(type, { payoutId, amount, currency: currency.toLowerCase() });
}

function payload(type: string, data: object) {
  return { type, timestamp: new Date().toISOString(), data };
}

function ofPayment(asked: Asked) {
  return {
    payment_id: asked.paymentId ?? stripeId("pay"),
    ...(asked.orderId !== undefined && { order_id: asked.orderId }),
    ...amountOf(asked),
  };
}

function ofRefund(asked: Asked) {
  return { ...ofPayment(asked), refund_id: asked.id ?? stripeId("ref") };
}

function ofDispute(asked: Asked) {
  return { ...ofPayment(asked), dispute_id: asked.id ?? stripeId("dis") };
}

function ofPayout(asked: Asked) {
  return { payout_id: asked.id ?? stripeId("out"), ...amountOf(asked) };
}

function amountOf({ amount, currency }: Asked) {
  return { amount: { amount_minor: amount, currency: currency.toUpperCase() } };
}
