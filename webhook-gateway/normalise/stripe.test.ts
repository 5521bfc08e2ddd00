import { equals, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome, PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { created, outcomeOf, paymentIntent, stripeBody, webhookWith } from "../testing/webhooks.ts";
import { normalise } from "./normalise.ts";

test("payment_intent.succeeded is a payment with our order", () => {
  const outcome = run("payment_intent.succeeded", paymentIntent());
  expect(outcome).toMatchObject({
    kind: "events",
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        ledgerId: "main",
        paymentId: "stripe/acct_demo/pi_1",
        orderId: "ord_1",
        amount: { amountMinor: 4900n, currencyCode: "USD" },
        occurredTime: timestampFromMs(created * 1000),
        provenance: { webhookId: "webhook-1", endpointId: "endpoint-1", providerEventId: "evt_1" },
      },
    ],
  });
});

test("the amount received counts, not the amount asked for", () => {
  const outcome = run(
    "payment_intent.succeeded",
    paymentIntent({ amount: 9900, amount_received: 4900 }),
  );
  expect(outcome).toMatchObject({ events: [{ amount: { amountMinor: 4900n } }] });
});

test("fee and tax are absent unless the payload states them for what was received", () => {
  const tax = (over: object) =>
    run(
      "payment_intent.succeeded",
      paymentIntent({ amount_details: { tax: { total_tax_amount: 800 } }, ...over }),
    );
  expect(tax({})).toMatchObject({ events: [{ tax: { amountMinor: 800n, currencyCode: "USD" } }] });
  for (const outcome of [
    tax({ amount: 9900 }),
    tax({ amount_details: null }),
    run("payment_intent.succeeded", paymentIntent()),
  ]) {
    expect(outcome).toMatchObject({ events: [{ orderId: "ord_1" }] });
    expect(outcome).not.toHaveProperty("events.0.tax");
    expect(outcome).not.toHaveProperty("events.0.fee");
  }
});

test("payment_intent.payment_failed carries the code", () => {
  expect(
    run(
      "payment_intent.payment_failed",
      paymentIntent({ last_payment_error: { code: "card_declined" } }),
    ),
  ).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentFailed", failureCode: "card_declined" }],
  });
  expect(
    run("payment_intent.payment_failed", paymentIntent({ last_payment_error: null })),
  ).toMatchObject({
    events: [{ failureCode: "" }],
  });
});

test.each(["charge.succeeded", "charge.captured"])(
  "%s without a payment intent is a payment under the charge's id",
  (type) => {
    const charge = {
      id: "ch_1",
      payment_intent: null,
      amount: 4900,
      amount_captured: 4000,
      captured: true,
      currency: "usd",
      metadata: { bursar_order_id: "ord_1" },
    };
    expect(run(type, charge)).toMatchObject({
      events: [
        {
          $typeName: "bursar.payments.v1.PaymentSucceeded",
          paymentId: "stripe/acct_demo/ch_1",
          orderId: "ord_1",
          amount: { amountMinor: 4000n, currencyCode: "USD" },
        },
      ],
    });
    expect(run(type, { ...charge, payment_intent: "pi_1" })).toMatchObject({ kind: "kept" });
    expect(run(type, { ...charge, captured: false })).toMatchObject({ kind: "kept" });
    expect(run(type, { ...charge, captured: "yes" })).toMatchObject({
      detail: 'data.object.captured must be true or false, got "yes"',
    });
    expect(run(type, { ...charge, captured: undefined })).toMatchObject({
      detail: "data.object.captured is missing",
    });
  },
);

test("charge.refunded states the total of the payment", () => {
  const charge = {
    id: "ch_1",
    payment_intent: "pi_1",
    amount: 4900,
    amount_refunded: 1500,
    currency: "usd",
  };
  const outcome = run("charge.refunded", charge);
  expect(outcome).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentRefunded",
        paymentId: "stripe/acct_demo/pi_1",
        refundId: "",
        refundedTotal: { amountMinor: 1500n, currencyCode: "USD" },
      },
    ],
  });
  expect(outcome).not.toHaveProperty("events.0.amount");
  expect(run("charge.refunded", { ...charge, payment_intent: null })).toMatchObject({
    events: [{ paymentId: "stripe/acct_demo/ch_1" }],
  });
});

