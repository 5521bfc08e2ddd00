import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";

const money = { amountMinor: 1199n, currencyCode: "USD" };

test("a paid order is a payment, its custom data names our order", () => {
  expect(order({})).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        paymentId: "lemonsqueezy/shop/orders/1",
        orderId: "ord_1",
        amount: money,
        tax: { amountMinor: 200n },
      },
    ],
  });
  expect(order({ status: "pending" })).toMatchObject({ kind: "kept" });
  expect(order({ status: "failed" })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed" }],
  });
  expect(order({ total: 0, tax: 0 })).toMatchObject({ kind: "kept" });
});

test("a refund states the order's total so far", () => {
  const refunded = { status: "partial_refund", refunded_amount: 500 };
  expect(order(refunded, "order_refunded")).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentRefunded",
        paymentId: "lemonsqueezy/shop/orders/1",
        refundId: "",
        refundedTotal: { amountMinor: 500n },
      },
    ],
  });
});

test("a subscription's first payment is its order, later ones are payments of their own", () => {
  const paid = "subscription_payment_success";
  expect(invoice({ billing_reason: "initial" }, paid)).toMatchObject({ kind: "kept" });
  const paymentId = "lemonsqueezy/shop/subscription-invoices/1";
  expect(invoice({}, paid)).toMatchObject({ events: [{ paymentId, amount: money }] });
  expect(invoice({ status: "pending" }, "subscription_payment_failed")).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed", paymentId }],
  });
  const back = { status: "refunded", refunded_amount: 1199 };
  expect(invoice(back, "subscription_payment_refunded")).toMatchObject({
    events: [{ paymentId, refundedTotal: money }],
  });
  const first = { ...back, billing_reason: "initial" };
  expect(invoice(first, "subscription_payment_refunded")).toMatchObject({
    reason: DeadLetterReason.REFUSED,
  });
});

test.each(["subscription_payment_recovered", "subscription_created", "license_key_created"])(
  "%s is kept",
  (name) => {
    expect(order({}, name)).toMatchObject({ kind: "kept" });
  },
);

test.each<[string, object, DeadLetterReason]>([
  ["a decimal", { total: 11.99 }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["text", { total: "1199" }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["a negative total", { total: -1 }, DeadLetterReason.REFUSED],
  ["a tax above the total", { tax: 2000 }, DeadLetterReason.REFUSED],
  ["a currency in small letters", { currency: "usd" }, DeadLetterReason.CURRENCY_UNKNOWN],
  ["yen, whose unit is not documented", { currency: "JPY" }, DeadLetterReason.CURRENCY_UNKNOWN],
  ["a dinar, whose unit is not documented", { currency: "KWD" }, DeadLetterReason.CURRENCY_UNKNOWN],
  ["a status of refunds", { status: "refunded" }, DeadLetterReason.PAYLOAD_MALFORMED],
  ["a time as a number", { created_at: 1 }, DeadLetterReason.PAYLOAD_MALFORMED],
])("%s is a dead letter", (_, over, reason) => {
  expect(order(over)).toMatchObject({ kind: "dead", reason });
});

test("a negative refund, and an event about another resource, are dead letters", () => {
  const refund = order({ status: "refunded", refunded_amount: -5 }, "order_refunded");
  expect(refund).toMatchObject({ reason: DeadLetterReason.REFUSED });
  expect(invoice({}, "order_created")).toMatchObject({
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
  });
});

const attributes = {
  store_id: 1,
  status: "paid",
  currency: "USD",
  total: 1199,
  tax: 200,
  refunded_amount: 0,
  refunded_at: "2026-01-02T00:00:00.000000Z",
  created_at: "2026-01-01T00:00:00.000000Z",
  updated_at: "2026-01-01T00:00:00.000000Z",
};

function order(over: object, name = "order_created") {
  return run(name, { type: "orders", id: "1", attributes: { ...attributes, ...over } });
}

function invoice(over: object, name: string) {
  const all = { ...attributes, billing_reason: "renewal", ...over };
  return run(name, { type: "subscription-invoices", id: "1", attributes: all });
}

function run(event_name: string, data: object) {
  const body = { meta: { event_name, custom_data: { bursar_order_id: "ord_1" } }, data };
  const over = { provider: "lemonsqueezy", providerAccount: "shop" };
  return outcomeOf(webhookWith(JSON.stringify(body), over));
}
