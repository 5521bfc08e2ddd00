import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { linesOfBase64, writeBraintreeForm } from "../providers/braintree-form.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";

type Sample = { readonly bt_signature: string; readonly bt_payload: string };
const sdk = createRequire(import.meta.url)("braintree");
const { webhookTesting } = new sdk.BraintreeGateway({
  environment: sdk.Environment.Sandbox,
  merchantId: "merchant",
  publicKey: "publickey1",
  privateKey: "0123456789abcdef0123456789abcdef",
}) as { webhookTesting: { sampleNotification(kind: string, id: string): Promise<Sample> } };

const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
const lostDispute = {
  $typeName: "bursar.payments.v1.DisputeClosed",
  disputeId: "braintree/merchant/id_1",
  paymentId: "braintree/merchant/id_1",
  amount: usd(25_000n),
  outcome: DisputeOutcome.LOST,
};

// The SDK's own samples, as it makes them.
test.each<[string, readonly object[]]>([
  [
    "transaction_settled",
    [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        paymentId: "braintree/merchant/id_1",
        amount: usd(10_000n),
      },
    ],
  ],
  [
    "transaction_settlement_declined",
    [
      {
        $typeName: "bursar.payments.v1.PaymentFailed",
        paymentId: "braintree/merchant/id_1",
        failureCode: "settlement_declined",
      },
    ],
  ],
  [
    "dispute_opened",
    [
      {
        $typeName: "bursar.payments.v1.DisputeOpened",
        disputeId: "braintree/merchant/id_1",
        paymentId: "braintree/merchant/id_1",
        amount: usd(25_000n),
        reasonCode: "fraud",
      },
    ],
  ],
  ["dispute_lost", [lostDispute]],
  ["dispute_accepted", [lostDispute]],
  ["dispute_auto_accepted", [lostDispute]],
  ["dispute_expired", [lostDispute]],
  [
    // 245.00 of 250.00 are won, the rest is lost.
    "dispute_won",
    [
      { ...lostDispute, outcome: DisputeOutcome.WON },
      { ...lostDispute, disputeId: "braintree/merchant/id_1/lost", amount: usd(500n) },
    ],
  ],
  [
    "disbursement",
    [
      {
        $typeName: "bursar.payments.v1.PayoutPaid",
        payoutId: "braintree/merchant/id_1",
        amount: usd(10_000n),
      },
    ],
  ],
])("the SDK's sample of %s", async (kind, events) => {
  const outcome = await ofSample(kind);
  expect(outcome).toMatchObject({ kind: "events", events });
  expect(outcome).toHaveProperty("events.length", events.length);
});

test.each([
  "transaction_disbursed",
  "subscription_charged_successfully",
  "subscription_charged_unsuccessfully",
  "refund_failed",
])("the SDK's sample of %s names no currency: never a guess", async (kind) => {
  expect(await ofSample(kind)).toMatchObject({
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
    detail: expect.stringMatching(/currency-iso-code is missing$/),
  });
});

test.each(["check", "dispute_under_review", "dispute_disputed", "subscription_canceled"])(
  "a kind that is not mapped is kept: %s",
  async (kind) => {
    expect(await ofSample(kind)).toMatchObject({ kind: "kept" });
  },
);

test.each(["transaction_settled", "transaction_disbursed"])(
  "%s of a sale is one payment, with our order and the tax in it",
  (kind) => {
    const fields = "<order-id>ord_1</order-id><tax-amount>8.00</tax-amount>";
    expect(run(kind, sale(fields))).toMatchObject({
      events: [
        {
          paymentId: "braintree/merchant/tx_1",
          orderId: "ord_1",
          amount: usd(4990n),
          tax: usd(800n),
        },
      ],
    });
  },
);

test("our order may stand in a custom field, and comes before the order id", () => {
  const fields =
    "<custom-fields><bursar-order-id>a&amp;b&#49;</bursar-order-id></custom-fields>" +
    "<order-id>other</order-id>";
  expect(run("transaction_settled", sale(fields))).toMatchObject({ events: [{ orderId: "a&b1" }] });
  expect(run("transaction_settled", sale('<order-id nil="true"/>'))).toMatchObject({
    events: [{ orderId: "" }],
  });
});

test("a subscription's charge is the payment that stands first", () => {
  const two =
    '<subscription><transactions type="array">' +
    `${sale()}${sale().replace("tx_1", "tx_0")}</transactions></subscription>`;
  expect(run("subscription_charged_successfully", two)).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentSucceeded" }],
  });
  const outcome = run("subscription_charged_unsuccessfully", two);
  expect(outcome).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentFailed",
        paymentId: "braintree/merchant/tx_1",
      },
    ],
  });
  const none = '<subscription><transactions type="array"/></subscription>';
  expect(run("subscription_charged_successfully", none)).toMatchObject({
    detail: "subject.subscription.transactions is empty",
  });
});