test.each(["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])(
  "%s names the refund, and its status says whether the money left",
  (type) => {
    for (const status of ["pending", "requires_action", "succeeded"]) {
      expect(run(type, refund({ status }))).toMatchObject({
        events: [
          {
            $typeName: "bursar.payments.v1.PaymentRefunded",
            refundId: "stripe/acct_demo/re_1",
            paymentId: "stripe/acct_demo/pi_1",
            amount: { amountMinor: 1500n },
          },
        ],
      });
    }
    for (const status of ["failed", "canceled"]) {
      expect(run(type, refund({ status }))).toMatchObject({
        events: [
          { $typeName: "bursar.payments.v1.RefundFailed", refundId: "stripe/acct_demo/re_1" },
        ],
      });
    }
    expect(run(type, refund({ payment_intent: null }))).toMatchObject({
      events: [{ paymentId: "stripe/acct_demo/ch_1" }],
    });
  },
);

test("a dispute opens and closes", () => {
  expect(run("charge.dispute.created", dispute({ status: "needs_response" }))).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.DisputeOpened",
        disputeId: "stripe/acct_demo/dp_1",
        paymentId: "stripe/acct_demo/pi_1",
        reasonCode: "fraudulent",
        amount: { amountMinor: 4900n },
      },
    ],
  });
  expect(run("charge.dispute.closed", dispute({ status: "won" }))).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.DisputeClosed", outcome: DisputeOutcome.WON }],
  });
  expect(run("charge.dispute.closed", dispute({ status: "lost" }))).toMatchObject({
    events: [{ outcome: DisputeOutcome.LOST }],
  });
});

test.each([
  ["charge.dispute.created", "warning_needs_response"],
  ["charge.dispute.created", "warning_under_review"],
  ["charge.dispute.created", "prevented"],
  ["charge.dispute.closed", "warning_closed"],
  ["charge.dispute.closed", "prevented"],
])("%s of status %s moves no money and is kept", (type, status) => {
  expect(run(type, dispute({ status }))).toMatchObject({ kind: "kept" });
});

test("a payout is paid or fails", () => {
  const payout = { id: "po_1", amount: 120_000, currency: "eur", failure_code: null };
  expect(run("payout.paid", payout)).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PayoutPaid",
        payoutId: "stripe/acct_demo/po_1",
        amount: { amountMinor: 120_000n, currencyCode: "EUR" },
      },
    ],
  });
  expect(run("payout.failed", { ...payout, failure_code: "account_closed" })).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PayoutFailed", failureCode: "account_closed" }],
  });
});

test.each(["customer.created", "charge.pending", "constructor", "__proto__", ""])(
  "a type that is not mapped is kept: %s",
  (type) => {
    expect(run(type, { anything: 1 })).toMatchObject({ kind: "kept" });
  },
);

test("codes are remarks, and never a reason to keep money out of the books", () => {
  for (const [written, code] of [
    ["c".repeat(256), "c".repeat(255)],
    ["not\there", "not here"],
    [51, ""],
  ]) {
    const payout = { id: "po_1", amount: 1, currency: "usd", failure_code: written };
    expect(run("payout.failed", payout)).toMatchObject({ events: [{ failureCode: code }] });
    const opened = dispute({ status: "needs_response", reason: written });
    expect(run("charge.dispute.created", opened)).toMatchObject({ events: [{ reasonCode: code }] });
    const failed = paymentIntent({ last_payment_error: { code: written } });
    expect(run("payment_intent.payment_failed", failed)).toMatchObject({
      events: [{ failureCode: code }],
    });
  }
});

test("a payment's error that is no object stops nothing", () => {
  const failed = paymentIntent({ last_payment_error: "declined" });
  expect(run("payment_intent.payment_failed", failed)).toMatchObject({
    events: [{ failureCode: "" }],
  });
});

test("a tax that is no plain whole number is a dead letter: money is never guessed", () => {
  const amount_details = { tax: { total_tax_amount: "800" } };
  expect(run("payment_intent.succeeded", paymentIntent({ amount_details }))).toMatchObject({
    kind: "dead",
    reason: DeadLetterReason.AMOUNT_NOT_EXACT,
  });
});

test.each<[string, unknown]>([
  ["absent", undefined],
  ["null", null],
  ["a number", 7],
  ["129 characters long", "o".repeat(129)],
  ["half a surrogate", "\ud800"],
  ["a text with NUL", "ord\u0000"],
])("an order id that is %s is left empty, and the money still counts", (_, value) => {
  const outcome = run(
    "payment_intent.succeeded",
    paymentIntent({ metadata: { bursar_order_id: value } }),
  );
  expect(outcome).toMatchObject({ events: [{ orderId: "", amount: { amountMinor: 4900n } }] });
});

