import fc from "fast-check";
import { expect, test } from "vitest";
import { createBooks } from "./books.ts";
import { type PaymentFact, paymentKey } from "./payment-facts.ts";
import { readHistories } from "./payment-history.ts";
import { recordFact } from "./record-fact.ts";
import type { PaymentTotals } from "./records.ts";

const money = fc
  .bigInt({ min: 0n, max: 900n })
  .map((amountMinor) => ({ amountMinor, currencyCode: "USD" }));
const paymentId = fc.constantFrom("stripe/a/pi_1", "stripe/a/pi/1/succeeded", "stripe/a/pi%2F1");
const id = fc.constantFrom("stripe/a/1", "stripe/a/2", "stripe/a/2/failed", "hub/b/3/opened");
const facts = fc.array(
  fc.oneof<fc.Arbitrary<PaymentFact>[]>(
    fc.record({
      kind: fc.constant("payment-succeeded"),
      paymentId,
      orderId: fc.constantFrom("", "order of 9"),
      amount: money,
      fee: fc.constant(undefined),
      tax: fc.constant(undefined),
    }),
    fc.record({
      kind: fc.constant("payment-refunded"),
      paymentId,
      refund: fc.record({ refundId: id, amount: money }),
      total: fc.option(money, { nil: undefined }),
    }),
    fc.record({
      kind: fc.constant("payment-refunded"),
      paymentId,
      refund: fc.constant(undefined),
      total: money,
    }),
    fc.record({ kind: fc.constant("refund-failed"), paymentId, refundId: id, amount: money }),
    fc.record({ kind: fc.constant("dispute-opened"), paymentId, disputeId: id, amount: money }),
    fc.record({
      kind: fc.constant("dispute-closed"),
      paymentId,
      disputeId: id,
      amount: money,
      outcome: fc.constantFrom("won", "lost"),
    }),
  ),
  { maxLength: 60 },
);

test("the names that facts took tell the totals of every payment", () => {
  fc.assert(
    fc.property(facts, (all) => {
      const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
      const about = { occurredTime: { seconds: 0n, nanos: 0 }, metadata: [] };
      for (const fact of all) recordFact(books, fact, about);
      const kept = [...books.payments.values()].map((payment) => {
        return [paymentKey(payment.paymentId), totalsOf(payment)] as const;
      });
      expect(readHistories(books.written.reported)).toEqual(new Map(kept));
    }),
    { numRuns: 500 },
  );
});

function totalsOf(payment: PaymentTotals) {
  const { currencyCode, paidMinor, disputedMinor, lostMinor } = payment;
  const { refundsNamedMinor, refundsStatedMinor, refundsFailedMinor } = payment;
  return {
    currencyCode,
    paidMinor,
    refundsNamedMinor,
    refundsStatedMinor,
    refundsFailedMinor,
    disputedMinor,
    lostMinor,
  };
}
