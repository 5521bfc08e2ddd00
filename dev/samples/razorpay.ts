// Samples of Razorpay's events; each carries its subject, and beside it the payment
// that it is about.

import { type Asked, metadataOf, nowSeconds, randomId, type Samples, upper } from "./sample.ts";

export const razorpay: Samples = {
  "payment.captured": (asked) =>
    event("payment.captured", { payment: { ...paymentOf(asked), status: "captured" } }),
  "payment.failed": (asked) =>
    event("payment.failed", {
      payment: {
        ...paymentOf(asked),
        status: "failed",
        error_code: "BAD_REQUEST_ERROR",
        error_reason: "payment_failed",
      },
    }),
  "refund.processed": (asked) => refund("refund.processed", asked, "processed"),
  "refund.failed": (asked) => refund("refund.failed", asked, "failed"),
  "payment.dispute.created": (asked) => dispute("payment.dispute.created", asked, "open"),
  "payment.dispute.won": (asked) => dispute("payment.dispute.won", asked, "won"),
  "payment.dispute.lost": (asked) => dispute("payment.dispute.lost", asked, "lost"),
  "settlement.processed": (asked) =>
    event("settlement.processed", {
      settlement: {
        id: asked.id ?? randomId("setl_"),
        entity: "settlement",
        amount: asked.amount,
        currency: upper(asked),
        status: "processed",
      },
    }),
};

function event(name: string, subjects: Readonly<Record<string, object>>) {
  const payload = Object.fromEntries(
    Object.entries(subjects).map(([subject, entity]) => [subject, { entity }]),
  );
  return {
    entity: "event",
    account_id: randomId("acc_"),
    event: name,
    contains: Object.keys(subjects),
    payload,
    created_at: nowSeconds(),
  };
}

function paymentOf(asked: Asked) {
  return {
    id: asked.paymentId ?? randomId("pay_"),
    entity: "payment",
    amount: asked.amount,
    currency: upper(asked),
    notes: metadataOf(asked),
  };
}

function refund(name: string, asked: Asked, status: string) {
  const payment = paymentOf(asked);
  const subject = {
    id: asked.id ?? randomId("rfnd_"),
    entity: "refund",
    amount: asked.amount,
    currency: upper(asked),
    payment_id: payment.id,
    status,
  };
  return event(name, { refund: subject, payment });
}

function dispute(name: string, asked: Asked, status: string) {
  const payment = paymentOf(asked);
  const subject = {
    id: asked.id ?? randomId("disp_"),
    entity: "dispute",
    payment_id: payment.id,
    amount: asked.amount,
    currency: upper(asked),
    amount_deducted: status === "lost" ? asked.amount : 0,
    reason_code: "chargeback_authorization",
    phase: "chargeback",
    status,
  };
  return event(name, { payment, dispute: subject });
}