test("metadata that is no object leaves the order empty", () => {
  for (const metadata of [null, "ord_1", ["ord_1"]]) {
    expect(run("payment_intent.succeeded", paymentIntent({ metadata }))).toMatchObject({
      events: [{ orderId: "" }],
    });
  }
});

test("ids of a connected account are scoped by that account", () => {
  const body = stripeBody("payment_intent.succeeded", paymentIntent(), {
    account: "acct_connected",
  });
  expect(normalise(webhookWith(body))).toMatchObject({
    events: [{ paymentId: "stripe/acct_connected/pi_1" }],
  });
  const strange = stripeBody("payment_intent.succeeded", paymentIntent(), {
    account: "acct/other",
  });
  expect(normalise(webhookWith(strange))).toMatchObject({
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
  });
});

test.each<[string, string, object, string]>([
  [
    "no id",
    "payment_intent.succeeded",
    paymentIntent({ id: undefined }),
    "data.object.id is missing",
  ],
  [
    "an id with a space",
    "payment_intent.succeeded",
    paymentIntent({ id: "pi 1" }),
    'data.object.id must be an id without spaces, got "pi 1"',
  ],
  [
    "a long id",
    "payment_intent.succeeded",
    paymentIntent({ id: "p".repeat(245) }),
    `data.object.id must be an id without spaces, got "${"p".repeat(60)}…"`,
  ],
  [
    "no amount",
    "payment_intent.succeeded",
    paymentIntent({ amount_received: undefined }),
    "data.object.amount_received is missing",
  ],
  [
    "no currency",
    "payment_intent.succeeded",
    paymentIntent({ currency: undefined }),
    "data.object.currency is missing",
  ],
  [
    "a refund of nothing",
    "refund.created",
    refund({ payment_intent: null, charge: null }),
    "data.object.payment_intent or charge is missing",
  ],
  [
    "an unknown refund status",
    "refund.updated",
    refund({ status: "lost" }),
    'data.object.status is not a documented status: "lost"',
  ],
  [
    "a refund without status",
    "refund.updated",
    refund({ status: null }),
    "data.object.status is missing",
  ],
  [
    "a dispute closed while open",
    "charge.dispute.closed",
    dispute({ status: "needs_response" }),
    'data.object.status is not a documented status: "needs_response"',
  ],
])("%s is malformed", (_, type, object, detail) => {
  expect(run(type, object)).toEqual({
    kind: "dead",
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
    detail,
  });
});

test("a time that is not unix seconds is malformed", () => {
  for (const written of [undefined, "2026-01-01T00:00:00Z", 1.5, -1, null]) {
    const body = stripeBody(
      "payout.paid",
      { id: "po_1", amount: 1, currency: "usd" },
      { created: written },
    );
    expect(normalise(webhookWith(body))).toMatchObject({
      reason: DeadLetterReason.PAYLOAD_MALFORMED,
    });
  }
});

test("the same webhook becomes the same bytes, and every event keeps its schema's rules", () => {
  const body = stripeBody("payment_intent.succeeded", paymentIntent());
  const [first, second] = [normalise(webhookWith(body)), normalise(webhookWith(body))];
  if (first.kind !== "events" || second.kind !== "events") throw new Error("not mapped");
  const [event, again] = [first.events[0]!, second.events[0]!];
  if (event.$typeName !== "bursar.payments.v1.PaymentSucceeded") throw new Error(event.$typeName);
  expect(equals(PaymentSucceededSchema, event, again as typeof event)).toBe(true);
  expect(toBinary(PaymentSucceededSchema, event)).toEqual(
    toBinary(PaymentSucceededSchema, again as typeof event),
  );
});

function refund(over: object = {}): object {
  return {
    id: "re_1",
    object: "refund",
    amount: 1500,
    currency: "usd",
    charge: "ch_1",
    payment_intent: "pi_1",
    status: "succeeded",
    metadata: {},
    ...over,
  };
}

function dispute(over: object = {}): object {
  return {
    id: "dp_1",
    object: "dispute",
    amount: 4900,
    currency: "usd",
    charge: "ch_1",
    payment_intent: "pi_1",
    reason: "fraudulent",
    ...over,
  };
}

function run(type: string, object: object) {
  return outcomeOf(webhookWith(stripeBody(type, object)));
}
