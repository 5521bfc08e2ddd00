// Samples of Braintree's notifications: the XML, around which signing puts the form.

import { type Asked, decimalOf, nowText, randomId, type Samples, upper } from "./sample.ts";

export const braintree: Samples = {
  transaction_settled: (asked) =>
    notification("transaction_settled", saleOf(asked, { status: "settled" })),
  transaction_settlement_declined: (asked) =>
    notification(
      "transaction_settlement_declined",
      saleOf(asked, { status: "settlement_declined", "processor-response-code": "4001" }),
    ),
  "transaction_settled+refund": (asked) =>
    notification("transaction_settled", creditOf(asked, "settled")),
  refund_failed: (asked) => notification("refund_failed", creditOf(asked, "settlement_declined")),
  dispute_opened: (asked) => notification("dispute_opened", disputeOf(asked, "open")),
  dispute_won: (asked) => notification("dispute_won", disputeOf(asked, "won")),
  dispute_lost: (asked) => notification("dispute_lost", disputeOf(asked, "lost")),
  disbursement: (asked) =>
    notification("disbursement", {
      disbursement: {
        id: asked.id ?? randomId(""),
        amount: decimalOf(asked),
        success: true,
        "merchant-account": { "currency-iso-code": upper(asked) },
      },
    }),
};

type Element = { readonly [name: string]: string | boolean | Element };

function notification(kind: string, subject: Element): string {
  const head = `<kind>${kind}</kind><timestamp type="datetime">${nowText()}</timestamp>`;
  return `<notification>${head}${written({ subject })}</notification>`;
}

function written(element: Element): string {
  return Object.entries(element)
    .map(([name, value]) => {
      if (typeof value === "object") return `<${name}>${written(value)}</${name}>`;
      const type = typeof value === "boolean" ? ' type="boolean"' : "";
      return `<${name}${type}>${escaped(String(value))}</${name}>`;
    })
    .join("");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function transactionOf(asked: Asked, id: string): Element {
  return { id, "currency-iso-code": upper(asked), amount: decimalOf(asked) };
}

function saleOf(asked: Asked, over: Element): Element {
  return {
    transaction: {
      ...transactionOf(asked, asked.paymentId ?? randomId("")),
      type: "sale",
      ...(asked.orderId !== undefined && { "order-id": asked.orderId }),
      ...over,
    },
  };
}

/** A refund is a transaction of its own, which names the one it gives back. */
function creditOf(asked: Asked, status: string): Element {
  return {
    transaction: {
      ...transactionOf(asked, asked.id ?? randomId("")),
      type: "credit",
      "refunded-transaction-id": asked.paymentId ?? randomId(""),
      status,
    },
  };
}

function disputeOf(asked: Asked, status: string): Element {
  return {
    dispute: {
      id: asked.id ?? randomId(""),
      kind: "chargeback",
      reason: "fraud",
      status,
      "amount-disputed": decimalOf(asked),
      "currency-iso-code": upper(asked),
      transaction: transactionOf(asked, asked.paymentId ?? randomId("")),
    },
  };
}
