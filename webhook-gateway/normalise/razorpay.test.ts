import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { created, outcomeOf, webhookWith } from "../testing/webhooks.ts";

test("a captured payment is a payment with our order and Razorpay's fee", () => {
  const outcome = run("payment.captured", { payment: payment() });
  expect(outcome).toMatchObject({
    kind: "events",
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        paymentId: "razorpay/acc_1/pay_1",
        orderId: "ord_1",
        amount: { amountMinor: 50_000n, currencyCode: "INR" },
        fee: { amountMinor: 1_180n, currencyCode: "INR" },
      },
    ],
  });
  // `tax` is the tax on the fee, and part of it.
  expect(outcome).not.toHaveProperty("events.0.tax");
});

test("a fee in another currency than the payment's is left out", () => {
  const paid = payment({ currency: "USD", base_currency: "INR", base_amount: 4_150_000 });
  const outcome = run("payment.captured", { payment: paid });
  expect(outcome).toMatchObject({ events: [{ amount: { currencyCode: "USD" } }] });
  expect(outcome).not.toHaveProperty("events.0.fee");
  expect(run("payment.captured", { payment: payment({ fee: null }) })).not.toHaveProperty(
    "events.0.fee",
  );
});

test("a failed payment carries its reason", () => {
  const failed = payment({ error_code: "BAD_REQUEST_ERROR", error_reason: "payment_cancelled" });
  expect(run("payment.failed", { payment: failed })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed", failureCode: "payment_cancelled" }],
  });
  const bare = payment({ error_code: "BAD_REQUEST_ERROR", error_reason: null });
  expect(run("payment.failed", { payment: bare })).toMatchObject({
    events: [{ failureCode: "BAD_REQUEST_ERROR" }],
  });
});

test.each([
  ["refund.created", "pending", "PaymentRefunded"],
  ["refund.created", "processed", "PaymentRefunded"],
  ["refund.processed", "processed", "PaymentRefunded"],
  ["refund.failed", "failed", "RefundFailed"],
])("%s of status %s is %s under the refund's own id", (type, status, name) => {
  expect(run(type, { refund: refund({ status }), payment: payment() })).toMatchObject({
    events: [
      {
        $typeName: `bursar.payments.v1.${name}`,
        paymentId: "razorpay/acc_1/pay_1",
        refundId: "razorpay/acc_1/rfnd_1",
        orderId: "ord_1",
        amount: { amountMinor: 15_000n, currencyCode: "INR" },
      },
    ],
  });
});

test("a dispute opens, and is won or lost", () => {
  expect(run("payment.dispute.created", { dispute: dispute() })).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.DisputeOpened",
        disputeId: "razorpay/acc_1/disp_1",
        paymentId: "razorpay/acc_1/pay_1",
        amount: { amountMinor: 50_000n },
        reasonCode: "chargeback_fraud",
      },
    ],
  });
  for (const [type, status, deducted, outcome] of [
    ["payment.dispute.won", "won", 0, DisputeOutcome.WON],
    ["payment.dispute.lost", "lost", 50_000, DisputeOutcome.LOST],
    ["payment.dispute.closed", "closed", 0, DisputeOutcome.WON],
  ] as const) {
    const closed = dispute({ status, amount_deducted: deducted });
    expect(run(type, { dispute: closed, payment: payment() })).toMatchObject({
      events: [{ $typeName: "bursar.payments.v1.DisputeClosed", outcome, orderId: "ord_1" }],
    });
  }
});

test("a retrieval moves no money, and closed with a deduction is nobody's guess", () => {
  const asked = dispute({ phase: "retrieval" });
  expect(run("payment.dispute.created", { dispute: asked })).toMatchObject({ kind: "kept" });
  expect(run("payment.dispute.closed", { dispute: { ...asked, status: "closed" } })).toMatchObject({
    kind: "kept",
  });
  const unclear = dispute({ status: "closed", amount_deducted: 100 });
  expect(run("payment.dispute.closed", { dispute: unclear })).toMatchObject({
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
  });
});

