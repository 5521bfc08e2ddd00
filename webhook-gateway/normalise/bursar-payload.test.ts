import { readFileSync } from "node:fs";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";

const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
const payment = { paymentId: "standard/shop/pay_1", orderId: "ord_1" };

// What the page promises, by type.
const promised: Record<string, object> = {
  "payment.succeeded": {
    $typeName: "bursar.payments.v1.PaymentSucceeded",
    ...payment,
    amount: usd(4900n),
    fee: usd(172n),
    tax: usd(782n),
  },
  "payment.failed": {
    $typeName: "bursar.payments.v1.PaymentFailed",
    paymentId: "standard/shop/pay_2",
    amount: usd(4900n),
    failureCode: "card_declined",
  },
  "payment.refunded": {
    $typeName: "bursar.payments.v1.PaymentRefunded",
    ...payment,
    refundId: "standard/shop/ref_1",
    amount: usd(1500n),
    refundedTotal: usd(1500n),
  },
  "refund.failed": {
    $typeName: "bursar.payments.v1.RefundFailed",
    ...payment,
    refundId: "standard/shop/ref_1",
    amount: usd(1500n),
  },
  "dispute.opened": {
    $typeName: "bursar.payments.v1.DisputeOpened",
    ...payment,
    disputeId: "standard/shop/dis_1",
    reasonCode: "fraudulent",
  },
  "dispute.closed": {
    $typeName: "bursar.payments.v1.DisputeClosed",
    ...payment,
    disputeId: "standard/shop/dis_1",
    outcome: DisputeOutcome.WON,
  },
  "payout.paid": {
    $typeName: "bursar.payments.v1.PayoutPaid",
    payoutId: "standard/shop/out_1",
    amount: usd(120_000n),
  },
  "payout.failed": {
    $typeName: "bursar.payments.v1.PayoutFailed",
    payoutId: "standard/shop/out_1",
    failureCode: "account_closed",
  },
};

