// Samples of Shopify's webhooks. The topic travels in a header; what the body is, its
// members say.

import { type Asked, decimalOf, digitsOf, nowText, type Samples, upper } from "./sample.ts";

export const shopify: Samples = {
  "orders/paid": (asked) => {
    const { orderId } = asked;
    return {
      ...resource("Order", asked.paymentId),
      currency: upper(asked),
      presentment_currency: upper(asked),
      financial_status: "paid",
      total_price: decimalOf(asked),
      note_attributes: orderId === undefined ? [] : [{ name: "bursar_order_id", value: orderId }],
      processed_at: nowText(),
      test: false,
    };
  },
  "refunds/create": (asked) => ({
    ...resource("Refund", asked.id),
    order_id: Number(digitsOf(asked.paymentId)),
    created_at: nowText(),
    transactions: [
      {
        id: Number(digitsOf(undefined)),
        kind: "refund",
        status: "success",
        amount: decimalOf(asked),
        currency: upper(asked),
      },
    ],
  }),
  "disputes/create": (asked) => ({ ...disputeOf(asked), status: "needs_response" }),
  "disputes/update": (asked) => ({ ...disputeOf(asked), status: "lost", finalized_on: nowText() }),
};

function resource(name: string, asked: string | undefined) {
  const id = digitsOf(asked);
  return { id: Number(id), admin_graphql_api_id: `gid://shopify/${name}/${id}` };
}

function disputeOf(asked: Asked) {
  return {
    id: Number(digitsOf(asked.id)),
    order_id: Number(digitsOf(asked.paymentId)),
    type: "chargeback",
    amount: decimalOf(asked),
    currency: upper(asked),
    reason: "fraudulent",
    initiated_at: nowText(),
    evidence_due_by: nowText(),
    finalized_on: null,
  };
}
