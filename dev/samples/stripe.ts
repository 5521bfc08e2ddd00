// Samples of Stripe's events.

import {
  chargeRefunded,
  disputeEvent,
  newStripePayment,
  paymentIntentFailed,
  paymentIntentSucceeded,
  payoutEvent,
  refundEvent,
  stripeId,
} from "../stripe-events.ts";
import type { Asked, Samples } from "./sample.ts";

export const stripe: Samples = {
  "payment_intent.succeeded": (asked) => paymentIntentSucceeded(paymentOf(asked)),
  "payment_intent.payment_failed": (asked) => paymentIntentFailed(paymentOf(asked)),
  "charge.refunded": (asked) => chargeRefunded(paymentOf(asked), asked.amount),
  "refund.created": (asked) => refundOf("refund.created", asked, "succeeded"),
  "refund.failed": (asked) => refundOf("refund.failed", asked, "failed"),
  "charge.dispute.created": (asked) => disputeOf("charge.dispute.created", asked, "needs_response"),
  "charge.dispute.closed": (asked) => disputeOf("charge.dispute.closed", asked, "lost"),
  "payout.paid": (asked) => payoutOf("payout.paid", asked),
  "payout.failed": (asked) => payoutOf("payout.failed", asked),
};

function paymentOf({ amount, currency, orderId, paymentId }: Asked) {
  const payment = newStripePayment({ amount, currency: currency.toLowerCase(), orderId });
  return paymentId === undefined ? payment : { ...payment, paymentIntentId: paymentId };
}

function refundOf(type: string, asked: Asked, status: string) {
  const refund = { refundId: asked.id ?? stripeId("re"), amount: asked.amount };
  return refundEvent(type, paymentOf(asked), refund, status);
}

function disputeOf(type: string, asked: Asked, status: string) {
  return disputeEvent(type, paymentOf(asked), asked.id ?? stripeId("dp"), status);
}

function payoutOf(type: string, { amount, currency, id }: Asked) {
  const payoutId = id ?? stripeId("po");
  return payoutEvent(type, { payoutId, amount, currency: currency.toLowerCase() });
}