test("a settlement is a payout in paise", () => {
  const settlement = { id: "setl_1", entity: "settlement", amount: 99_736, status: "processed" };
  expect(run("settlement.processed", { settlement })).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PayoutPaid",
        payoutId: "razorpay/acc_1/setl_1",
        amount: { amountMinor: 99_736n, currencyCode: "INR" },
      },
    ],
  });
});

test.each([
  ["JPY", 500, 500n],
  ["KWD", 5120, 5120n],
])("%s is counted in its own smallest unit", (currency, amount, amountMinor) => {
  const paid = payment({ currency, amount, fee: null });
  expect(run("payment.captured", { payment: paid })).toMatchObject({
    events: [{ amount: { amountMinor, currencyCode: currency } }],
  });
});

test.each<[string, unknown, DeadLetterReason]>([
  ["text", "50000", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["a decimal", 500.5, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["negative", -50_000, DeadLetterReason.REFUSED],
  ["null", null, DeadLetterReason.AMOUNT_NOT_EXACT],
])("an amount that is %s is not coerced", (_, amount, reason) => {
  expect(run("payment.captured", { payment: payment({ amount }) })).toMatchObject({ reason });
  expect(run("refund.created", { refund: refund({ amount }) })).toMatchObject({ reason });
});

test.each<[string, string, Record<string, object>, DeadLetterReason]>([
  [
    "a currency in lower case",
    "payment.captured",
    { payment: payment({ currency: "inr" }) },
    DeadLetterReason.CURRENCY_UNKNOWN,
  ],
  ["no payment", "payment.captured", {}, DeadLetterReason.PAYLOAD_MALFORMED],
  [
    "an unknown status",
    "refund.created",
    { refund: refund({ status: "lost" }) },
    DeadLetterReason.PAYLOAD_MALFORMED,
  ],
])("%s is a dead letter", (_, type, payload, reason) => {
  expect(run(type, payload)).toMatchObject({ kind: "dead", reason });
});

test("notes without an entry are an array, and leave the order empty", () => {
  expect(run("payment.captured", { payment: payment({ notes: [] }) })).toMatchObject({
    events: [{ orderId: "" }],
  });
});

test("a time that is text is malformed", () => {
  expect(run("payment.captured", { payment: payment() }, "2026-01-01T00:00:00Z")).toMatchObject({
    detail: 'created_at must be unix seconds, got "2026-01-01T00:00:00Z"',
  });
});

test.each(["payment.authorized", "order.paid", "payout.processed", "refund.speed_changed"])(
  "a type that is not mapped is kept: %s",
  (type) => {
    expect(run(type, { payment: payment() })).toMatchObject({ kind: "kept" });
  },
);

function payment(over: object = {}) {
  return {
    id: "pay_1",
    entity: "payment",
    amount: 50_000,
    currency: "INR",
    status: "captured",
    order_id: "order_1",
    notes: { bursar_order_id: "ord_1" },
    fee: 1_180,
    tax: 180,
    ...over,
  };
}

function refund(over: object = {}) {
  const about = { id: "rfnd_1", entity: "refund", payment_id: "pay_1", notes: [] };
  return { ...about, amount: 15_000, currency: "INR", status: "processed", ...over };
}

function dispute(over: object = {}) {
  const about = { id: "disp_1", entity: "dispute", payment_id: "pay_1", phase: "chargeback" };
  const money = { amount: 50_000, currency: "INR", amount_deducted: 0 };
  return { ...about, ...money, reason_code: "chargeback_fraud", status: "open", ...over };
}

function run(event: string, entities: Record<string, object>, created_at: unknown = created) {
  const payload = Object.fromEntries(
    Object.entries(entities).map(([name, entity]) => [name, { entity }]),
  );
  const body = { entity: "event", account_id: "acc_1", event, payload, created_at };
  const of = { provider: "razorpay", providerAccount: "acc_1", eventId: "" };
  return outcomeOf(webhookWith(JSON.stringify(body), of));
}
