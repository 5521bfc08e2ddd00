import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";
import { contentOf } from "./content.ts";

test.each(["charge:confirmed", "charge:resolved"])(
  "%s is a payment of what arrived, in the currency of the price",
  (type) => {
    expect(run(type, charge())).toMatchObject({
      kind: "events",
      events: [
        {
          $typeName: "bursar.payments.v1.PaymentSucceeded",
          paymentId: "coinbase/merchant/charge-1",
          orderId: "ord_1",
          amount: { amountMinor: 4990n, currencyCode: "USD" },
        },
      ],
    });
  },
);

test("confirmed and then resolved, one charge says the same", () => {
  const [confirmed, resolved] = ["charge:confirmed", "charge:resolved"].map((type) => {
    return contentOf(run(type, charge()));
  });
  expect(confirmed).toEqual(resolved);
});

test("several payments of one charge are added, and those on their way do not count", () => {
  const payments = [paid("20.00"), paid("30.50"), paid("1000.00", "USD", "PENDING")];
  expect(run("charge:resolved", charge({ payments }))).toMatchObject({
    events: [{ amount: { amountMinor: 5050n, currencyCode: "USD" } }],
  });
});

test.each([
  ["JPY", "500", 500n],
  ["KWD", "5.125", 5125n],
  ["USD", "49.9", 4990n],
  ["USD", "49.9000", 4990n],
])("%s %s is exact", (currency, amount, amountMinor) => {
  const arrived = charge({ payments: [paid(amount, currency)] });
  expect(run("charge:confirmed", arrived)).toMatchObject({
    events: [{ amount: { amountMinor, currencyCode: currency } }],
  });
});

test.each<[string, unknown, DeadLetterReason]>([
  ["USD", "49.901", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["JPY", "500.5", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["USD", "4.99e1", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["USD", 49.9, DeadLetterReason.PAYLOAD_MALFORMED],
  ["USD", "-49.90", DeadLetterReason.REFUSED],
  ["usd", "49.90", DeadLetterReason.CURRENCY_UNKNOWN],
  ["USDC", "49.90", DeadLetterReason.CURRENCY_UNKNOWN],
  ["BTC", "0.001", DeadLetterReason.CURRENCY_UNKNOWN],
])("%s %j is a dead letter: coins are no money of the books", (currency, amount, reason) => {
  const arrived = charge({ payments: [paid(amount as string, currency)] });
  expect(run("charge:confirmed", arrived)).toMatchObject({ kind: "dead", reason });
});

test.each<[string, object, DeadLetterReason]>([
  ["nothing confirmed", { payments: [] }, DeadLetterReason.PAYLOAD_MALFORMED],
  ["two currencies", { payments: [paid("1.00"), paid("1.00", "EUR")] }, DeadLetterReason.REFUSED],
  [
    "an unknown status",
    { payments: [paid("1.00", "USD", "MAYBE")] },
    DeadLetterReason.PAYLOAD_MALFORMED,
  ],
  ["payments that are no list", { payments: "all" }, DeadLetterReason.PAYLOAD_MALFORMED],
])("%s is a dead letter", (_, over, reason) => {
  expect(run("charge:confirmed", charge(over))).toMatchObject({ kind: "dead", reason });
});

test("a charge that nobody paid failed; one that was paid in part waits to be resolved", () => {
  expect(run("charge:failed", charge({ payments: [] }))).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentFailed",
        amount: { amountMinor: 4990n },
        failureCode: "EXPIRED",
      },
    ],
  });
  expect(run("charge:failed", charge())).toMatchObject({ kind: "kept" });
  expect(run("charge:failed", charge({ payments: [], pricing: null }))).toMatchObject({
    kind: "kept",
  });
});

test.each(["charge:created", "charge:pending", "charge:delayed", "constructor"])(
  "a type that is not mapped is kept: %s",
  (type) => {
    expect(run(type, charge())).toMatchObject({ kind: "kept" });
  },
);

test("another attempt says the same", () => {
  const [first, second] = [1, 2].map((attempt) => {
    return contentOf(run("charge:confirmed", charge(), attempt));
  });
  expect(first).toEqual(second);
});

function paid(amount: string, currency = "USD", status = "CONFIRMED") {
  const crypto = { amount: "0.00123456", currency: "BTC" };
  return { network: "bitcoin", status, value: { local: { amount, currency }, crypto } };
}

function charge(over: object = {}) {
  return {
    id: "charge-1",
    code: "WZNDTFQK",
    pricing: {
      local: { amount: "49.90", currency: "USD" },
      bitcoin: { amount: "0.00123", currency: "BTC" },
    },
    metadata: { bursar_order_id: "ord_1" },
    payments: [paid("49.90")],
    timeline: [{ status: "NEW" }, { status: "EXPIRED" }],
    ...over,
  };
}

function run(type: string, data: object, attempt_number = 1) {
  const event = { id: "evt_1", type, created_at: "2026-03-01T10:00:00Z", data };
  const body = JSON.stringify({ id: `delivery-${attempt_number}`, attempt_number, event });
  return outcomeOf(webhookWith(body, { provider: "coinbase", providerAccount: "merchant" }));
}