test("a credit is a refund of the sale it names, and fails under the same id", () => {
  const credit = sale("<refunded-transaction-id>tx_0</refunded-transaction-id>").replace(
    "<type>sale</type>",
    "<type>credit</type>",
  );
  const said = {
    paymentId: "braintree/merchant/tx_0",
    refundId: "braintree/merchant/tx_1",
    amount: usd(4990n),
  };
  expect(run("transaction_disbursed", credit)).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PaymentRefunded", ...said }],
  });
  for (const kind of ["refund_failed", "transaction_settlement_declined"]) {
    expect(run(kind, credit)).toMatchObject({
      events: [{ $typeName: "bursar.payments.v1.RefundFailed", ...said }],
    });
  }
});

test("a payout that failed carries the reason", () => {
  const failed =
    '<disbursement><id>dis_1</id><success type="boolean">false</success><amount>1.00</amount>' +
    "<exception-message>bank_rejected</exception-message><merchant-account>" +
    "<currency-iso-code>EUR</currency-iso-code></merchant-account></disbursement>";
  expect(run("disbursement", failed)).toMatchObject({
    events: [{ $typeName: "bursar.payments.v1.PayoutFailed", failureCode: "bank_rejected" }],
  });
});

test.each([
  ["JPY", "500", 500n],
  ["KWD", "5.125", 5125n],
  ["USD", "49.9", 4990n],
])("%s %s is exact", (currency, amount, amountMinor) => {
  const paid = sale().replace("USD", currency).replace("49.90", amount);
  expect(run("transaction_settled", paid)).toMatchObject({
    events: [{ amount: { amountMinor, currencyCode: currency } }],
  });
});

test.each<[string, string, DeadLetterReason]>([
  ["49.901", "USD", DeadLetterReason.AMOUNT_NOT_EXACT],
  [" 49.90", "USD", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["49,90", "USD", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["", "USD", DeadLetterReason.AMOUNT_NOT_EXACT],
  ["-49.90", "USD", DeadLetterReason.REFUSED],
  ["49.90", "usd", DeadLetterReason.CURRENCY_UNKNOWN],
])("an amount %j in %s is a dead letter", (amount, currency, reason) => {
  const paid = sale().replace("USD", currency).replace("49.90", amount);
  expect(run("transaction_settled", paid)).toMatchObject({ kind: "dead", reason });
});

test("a transaction that has not settled is kept", () => {
  const pending = sale().replace("<status>settled", "<status>settlement_pending");
  expect(run("transaction_settled", pending)).toMatchObject({ kind: "kept" });
});

test("a retrieval asks before money is taken and is kept", async () => {
  const { bt_payload } = await webhookTesting.sampleNotification("dispute_opened", "id_1");
  const asked = Buffer.from(bt_payload, "base64").toString().replace("chargeback", "retrieval");
  expect(ofXml(asked)).toMatchObject({ kind: "kept" });
});

const deep = `${"<a>".repeat(40)}${"</a>".repeat(40)}`;
test.each([
  ["a document type", `<!DOCTYPE x [<!ENTITY e "1">]><notification/>`, "declares a document type"],
  ["no XML", "paid!", "is not"],
  ["an element that does not end", "<notification><kind>", "is not XML"],
  ["another root", "<other><kind>x</kind></other>", "is not one notification element"],
  ["an element twice", notification("x", "").replace("<kind>", "<kind>y</kind><kind>"), "twice"],
  ["nesting", notification("x", deep), "nested deeper than 32"],
  ["no kind", "<notification><subject/></notification>", "kind is missing"],
])("a payload with %s is malformed", (_, xml, detail) => {
  expect(ofXml(xml)).toMatchObject({
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
    detail: expect.stringContaining(detail),
  });
});

test("bytes that are not UTF-8, and a body that is no form, are malformed", () => {
  const bytes = Buffer.from("<notification><kind>\xff</kind></notification>", "latin1");
  expect(ofXml(bytes)).toMatchObject({ detail: "the XML is not valid UTF-8" });
  expect(ofBody(Buffer.from("{}"))).toMatchObject({
    detail: "the body is not a form with bt_signature and bt_payload",
  });
});

test("an entity that nobody declared stays as it was written", () => {
  const fields = "<order-id>&lol;</order-id>";
  expect(run("transaction_settled", sale(fields))).toMatchObject({
    events: [{ orderId: "&lol;" }],
  });
});

function sale(fields = ""): string {
  return (
    "<transaction><id>tx_1</id><status>settled</status><type>sale</type>" +
    `<currency-iso-code>USD</currency-iso-code><amount>49.90</amount>${fields}</transaction>`
  );
}

function notification(kind: string, subject: string): string {
  return (
    '<notification><timestamp type="datetime">2026-03-01T10:00:00Z</timestamp>' +
    `<kind>${kind}</kind><subject>${subject}</subject></notification>`
  );
}

async function ofSample(kind: string) {
  const { bt_signature, bt_payload } = await webhookTesting.sampleNotification(kind, "id_1");
  return ofBody(writeBraintreeForm(bt_signature, bt_payload));
}

function run(kind: string, subject: string) {
  return ofXml(notification(kind, subject));
}

function ofXml(xml: string | Buffer) {
  return ofBody(writeBraintreeForm("publickey1|00", linesOfBase64(Buffer.from(xml as string))));
}

function ofBody(body: Buffer) {
  return outcomeOf(webhookWith(body, { provider: "braintree", providerAccount: "merchant" }));
}