const page = readFileSync(new URL("../../docs/standard-webhooks.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map((match) => match[1]!);
const exampleOf = (type: string) => JSON.parse(examples.find((it) => it.includes(`"${type}"`))!);

test("the page has one example of every type and no other", () => {
  const types = examples.map((example) => JSON.parse(example).type);
  expect(types).toEqual(Object.keys(promised));
  expect([...page.matchAll(/^### (.+)$/gm)].map((match) => match[1])).toEqual(types);
});

test.each(examples)("the page's example becomes what it promises: %s", (example) => {
  const { type, timestamp } = JSON.parse(example);
  const outcome = run(example);
  expect(outcome).toMatchObject({ kind: "events", events: [promised[type]] });
  if (outcome.kind !== "events") return;
  expect(outcome.events).toHaveLength(1);
  expect(timestampDate(outcome.events[0]!.occurredTime!)).toEqual(new Date(timestamp));
});

test("a generic sender's ids are scoped by its own provider", () => {
  expect(run(JSON.stringify(exampleOf("payout.paid")), "generic")).toMatchObject({
    events: [{ payoutId: "generic/shop/out_1" }],
  });
});

test("a refund may be named, or stated as a total", () => {
  const data = {
    payment_id: "pay_1",
    refund_id: "ref_1",
    amount: money(5),
    refunded_total: money(9),
  };
  expect(refund({ ...data, refunded_total: null })).toMatchObject({
    events: [{ refundId: "standard/shop/ref_1", amount: { amountMinor: 5n } }],
  });
  expect(refund({ ...data, refund_id: null, amount: null })).toMatchObject({
    events: [{ refundId: "", refundedTotal: { amountMinor: 9n } }],
  });
});

test.each<[string, object, string]>([
  [
    "a refund of nothing",
    { payment_id: "p" },
    "data must hold refund_id and amount, or refunded_total",
  ],
  [
    "a refund without its amount",
    { payment_id: "p", refund_id: "r", refunded_total: money(9) },
    "data.refund_id and data.amount must come together",
  ],
  [
    "an amount without its refund",
    { payment_id: "p", amount: money(9) },
    "data.refund_id and data.amount must come together",
  ],
  ["no payment", { refunded_total: money(9) }, "data.payment_id is missing"],
  [
    "an amount that is a number",
    { payment_id: "p", refunded_total: 9 },
    "data.refunded_total must be an object, got 9",
  ],
])("%s is malformed", (_, data, detail) => {
  expect(refund(data)).toEqual({
    kind: "dead",
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
    detail,
  });
});

test.each([
  ["4900.0"],
  ["49e2"],
  ['"4900"'],
  ["9007199254740993"],
  ["9223372036854775808"],
  ["true"],
])("an amount written %s is not coerced", (written) => {
  const body = JSON.stringify(exampleOf("payout.paid")).replace("120000", written);
  expect(run(body)).toEqual({
    kind: "dead",
    reason: DeadLetterReason.AMOUNT_NOT_EXACT,
    detail: `data.amount.amount_minor must be a plain whole number within ±9007199254740991, got ${written}`,
  });
});

test.each(["usd", "ZZZ", "EURO", ""])("a currency that is unknown is refused: %s", (currency) => {
  const body = JSON.stringify(exampleOf("payout.paid")).replace('"USD"', JSON.stringify(currency));
  expect(run(body)).toMatchObject({ reason: DeadLetterReason.CURRENCY_UNKNOWN });
});

test("a fee in another currency, a tax above the amount and a negative amount are refused", () => {
  const over = (part: object) => {
    const example = exampleOf("payment.succeeded");
    return run(JSON.stringify({ ...example, data: { ...example.data, ...part } }));
  };
  expect(over({ fee: { amount_minor: 1, currency: "EUR" } })).toMatchObject({
    reason: DeadLetterReason.REFUSED,
    detail: "data.fee is in EUR, data.amount in USD",
  });
  expect(over({ tax: money(4901) })).toMatchObject({ reason: DeadLetterReason.REFUSED });
  expect(over({ amount: money(-1) })).toMatchObject({
    reason: DeadLetterReason.REFUSED,
    detail: "data.amount.amount_minor is negative: -1",
  });
});

test.each(["2026-02-30T00:00:00Z", "2026-01-31", "1700000000", "2026-01-31T09:30:00", ""])(
  "a time that is not RFC 3339 is malformed: %s",
  (timestamp) => {
    expect(run(JSON.stringify({ ...exampleOf("payout.paid"), timestamp }))).toMatchObject({
      reason: DeadLetterReason.PAYLOAD_MALFORMED,
    });
  },
);

test("codes are remarks: cut and cleaned, and never a reason to stop money", () => {
  for (const [type, name, field] of [
    ["payment.failed", "failure_code", "failureCode"],
    ["payout.failed", "failure_code", "failureCode"],
    ["dispute.opened", "reason_code", "reasonCode"],
  ] as const) {
    const example = exampleOf(type);
    const coded = (code: unknown) =>
      run(JSON.stringify({ ...example, data: { ...example.data, [name]: code } }));
    expect(coded("c".repeat(300))).toMatchObject({ events: [{ [field]: "c".repeat(255) }] });
    expect(coded("not\there")).toMatchObject({ events: [{ [field]: "not here" }] });
    expect(coded(51)).toMatchObject({ events: [{ [field]: "" }] });
  }
});

test("an outcome that is neither won nor lost is malformed", () => {
  const example = exampleOf("dispute.closed");
  const body = JSON.stringify({ ...example, data: { ...example.data, outcome: "draw" } });
  expect(run(body)).toMatchObject({ detail: 'data.outcome must be won or lost, got "draw"' });
});

test("a type that is not on the page is kept", () => {
  expect(run('{"type":"invoice.created","data":{"amount":1e2}}')).toMatchObject({ kind: "kept" });
});

function money(amountMinor: number) {
  return { amount_minor: amountMinor, currency: "USD" };
}

function refund(data: object) {
  return run(JSON.stringify({ ...exampleOf("payment.refunded"), data }));
}

function run(body: string, provider = "standard") {
  return outcomeOf(webhookWith(body, { provider, providerAccount: "shop", eventId: "msg_1" }));
}
