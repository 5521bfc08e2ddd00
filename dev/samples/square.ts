// Samples of Square's events, which tell a whole object again whenever it changes.

import { type Asked, nowText, randomId, type Samples, upper } from "./sample.ts";

export const square: Samples = {
  "payment.updated": (asked) =>
    event("payment.updated", "payment", {
      ...paymentOf(asked),
      status: "COMPLETED",
      total_money: moneyOf(asked),
    }),
  "payment.updated+failed": (asked) =>
    event("payment.updated", "payment", {
      ...paymentOf(asked),
      status: "FAILED",
      card_details: { status: "FAILED", errors: [{ code: "CARD_DECLINED" }] },
    }),
  "refund.updated": (asked) => refund(asked, "COMPLETED"),
  "refund.updated+failed": (asked) => refund(asked, "FAILED"),
  "dispute.created": (asked) => dispute("dispute.created", asked, "EVIDENCE_REQUIRED"),
  "dispute.state.updated": (asked) => dispute("dispute.state.updated", asked, "LOST"),
  "payout.paid": (asked) => payout("payout.paid", asked, "PAID"),
  "payout.failed": (asked) => payout("payout.failed", asked, "FAILED"),
};

type Told = { readonly id: string; readonly [name: string]: unknown };

function event(type: string, name: string, object: Told) {
  return {
    merchant_id: "MERCHANT",
    type,
    event_id: randomId(""),
    created_at: nowText(),
    data: { type: name, id: object.id, object: { [name]: object } },
  };
}

function moneyOf(asked: Asked) {
  return { amount: asked.amount, currency: upper(asked) };
}

function paymentOf(asked: Asked) {
  return {
    id: asked.paymentId ?? randomId(""),
    source_type: "CARD",
    amount_money: moneyOf(asked),
    ...(asked.orderId !== undefined && { reference_id: asked.orderId }),
  };
}

function refund(asked: Asked, status: string) {
  return event("refund.updated", "refund", {
    id: asked.id ?? randomId(""),
    payment_id: asked.paymentId ?? randomId(""),
    destination_type: "CARD",
    amount_money: moneyOf(asked),
    status,
  });
}

function dispute(type: string, asked: Asked, state: string) {
  return event(type, "dispute", {
    id: asked.id ?? randomId(""),
    disputed_payment: { payment_id: asked.paymentId ?? randomId("") },
    amount_money: moneyOf(asked),
    reason: "NO_KNOWLEDGE",
    state,
  });
}

function payout(type: string, asked: Asked, status: string) {
  const id = asked.id ?? randomId("po_");
  return event(type, "payout", { id, amount_money: moneyOf(asked), status });
}
