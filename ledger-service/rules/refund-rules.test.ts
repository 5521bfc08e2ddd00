// The limits that docs/decisions/0003 names, so that nobody takes them for something else.

import { expect, test } from "vitest";
import { createBooks } from "./books.ts";
import type { PaymentFact } from "./payment-facts.ts";
import { recordFact } from "./record-fact.ts";
import { refundedMinor } from "./refund-rules.ts";

const paymentId = "stripe/acct_1/pi_1";
const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });
const plain = { orderId: "", fee: undefined, tax: undefined };
const succeeded: PaymentFact = {
  ...plain,
  kind: "payment-succeeded",
  paymentId,
  amount: usd(9_000n),
};
const bFailed: PaymentFact = {
  kind: "refund-failed",
  paymentId,
  refundId: "stripe/acct_1/b",
  amount: usd(2_000n),
};

test("an unnamed refund is counted short by a failed one that no total held", () => {
  expect(refundedAfter(stated(3_000n), bFailed)).toBe(1_000n);
  expect(refundedAfter(stated(3_000n), bFailed, named("a", 3_000n))).toBe(3_000n);
  expect(refundedAfter(stated(3_000n), bFailed, stated(5_000n))).toBe(3_000n);
});

test("a refund after a failed one is counted short until those behind the totals are named", () => {
  const facts = [stated(3_000n), stated(5_000n), bFailed, stated(4_000n)];
  expect(refundedAfter(...facts)).toBe(3_000n);
  expect(refundedAfter(...facts, named("a", 3_000n), named("c", 1_000n))).toBe(4_000n);
});

function stated(totalMinor: bigint): PaymentFact {
  return { kind: "payment-refunded", paymentId, refund: undefined, total: usd(totalMinor) };
}

function named(id: string, amountMinor: bigint): PaymentFact {
  const refund = { refundId: `stripe/acct_1/${id}`, amount: usd(amountMinor) };
  return { kind: "payment-refunded", paymentId, refund, total: undefined };
}

function refundedAfter(...facts: readonly PaymentFact[]): bigint {
  const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
  const about = { occurredTime: { seconds: 0n, nanos: 0 }, metadata: [] };
  for (const fact of [succeeded, ...facts]) recordFact(books, fact, about);
  const payment = books.payments.get(paymentId);
  if (!payment) throw new Error(`payment ${paymentId} is not in the books`);
  return refundedMinor(payment);
}
