// Samples of Paddle Billing's events: transactions, the adjustments that refund or
// charge them back, and payouts.

import { type Asked, metadataOf, nowText, randomId, type Samples, upper } from "./sample.ts";

export const paddle: Samples = {
  "transaction.completed": (asked) =>
    event("transaction.completed", { ...transactionOf(asked), status: "completed" }),
  "transaction.payment_failed": (asked) =>
    event("transaction.payment_failed", {
      ...transactionOf(asked),
      status: "past_due",
      payments: [{ status: "error", error_code: "declined", amount: String(asked.amount) }],
    }),
  "adjustment.updated+refund": (asked) =>
    event("adjustment.updated", { ...adjustmentOf(asked), action: "refund", status: "approved" }),
  "adjustment.created+chargeback": (asked) =>
    event("adjustment.created", chargebackOf(asked, "approved")),
  "adjustment.updated+chargeback": (asked) =>
    event("adjustment.updated", chargebackOf(asked, "reversed")),
  "payout.paid": (asked) =>
    event("payout.paid", {
      id: asked.id ?? randomId("pay_"),
      status: "paid",
      amount: String(asked.amount),
      currency_code: upper(asked),
    }),
};

function event(event_type: string, data: object) {
  return {
    event_id: randomId("evt_"),
    event_type,
    occurred_at: nowText(),
    notification_id: randomId("ntf_"),
    data,
  };
}

function transactionOf(asked: Asked) {
  const total = String(asked.amount);
  const currency_code = upper(asked);
  return {
    id: asked.paymentId ?? randomId("txn_"),
    currency_code,
    custom_data: metadataOf(asked),
    details: { totals: { subtotal: total, total, grand_total: total, currency_code } },
    payments: [],
  };
}

function adjustmentOf(asked: Asked) {
  return {
    id: asked.id ?? randomId("adj_"),
    transaction_id: asked.paymentId ?? randomId("txn_"),
    currency_code: upper(asked),
    totals: { total: String(asked.amount), currency_code: upper(asked) },
  };
}

function chargebackOf(asked: Asked, status: string) {
  return { ...adjustmentOf(asked), action: "chargeback", reason: "fraud", status };
}
