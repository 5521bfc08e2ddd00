// Samples of Lemon Squeezy's events: orders, and payments of subscriptions.

import { type Asked, digitsOf, metadataOf, nowText, type Samples, upper } from "./sample.ts";

export const lemonSqueezy: Samples = {
  order_created: (asked) => event("order_created", asked, "orders", { status: "paid" }),
  "order_created+failed": (asked) => event("order_created", asked, "orders", { status: "failed" }),
  order_refunded: (asked) => event("order_refunded", asked, "orders", refundedOf(asked)),
  subscription_payment_success: (asked) =>
    event("subscription_payment_success", asked, "subscription-invoices", {
      status: "paid",
      billing_reason: "renewal",
    }),
  subscription_payment_failed: (asked) =>
    event("subscription_payment_failed", asked, "subscription-invoices", {
      status: "pending",
      billing_reason: "renewal",
    }),
  subscription_payment_refunded: (asked) =>
    event("subscription_payment_refunded", asked, "subscription-invoices", {
      ...refundedOf(asked),
      billing_reason: "renewal",
    }),
};

function event(event_name: string, asked: Asked, type: string, over: object) {
  const attributes = {
    currency: upper(asked),
    total: asked.amount,
    created_at: nowText(),
    updated_at: nowText(),
    test_mode: true,
    ...over,
  };
  return {
    meta: { event_name, custom_data: metadataOf(asked) },
    data: { type, id: digitsOf(asked.paymentId), attributes },
  };
}

/** All of it: what is told is the total so far. */
function refundedOf({ amount }: Asked) {
  return { status: "refunded", refunded: true, refunded_amount: amount, refunded_at: nowText() };
}
