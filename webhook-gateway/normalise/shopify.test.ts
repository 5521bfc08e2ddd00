import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";

// Beyond 2^53: read as a number, it would be another order.
const orderId = "820982911946154509";
const paymentId = `shopify/demo/${orderId}`;

const order = `{
  "id": ${orderId}, "admin_graphql_api_id": "gid://shopify/Order/${orderId}",
  "financial_status": "paid", "currency": "USD", "presentment_currency": "USD",
  "total_price": "49.00", "total_tax": "8.00", "test": false,
  "processed_at": "2021-12-31T19:00:00-05:00", "updated_at": "2022-02-01T00:00:00-05:00",
  "note_attributes": [{ "name": "bursar_order_id", "value": "ord_1" }] }`;
const refund = `{
  "id": 890088186047892319, "order_id": ${orderId},
  "admin_graphql_api_id": "gid://shopify/Refund/890088186047892319",
  "created_at": "2022-01-01T00:00:00Z", "transactions": [
    { "kind": "refund", "status": "success", "amount": "10.00", "currency": "USD" },
    { "kind": "refund", "status": "pending", "amount": "5.00", "currency": "USD" },
    { "kind": "refund", "status": "failure", "amount": "7.00", "currency": "USD" },
    { "kind": "void", "status": "success", "amount": "9.00", "currency": "USD" }] }`;
const dispute = `{
  "id": 285332461850802050, "order_id": ${orderId}, "type": "chargeback", "amount": "11.50",
  "currency": "USD", "reason": "fraudulent", "network_reason_code": "4837",
  "status": "under_review", "evidence_due_by": "2022-01-08T19:00:00-05:00",
  "evidence_sent_on": null, "finalized_on": null, "initiated_at": "2021-12-29T19:00:00-05:00" }`;

test("an order that says it is paid is a payment with our order, whatever its id's size", () => {
  expect(run(order)).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentSucceeded",
        paymentId,
        orderId: "ord_1",
        amount: { amountMinor: 4900n, currencyCode: "USD" },
        tax: { amountMinor: 800n },
        occurredTime: timestampFromDate(new Date("2022-01-01T00:00:00Z")),
      },
    ],
  });
});

test("the topic decides nothing: neither a header nor another one makes a refund of an order", () => {
  const webhook = { unsignedEventType: "refunds/create", eventType: "" };
  expect(run(order, webhook)).toEqual(run(order));
});

test.each(["pending", "authorized", "partially_paid", "partially_refunded", "refunded", "voided"])(
  "an order of status %s is kept",
  (status) => {
    expect(run(order.replace('"paid"', `"${status}"`))).toMatchObject({ kind: "kept" });
  },
);

test("a test order, a free one, and what does not say what it is, are kept", () => {
  for (const body of [
    order.replace('"test": false', '"test": true'),
    order.replace("49.00", "0.00").replace("8.00", "0.00"),
    order.replace("shopify/Order", "shopify/DraftOrder"),
    `{"id":${orderId}}`,
    '{"shop_id":1,"order_id":2,"amount":"1.00"}',
  ]) {
    expect(run(body)).toMatchObject({ kind: "kept" });
  }
});

test("a refund is what its transactions gave back or are giving back", () => {
  expect(run(refund)).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.PaymentRefunded",
        paymentId,
        refundId: "shopify/demo/refunds/890088186047892319",
        amount: { amountMinor: 1500n, currencyCode: "USD" },
      },
    ],
  });
  const restocked = refund.replaceAll('"kind": "refund"', '"kind": "void"');
  expect(run(restocked)).toMatchObject({ kind: "kept" });
});

test("a chargeback opens and ends; an inquiry moves no money", () => {
  const disputeId = "shopify/demo/disputes/285332461850802050";
  expect(run(dispute)).toMatchObject({
    events: [
      {
        $typeName: "bursar.payments.v1.DisputeOpened",
        disputeId,
        paymentId,
        amount: { amountMinor: 1150n },
        reasonCode: "fraudulent",
      },
    ],
  });
  const ended = dispute.replace('"finalized_on": null', '"finalized_on": "2022-02-01T00:00:00Z"');
  for (const [status, outcome] of [
    ["won", DisputeOutcome.WON],
    ["lost", DisputeOutcome.LOST],
    ["accepted", DisputeOutcome.LOST],
  ] as const) {
    expect(run(ended.replace("under_review", status))).toMatchObject({
      events: [{ disputeId, outcome }],
    });
  }
  expect(run(dispute.replace("chargeback", "inquiry"))).toMatchObject({ kind: "kept" });
});

test("yen have no decimals, dinars three", () => {
  const inYen = order.replaceAll("USD", "JPY").replace("8.00", "0");
  expect(run(inYen)).toMatchObject({ events: [{ amount: { amountMinor: 49n } }] });
  const inDinars = order.replaceAll("USD", "KWD").replace("49.00", "49.001");
  expect(run(inDinars)).toMatchObject({ events: [{ amount: { amountMinor: 49_001n } }] });
});

test.each<[string, string, DeadLetterReason]>([
  [
    "cents of a yen",
    order.replaceAll("USD", "JPY").replace("49.00", "49.50"),
    DeadLetterReason.AMOUNT_NOT_EXACT,
  ],
  ["a negative price", order.replace("49.00", "-49.00"), DeadLetterReason.REFUSED],
  ["an amount in exponents", order.replace("49.00", "49e0"), DeadLetterReason.AMOUNT_NOT_EXACT],
  [
    "a currency in small letters",
    order.replaceAll("USD", "usd"),
    DeadLetterReason.CURRENCY_UNKNOWN,
  ],
  [
    "a second currency",
    order.replace('presentment_currency": "USD', 'presentment_currency": "EUR'),
    DeadLetterReason.REFUSED,
  ],
  [
    "an id that is another's",
    order.replace(`Order/${orderId}`, "Order/1"),
    DeadLetterReason.PAYLOAD_MALFORMED,
  ],
  ["an id as text", order.replace(orderId, `"${orderId}"`), DeadLetterReason.PAYLOAD_MALFORMED],
  [
    "a refund in two currencies",
    refund.replace('"5.00", "currency": "USD"', '"5.00", "currency": "EUR"'),
    DeadLetterReason.REFUSED,
  ],
  ["a negative refund", refund.replace("10.00", "-10.00"), DeadLetterReason.REFUSED],
  [
    "an unknown end of a dispute",
    dispute.replace("under_review", "charge_refunded"),
    DeadLetterReason.PAYLOAD_MALFORMED,
  ],
  [
    "a price twice",
    order.replace('"total_price"', '"total_price": "1.00", "total_price"'),
    DeadLetterReason.PAYLOAD_MALFORMED,
  ],
])("%s is a dead letter", (_, body, reason) => {
  expect(run(body)).toMatchObject({ kind: "dead", reason });
});

test("note attributes that are none, or name the order twice, leave it empty", () => {
  const note = '{ "name": "bursar_order_id", "value": "ord_1" }';
  for (const body of [
    order.replace(`[${note}]`, '"ord_1"'),
    order.replace(note, `${note}, ${note}`),
    order.replace(note, "7"),
  ]) {
    expect(run(body)).toMatchObject({ events: [{ orderId: "" }] });
  }
});

function run(body: string, over: object = {}) {
  return outcomeOf(webhookWith(body, { provider: "shopify", providerAccount: "demo", ...over }));
}
