// Events as Stripe sends them, reduced to the fields its documentation lists for
// each object and a receiver may rely on. For the demo, the tests and `send`.

import { randomBytes } from "node:crypto";

export type StripeEvent = {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
};

/** A random id the way Stripe writes them: `pi_3f9c…`. */
export function stripeId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}

export type StripePayment = {
  readonly paymentIntentId: string;
  readonly chargeId: string;
  readonly amount: number;
  /** Lower case, as Stripe writes it. */
  readonly currency: string;
  readonly orderId?: string | undefined;
};

export function newStripePayment(of: {
  readonly amount: number;
  readonly currency: string;
  readonly orderId?: string | undefined;
}): StripePayment {
  return { paymentIntentId: stripeId("pi"), chargeId: stripeId("ch"), ...of };
}

function event(type: string, object: object, previous?: object): StripeEvent {
  return {
    id: stripeId("evt"),
    object: "event",
    api_version: "2025-09-30.clover",
    created: Math.floor(Date.now() / 1000),
    data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  };
}

const metadataOf = ({ orderId }: StripePayment) =>
  orderId === undefined ? {} : { bursar_order_id: orderId };

export function paymentIntentSucceeded(payment: StripePayment): StripeEvent {
  return event("payment_intent.succeeded", {
    id: payment.paymentIntentId,
    object: "payment_intent",
    amount: payment.amount,
    amount_received: payment.amount,
    currency: payment.currency,
    latest_charge: payment.chargeId,
    metadata: metadataOf(payment),
    status: "succeeded",
  });
}

export function paymentIntentFailed(payment: StripePayment): StripeEvent {
  return event("payment_intent.payment_failed", {
    id: payment.paymentIntentId,
    object: "payment_intent",
    amount: payment.amount,
    amount_received: 0,
    currency: payment.currency,
    last_payment_error: { code: "card_declined", type: "card_error" },
    metadata: metadataOf(payment),
    status: "requires_payment_method",
  });
}

/** `refundedTotal` is what went back of the charge so far, this refund included. */
export function chargeRefunded(payment: StripePayment, refundedTotal: number): StripeEvent {
  return event("charge.refunded", {
    id: payment.chargeId,
    object: "charge",
    amount: payment.amount,
    amount_captured: payment.amount,
    amount_refunded: refundedTotal,
    currency: payment.currency,
    metadata: metadataOf(payment),
    payment_intent: payment.paymentIntentId,
    refunded: refundedTotal === payment.amount,
  });
}

export type StripeRefund = { readonly refundId: string; readonly amount: number };

/** One of `refund.created`, `refund.updated` and `refund.failed`. */
export function refundEvent(
  type: string,
  payment: StripePayment,
  refund: StripeRefund,
  status: string,
): StripeEvent {
  return event(type, {
    id: refund.refundId,
    object: "refund",
    amount: refund.amount,
    charge: payment.chargeId,
    currency: payment.currency,
    metadata: {},
    payment_intent: payment.paymentIntentId,
    status,
  });
}

/** `charge.dispute.created` with a status that asks for an answer, or `.closed` with its end. */
export function disputeEvent(
  type: string,
  payment: StripePayment,
  disputeId: string,
  status: string,
): StripeEvent {
  return event(type, {
    id: disputeId,
    object: "dispute",
    amount: payment.amount,
    charge: payment.chargeId,
    currency: payment.currency,
    metadata: {},
    payment_intent: payment.paymentIntentId,
    reason: "fraudulent",
    status,
  });
}

/** `payout.paid` or `payout.failed`. */
export function payoutEvent(
  type: string,
  payout: { readonly payoutId: string; readonly amount: number; readonly currency: string },
): StripeEvent {
  const failed = type === "payout.failed";
  return event(type, {
    id: payout.payoutId,
    object: "payout",
    amount: payout.amount,
    currency: payout.currency,
    failure_code: failed ? "account_closed" : null,
    metadata: {},
    status: failed ? "failed" : "paid",
  });
}
