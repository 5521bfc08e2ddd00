// Samples of PayPal's events. What becomes of one is what PayPal answers when it is
// asked for the event, so here they show the shape, and serve an API of one's own.

import { type Asked, decimalOf, nowText, randomId, type Samples, upper } from "./sample.ts";

export const paypal: Samples = {
  "PAYMENT.CAPTURE.COMPLETED": (asked) =>
    event("PAYMENT.CAPTURE.COMPLETED", { ...captureOf(asked), status: "COMPLETED" }),
  "PAYMENT.CAPTURE.DENIED": (asked) =>
    event("PAYMENT.CAPTURE.DENIED", {
      ...captureOf(asked),
      status: "DECLINED",
      status_details: { reason: "DECLINED_BY_RISK_FRAUD_FILTERS" },
    }),
  "PAYMENT.CAPTURE.REFUNDED": (asked) => {
    const captureId = asked.paymentId ?? newId();
    const href = `https://api.paypal.com/v2/payments/captures/${captureId}`;
    return event("PAYMENT.CAPTURE.REFUNDED", {
      id: asked.id ?? newId(),
      amount: amountOf(asked),
      ...orderOf(asked),
      status: "COMPLETED",
      links: [{ rel: "up", method: "GET", href }],
    });
  },
  "CUSTOMER.DISPUTE.CREATED": (asked) =>
    event("CUSTOMER.DISPUTE.CREATED", { ...disputeOf(asked), status: "OPEN" }),
  "CUSTOMER.DISPUTE.RESOLVED": (asked) =>
    event("CUSTOMER.DISPUTE.RESOLVED", {
      ...disputeOf(asked),
      status: "RESOLVED",
      dispute_outcome: { outcome_code: "RESOLVED_BUYER_FAVOUR" },
    }),
};

function newId(): string {
  return randomId("").slice(0, 17).toUpperCase();
}

function event(event_type: string, resource: object) {
  return {
    id: `WH-${newId()}-${newId()}`,
    event_version: "1.0",
    create_time: nowText(),
    event_type,
    resource,
  };
}

function amountOf(asked: Asked) {
  return { value: decimalOf(asked), currency_code: upper(asked) };
}

function orderOf({ orderId }: Asked) {
  return orderId === undefined ? {} : { custom_id: orderId };
}

function captureOf(asked: Asked) {
  return { id: asked.paymentId ?? newId(), amount: amountOf(asked), ...orderOf(asked) };
}

function disputeOf(asked: Asked) {
  const { orderId } = asked;
  return {
    dispute_id: asked.id ?? `PP-D-${newId()}`,
    reason: "UNAUTHORISED",
    dispute_life_cycle_stage: "CHARGEBACK",
    dispute_amount: amountOf(asked),
    disputed_transactions: [
      {
        seller_transaction_id: asked.paymentId ?? newId(),
        ...(orderId !== undefined && { custom: orderId }),
      },
    ],
  };
}
