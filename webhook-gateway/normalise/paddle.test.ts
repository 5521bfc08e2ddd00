import { timestampDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";

const occurredAt = "2026-03-01T10:00:00.123456Z";

test("a completed transaction is a payment with our order, its fee and its tax", () => {
  const outcome = run("transaction.completed", transaction());
  expect(outcome).toMatchObject({
    kind: "events",
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        paymentId: "paddle/seller/txn_01",
        orderId: "ord_1",
        amount: { amountMinor: 5500n, currencyCode: "USD" },
        fee: { amountMinor: 325n, currencyCode: "USD" },
        tax: { amountMinor: 600n, currencyCode: "USD" },
      },
    ],
  });
  if (outcome.kind !== "events") return;
  expect(timestampDate(outcome.events[0]!.occurredTime!)).toEqual(new Date(occurredAt));
});

test("transaction.paid, which knows no fee yet, is kept: a payment is told once", () => {
  expect(run("transaction.paid", transaction({ fee: null }))).toMatchObject({ kind: "kept" });
});

test("a fee that is not stated is absent, and a transaction over nothing is kept", () => {
  const outcome = run("transaction.completed", transaction({ fee: null }));
  expect(outcome).toMatchObject({ events: [{ orderId: "ord_1" }] });
  expect(outcome).not.toHaveProperty("events.0.fee");
  const free = transaction({ grand_total: "0", grand_total_tax: "0" });
  expect(run("transaction.completed", free)).toMatchObject({ kind: "kept" });
});

test("a failed payment carries the code of its latest attempt", () => {
  expect(run("transaction.payment_failed", transaction({ fee: null }))).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentFailed",
        paymentId: "paddle/seller/txn_01",
        amount: { amountMinor: 5500n },
        failureCode: "declined",
      },
    ],
  });
});

test.each(["adjustment.created", "adjustment.updated"])(
  "%s: a refund counts once it is approved",
  (type) => {
    expect(run(type, adjustment("refund", "approved"))).toMatchObject({
      events: [
        {
          $typeName: "bursar.payments.v1.PaymentRefunded",
          paymentId: "paddle/seller/txn_01",
          refundId: "paddle/seller/adj_01",
          amount: { amountMinor: 1500n, currencyCode: "USD" },
        },
      ],
    });
    for (const status of ["pending_approval", "rejected"]) {
      expect(run(type, adjustment("refund", status))).toMatchObject({ kind: "kept" });
    }
  },
);

test("a chargeback opens a dispute, and its reversal closes it under the same id", () => {
  const dispute = { disputeId: "paddle/seller/adj_01", paymentId: "paddle/seller/txn_01" };
  expect(run("adjustment.created", adjustment("chargeback", "approved"))).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.DisputeOpened", ...dispute, reasonCode: "fraud" }],
  });
  expect(run("adjustment.updated", adjustment("chargeback", "reversed"))).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.DisputeClosed",
        ...dispute,
        amount: { amountMinor: 1500n },
        outcome: DisputeOutcome.WON,
      },
    ],
  });
  expect(run("adjustment.created", adjustment("chargeback_reverse", "approved"))).toMatchObject({
    kind: "kept",
  });
});

test.each(["credit", "credit_reverse", "chargeback_warning", "chargeback_warning_reverse"])(
  "an adjustment of action %s moves no money and is kept",
  (action) => {
    expect(run("adjustment.created", adjustment(action, "approved"))).toMatchObject({
      kind: "kept",
    });
  },
);

test("a payout is paid", () => {
  expect(run("payout.paid", payout())).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PayoutPaid",
        payoutId: "paddle/seller/pay_01",
        amount: { amountMinor: 100_000n, currencyCode: "USD" },
      },
    ],
  });
});

test.each([
  ["JPY", "500", 500n],
  ["KWD", "5125", 5125n],
])("%s: the text is of minor units as it stands", (currency_code, amount, amountMinor) => {
  const outcome = run("payout.paid", payout({ currency_code, amount }));
  expect(outcome).toMatchObject({ events: [{ amount: { amountMinor } }] });
});

test.each<[unknown, DeadLetterReason]>([
  ["55.00", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["1e3", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["0x10", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["", DeadLetterReason.AMOUNT_NOT_EXACT],
  [" 55", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["007", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["9007199254740992", DeadLetterReason.AMOUNT_NOT_EXACT],
  [5500, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["-5500", DeadLetterReason.REFUSED],
  [null, DeadLetterReason.PAYLOAD_MALFORMED],
])("an amount written %j is not coerced", (amount, reason) => {
  expect(run("payout.paid", payout({ amount }))).toMatchObject({ kind: "dead", reason });
});

test.each(["usd", "ZZZ", ""])("a currency that is unknown is refused: %j", (currency_code) => {
  expect(run("payout.paid", payout({ currency_code }))).toMatchObject({
    reason: DeadLetterReason.CURRENCY_UNKNOWN,
  });
});

test.each<[string, string, object]>([
  ["a negative refund", "adjustment.updated", adjustment("refund", "approved", "-1500")],
  ["an unknown action", "adjustment.updated", adjustment("gift", "approved")],
  ["an unknown status", "adjustment.updated", adjustment("refund", "reversed")],
  ["a chargeback that waits", "adjustment.created", adjustment("chargeback", "rejected")],
  ["a transaction without totals", "transaction.completed", { id: "txn_01" }],
])("%s is a dead letter", (_, type, data) => {
  expect(run(type, data)).toMatchObject({ kind: "dead" });
});

test.each(["subscription.created", "transaction.updated", "payout.created", "constructor"])(
  "a type that is not mapped is kept: %s",
  (type) => {
    expect(run(type, {})).toMatchObject({ kind: "kept" });
  },
);

function transaction(over: object = {}) {
  const totals = { grand_total: "5500", grand_total_tax: "600", fee: "325", currency_code: "USD" };
  return {
    id: "txn_01",
    status: "completed",
    custom_data: { bursar_order_id: "ord_1" },
    currency_code: "USD",
    details: { totals: { subtotal: "4900", tax: "600", total: "5500", ...totals, ...over } },
    payments: [{ status: "error", error_code: "declined" }, { error_code: "expired_card" }],
  };
}

function adjustment(action: string, status: string, total = "1500") {
  const totals = { subtotal: "1364", tax: "136", total, fee: "0", currency_code: "USD" };
  return { id: "adj_01", action, status, transaction_id: "txn_01", reason: "fraud", totals };
}

function payout(over: object = {}) {
  return { id: "pay_01", status: "paid", amount: "100000", currency_code: "USD", ...over };
}

function run(event_type: string, data: object) {
  const event = { event_id: "evt_01", event_type, occurred_at: occurredAt, data };
  const of = { provider: "paddle", providerAccount: "seller" };
  return outcomeOf(webhookWith(JSON.stringify(event), of));
}
