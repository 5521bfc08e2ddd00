import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { VerificationSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { created, outcomeOf, webhookWith } from "../testing/webhooks.ts";
import { contentOf } from "./content.ts";

const paymentId = "adyen/Shop/7914073381342284";
const money = { amountMinor: 4900n, currencyCode: "EUR" };

test("an authorisation is the payment, its reference is the order, dated when it was received", () => {
  expect(run({})).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        paymentId,
        orderId: "ord_1",
        amount: money,
        occurredTime: timestampFromMs(created * 1000 + 250),
      },
    ],
  });
  expect(run({ success: "false" })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed", paymentId, failureCode: "" }],
  });
  expect(run({ eventCode: "CAPTURE", originalReference: "X" })).toMatchObject({ kind: "kept" });
});

test("where captures are made by hand, the capture is the payment", () => {
  const capture = {
    eventCode: "CAPTURE",
    pspReference: "CAP1",
    originalReference: "7914073381342284",
  };
  expect(run({}, true)).toMatchObject({ kind: "kept" });
  expect(run(capture, true)).toMatchObject({ events: [{ paymentId, orderId: "ord_1" }] });
  expect(run({ ...capture, success: "false" }, true)).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed", paymentId }],
  });
  expect(run({ eventCode: "CANCELLATION" }, true)).toMatchObject({ kind: "kept" });
  expect(run({ eventCode: "CANCEL_OR_REFUND" }, true)).toMatchObject({
    reason: DeadLetterReason.REFUSED,
  });
});

const about = { pspReference: "REF1", originalReference: "7914073381342284" };

test.each(["REFUND", "CANCEL_OR_REFUND", "CANCELLATION", "TECHNICAL_CANCEL"])(
  "%s gives the money back, unless it did not succeed",
  (eventCode) => {
    const refund = { ...about, eventCode };
    expect(run(refund)).toMatchObject({
      events: [
        {
          $typeName: "bursar.payments.v1.PaymentRefunded",
          refundId: "adyen/Shop/REF1",
          paymentId,
          amount: money,
        },
      ],
    });
    expect(run({ ...refund, success: "false" })).toMatchObject({ kind: "kept" });
    expect(run({ ...refund, amount: { currency: "EUR", value: 0 } })).toMatchObject({
      reason: DeadLetterReason.REFUSED,
    });
  },
);

test("a refund that failed is named as such", () => {
  expect(run({ ...about, eventCode: "REFUND_FAILED" })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.RefundFailed", refundId: "adyen/Shop/REF1" }],
  });
});

test("a chargeback takes the money, its reversal gives it back, and the second takes it for good", () => {
  const dispute = (eventCode: string) => run({ ...about, eventCode });
  const disputeId = "adyen/Shop/REF1";
  expect(dispute("CHARGEBACK")).toMatchObject({
    events: [
      { $typeName: "bursar.payments.v1.DisputeOpened", disputeId, paymentId, amount: money },
    ],
  });
  for (const code of ["CHARGEBACK_REVERSED", "PREARBITRATION_WON"]) {
    expect(dispute(code)).toMatchObject({ events: [{ disputeId, outcome: DisputeOutcome.WON }] });
  }
  for (const [code, suffix] of [
    ["SECOND_CHARGEBACK", "second-chargeback"],
    ["PREARBITRATION_LOST", "prearbitration-lost"],
  ]) {
    expect(dispute(code!)).toMatchObject({
      events: [{ disputeId: `${disputeId}/${suffix}`, outcome: DisputeOutcome.LOST }],
    });
  }
});

test.each([
  "NOTIFICATION_OF_CHARGEBACK",
  "REQUEST_FOR_INFORMATION",
  "REPORT_AVAILABLE",
  "PAYOUT_THIRDPARTY",
  "__proto__",
])("%s is kept", (eventCode) => {
  expect(run({ eventCode })).toMatchObject({ kind: "kept" });
});

test.each(["CAPTURE_FAILED", "REFUNDED_REVERSED"])("%s is for a person to book", (eventCode) => {
  expect(run({ eventCode })).toMatchObject({ reason: DeadLetterReason.REFUSED });
  expect(run({ eventCode, success: "false" })).toMatchObject({ kind: "kept" });
});

// Adyen's own units: Chile and Iceland with two decimals, Cape Verde and Indonesia without.
test.each([
  ["EUR", 4900, 4900n],
  ["JPY", 4900, 4900n],
  ["KWD", 4900, 4900n],
  ["CLP", 4900, 49n],
  ["ISK", 4900, 49n],
  ["CVE", 49, 4900n],
  ["IDR", 49, 4900n],
])("%s %d is %d minor units", (currency, value, amountMinor) => {
  expect(run({ amount: { currency, value } })).toMatchObject({
    events: [{ amount: { amountMinor, currencyCode: currency } }],
  });
});

test.each<[string, object, DeadLetterReason]>([
  ["half a peso", { currency: "CLP", value: 4950 }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["a decimal", { currency: "EUR", value: 49.5 }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["text", { currency: "EUR", value: "4900" }, DeadLetterReason.AMOUNT_NOT_EXACT],
  ["a negative amount", { currency: "EUR", value: -1 }, DeadLetterReason.REFUSED],
  ["a currency in small letters", { currency: "eur", value: 1 }, DeadLetterReason.CURRENCY_UNKNOWN],
  ["an undocumented unit", { currency: "IQD", value: 1 }, DeadLetterReason.CURRENCY_UNKNOWN],
])("%s is a dead letter", (_, amount, reason) => {
  expect(run({ amount })).toMatchObject({ kind: "dead", reason });
});

test("what is not signed changes nothing: the same item received again says the same", () => {
  const again = { eventDate: "2031-01-01T00:00:00Z", reason: "x", additionalData: { a: "b" } };
  const later = { receivedTime: timestampFromMs(created * 1000 + 999_000) };
  expect(contentOf(run(again, false, later))).toEqual(contentOf(run({})));
  expect(contentOf(run({ success: "false" }))).not.toEqual(contentOf(run({})));
});

test("platform webhooks are kept", () => {
  const webhook = webhookWith('{"type":"balancePlatform.transfer.updated"}', {
    provider: "adyen",
    verification: create(VerificationSchema, { scheme: "adyen-platform", coverage: Coverage.BODY }),
  });
  expect(outcomeOf(webhook)).toMatchObject({ kind: "kept" });
});

function run(over: object, manual = false, received: object = {}) {
  const item = {
    amount: { currency: "EUR", value: 4900 },
    eventCode: "AUTHORISATION",
    eventDate: "2026-01-01T00:00:00+01:00",
    merchantAccountCode: "Shop",
    merchantReference: "ord_1",
    originalReference: "",
    pspReference: "7914073381342284",
    success: "true",
    ...over,
  };
  const verification = create(VerificationSchema, {
    scheme: manual ? "adyen-payments-manual-capture" : "adyen-payments",
    coverage: Coverage.LISTED_FIELDS,
  });
  return outcomeOf(
    webhookWith(JSON.stringify(item), {
      provider: "adyen",
      providerAccount: "Shop",
      verification,
      ...received,
    }),
  );
}
