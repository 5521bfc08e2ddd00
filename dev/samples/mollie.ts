// Samples of Mollie's events: signed ones with their whole payload, and classic ones,
// which only point at a payment.

import {
  type Asked,
  decimalOf,
  metadataOf,
  nowText,
  randomId,
  type Samples,
  upper,
} from "./sample.ts";

export const mollie: Samples = {
  "payment.paid": (asked) =>
    event("payment.paid", { ...paymentOf(asked), status: "paid", paidAt: nowText() }),
  "payment.failed": (asked) =>
    event("payment.failed", {
      ...paymentOf(asked),
      status: "failed",
      failedAt: nowText(),
      statusReason: { code: "insufficient_funds" },
    }),
  "refund.refunded": (asked) =>
    event("refund.refunded", { ...partOf(asked, "refund", "re_"), status: "refunded" }),
  "refund.failed": (asked) =>
    event("refund.failed", { ...partOf(asked, "refund", "re_"), status: "failed" }),
  "chargeback.received": (asked) =>
    event("chargeback.received", {
      ...partOf(asked, "chargeback", "chb_"),
      reason: { code: "MD01" },
    }),
  "chargeback.reversed": (asked) =>
    event("chargeback.reversed", {
      ...partOf(asked, "chargeback", "chb_"),
      reversedAt: nowText(),
    }),
  "payout.completed": (asked) =>
    event("payout.completed", {
      ...payoutOf(asked),
      status: "completed",
      completedAt: nowText(),
    }),
  "payout.failed": (asked) => event("payout.failed", { ...payoutOf(asked), status: "failed" }),
};

export const mollieClassic: Samples = {
  payment: ({ paymentId }) => `id=${paymentId ?? randomId("tr_")}`,
};

function event(type: string, entity: { readonly id: string; readonly [name: string]: unknown }) {
  return {
    resource: "event",
    id: randomId("event_"),
    type,
    entityId: entity.id,
    createdAt: nowText(),
    _embedded: { entity },
  };
}

function amountOf(asked: Asked) {
  return { value: decimalOf(asked), currency: upper(asked) };
}

function paymentOf(asked: Asked) {
  return {
    resource: "payment",
    id: asked.paymentId ?? randomId("tr_"),
    createdAt: nowText(),
    amount: amountOf(asked),
    metadata: metadataOf(asked),
  };
}

/** Of a payment. */
function partOf(asked: Asked, resource: string, prefix: string) {
  return {
    resource,
    id: asked.id ?? randomId(prefix),
    paymentId: asked.paymentId ?? randomId("tr_"),
    createdAt: nowText(),
    amount: amountOf(asked),
  };
}

function payoutOf(asked: Asked) {
  return {
    resource: "payout",
    id: asked.id ?? randomId("po_"),
    createdAt: nowText(),
    amount: amountOf(asked),
  };
}
