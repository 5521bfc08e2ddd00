// Refunds. A provider names refunds, states a payment's total, or both; refunded is the larger of
// the two, less what failed. Each fact posts the difference to what stands posted, so any order of
// the same facts ends in the same books.

import assert from "node:assert/strict";
import { chart, providerOf } from "./chart.ts";
import {
  type FactBooks,
  type FactDecision,
  flipped,
  known,
  legs,
  moneyText,
  type Named,
  nameOnce,
  type Of,
  refundFailedKey,
  refundKey,
  refuse,
  totalKey,
} from "./payment-facts.ts";
import { int64Max } from "./posting.ts";
import type { PaymentTotals } from "./records.ts";

export function refundedMinor(totals: PaymentTotals): bigint {
  const { refundsNamedMinor, refundsStatedMinor, refundsFailedMinor } = totals;
  const statedMore = refundsStatedMinor > refundsNamedMinor;
  // A failed refund is among the named ones, so this cannot fall below zero.
  const refunded = (statedMore ? refundsStatedMinor : refundsNamedMinor) - refundsFailedMinor;
  assert(refunded >= 0n, `refunds of ${totals.paymentId} fell below zero`);
  return refunded;
}

export function decideRefund(
  books: FactBooks,
  payment: PaymentTotals,
  { refund, total, paymentId }: Of<"payment-refunded">,
): FactDecision {
  assert(refund || total, "a refund is named or stated");
  const named: Named[] = [];
  let after = payment;
  if (refund) {
    const content = `${moneyText(refund.amount)} of ${paymentId}`;
    const naming = nameOnce(books, refundKey(refund.refundId), content);
    if (naming.kind === "conflict") return naming.decision;
    if (naming.kind === "new") {
      named.push(naming.named);
      const refundsNamedMinor = after.refundsNamedMinor + refund.amount.amountMinor;
      after = { ...after, refundsNamedMinor };
    }
  }
  if (total) {
    const naming = nameOnce(books, totalKey(paymentId, total), total.currencyCode);
    if (naming.kind === "conflict") return naming.decision;
    if (naming.kind === "new") {
      named.push(naming.named);
      if (total.amountMinor > after.refundsStatedMinor) {
        after = { ...after, refundsStatedMinor: total.amountMinor };
      }
    }
  }
  return acceptRefund(payment, after, named, "refund");
}

/** A refund that failed was named, even when this is the first we hear of it. */
export function decideRefundFailed(
  books: FactBooks,
  payment: PaymentTotals,
  { refundId, amount, paymentId }: Of<"refund-failed">,
): FactDecision {
  const content = `${moneyText(amount)} of ${paymentId}`;
  const refund = nameOnce(books, refundKey(refundId), content);
  if (refund.kind === "conflict") return refund.decision;
  const failure = nameOnce(books, refundFailedKey(refundId), content);
  if (failure.kind !== "new") return failure.decision;

  const { amountMinor } = amount;
  const after: PaymentTotals = {
    ...payment,
    refundsNamedMinor: payment.refundsNamedMinor + (refund.kind === "new" ? amountMinor : 0n),
    refundsFailedMinor: payment.refundsFailedMinor + amountMinor,
  };
  const named = refund.kind === "new" ? [failure.named, refund.named] : [failure.named];
  return acceptRefund(payment, after, named, "refund failed");
}

/** Posts what the totals changed by, which may be nothing, and may be less than nothing. */
function acceptRefund(
  before: PaymentTotals,
  after: PaymentTotals,
  named: readonly Named[],
  description: string,
): FactDecision {
  const [first] = named;
  if (!first) return known;
  if (after.refundsNamedMinor > int64Max) {
    return refuse(`refunds of ${after.paymentId} exceed the range of int64`);
  }
  const { paymentId, currencyCode } = after;
  const difference = refundedMinor(after) - refundedMinor(before);
  const [debit, credit] = difference > 0n ? (["debit", "credit"] as const) : flipped;
  const amountMinor = difference > 0n ? difference : -difference;
  const entries = legs(currencyCode, [
    [debit, chart.refunds, amountMinor],
    [credit, chart.clearing(providerOf(paymentId)), amountMinor],
  ]);
  const posting = { key: first.key, description, entries, payment: after };
  const postings = difference === 0n ? [] : [posting];
  return { kind: "accepted", named, postings, payment: after };
}
