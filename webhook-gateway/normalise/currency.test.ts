import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { outcomeOf, paymentIntent, stripeBody, webhookWith } from "../testing/webhooks.ts";
import { normalise } from "./normalise.ts";

// One row an amount that must not be coerced; the text is what stands in the JSON.
test.each([
  [
    '"4900"',
    'data.object.amount_received must be a plain whole number within ±9007199254740991, got "4900"',
  ],
  [
    "1e2",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got 1e2",
  ],
  [
    "100.0",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got 100.0",
  ],
  [
    "100.5",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got 100.5",
  ],
  [
    "9007199254740992",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got 9007199254740992",
  ],
  [
    "99999999999999999999",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got 99999999999999999999",
  ],
  [
    "null",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got null",
  ],
  [
    "[4900]",
    "data.object.amount_received must be a plain whole number within ±9007199254740991, got an array",
  ],
])("an amount written %s is not coerced", (written, detail) => {
  const body = stripeBody("payment_intent.succeeded", paymentIntent()).replace(
    '"amount_received":4900',
    `"amount_received":${written}`,
  );
  expect(normalise(webhookWith(body))).toEqual({
    kind: "dead",
    reason: DeadLetterReason.AMOUNT_NOT_EXACT,
    detail,
  });
});

test("the largest exact amount passes", () => {
  expect(
    run("payment_intent.succeeded", paymentIntent({ amount_received: Number.MAX_SAFE_INTEGER })),
  ).toMatchObject({
    events: [{ amount: { amountMinor: 9007199254740991n } }],
  });
});

test("a negative amount is refused", () => {
  expect(run("payout.paid", { id: "po_1", amount: -500, currency: "usd" })).toEqual({
    kind: "dead",
    reason: DeadLetterReason.REFUSED,
    detail: "data.object.amount is negative: -500",
  });
});

// Stripe's unit, ISO's minor unit: the ledger counts in the second.
test.each([
  ["usd", 500, 500n],
  ["jpy", 500, 500n],
  ["krw", 500, 500n],
  ["huf", 1045, 1045n],
  ["twd", 80_045, 80_045n],
  ["kwd", 5120, 5120n],
  ["bhd", 5120, 5120n],
  ["isk", 500, 5n],
  ["ugx", 500, 5n],
  ["mga", 5, 500n],
])("%s: Stripe's %s is %s minor units", (currency, amount, amountMinor) => {
  expect(run("payout.paid", { id: "po_1", amount, currency })).toMatchObject({
    events: [{ amount: { amountMinor, currencyCode: currency.toUpperCase() } }],
  });
});

test.each(["isk", "ugx"])("%s has no smaller unit than 100", (currency) => {
  expect(run("payout.paid", { id: "po_1", amount: 550, currency })).toMatchObject({
    reason: DeadLetterReason.AMOUNT_NOT_EXACT,
    detail: `data.object.amount must be a multiple of 100, as ${currency.toUpperCase()} has no smaller unit, got 550`,
  });
});

test.each(["zzz", "USD", "us", "usd ", "", "iqd", "clf"])(
  "a currency that Stripe does not document is refused: %s",
  (currency) => {
    expect(run("payout.paid", { id: "po_1", amount: 500, currency })).toMatchObject({
      reason: DeadLetterReason.CURRENCY_UNKNOWN,
      detail: `data.object.currency must be a currency with a documented minor unit, got ${JSON.stringify(currency)}`,
    });
  },
);

function run(type: string, object: object) {
  return outcomeOf(webhookWith(stripeBody(type, object)));
}
