// What providers' facts mean for the books. Facts come in any order and more than once, and always
// end in the same totals: each is kept under its own name, a payment's totals follow from the set
// of names, and what is posted is the difference to what stands posted.

import { chart, providerLengthMax, providerOf } from "./chart.ts";
import { decideDisputeClosed, decideDisputeOpened } from "./dispute-rules.ts";
import {
  arrivalOf,
  type FactBooks,
  type FactDecision,
  flipped,
  known,
  legs,
  moneyOf,
  moneyText,
  nameOnce,
  type Of,
  type PaymentFact,
  paymentKey,
  payoutKey,
  refuse,
} from "./payment-facts.ts";
import type { PaymentTotals } from "./records.ts";
import { decideRefund, decideRefundFailed } from "./refund-rules.ts";

export function decideFact(books: FactBooks, fact: PaymentFact): FactDecision {
  if (providerOf(idOf(fact)).length > providerLengthMax) {
    return refuse(`the provider's name in ${idOf(fact)} is too long, at most ${providerLengthMax}`);
  }
  switch (fact.kind) {
    case "payment-succeeded":
      return decidePayment(books, fact);
    case "payment-failed":
      return known;
    case "payout-paid":
    case "payout-failed":
      return decidePayout(books, fact);
    default:
      return decideOnPayment(books, fact);
  }
}

function decidePayment(books: FactBooks, fact: Of<"payment-succeeded">): FactDecision {
  const { paymentId, orderId, amount } = fact;
  const problem = problemOfPayment(fact);
  if (problem) return refuse(problem);

  const feeMinor = fact.fee?.amountMinor ?? 0n;
  const taxMinor = fact.tax?.amountMinor ?? 0n;
  const content = `${moneyText(amount)}, fee ${feeMinor}, tax ${taxMinor}, order ${orderId || "none"}`;
  const naming = nameOnce(books, paymentKey(paymentId), content);
  if (naming.kind !== "new") return naming.decision;

  const provider = providerOf(paymentId);
  const payment: PaymentTotals = {
    paymentId,
    orderId,
    currencyCode: amount.currencyCode,
    paidMinor: amount.amountMinor,
    refundsNamedMinor: 0n,
    refundsStatedMinor: 0n,
    refundsFailedMinor: 0n,
    disputedMinor: 0n,
    lostMinor: 0n,
  };
  const entries = legs(amount.currencyCode, [
    ["debit", chart.clearing(provider), amount.amountMinor - feeMinor],
    ["debit", chart.fees(provider), feeMinor],
    ["credit", chart.sales, amount.amountMinor - taxMinor],
    ["credit", chart.tax, taxMinor],
  ]);
  const posting = { key: naming.named.key, description: "payment", entries, payment };
  return { kind: "accepted", named: [naming.named], postings: [posting], payment };
}

function problemOfPayment({ paymentId, amount, fee, tax }: Of<"payment-succeeded">) {
  if (amount.amountMinor === 0n) return `payment ${paymentId} is over nothing`;
  for (const [name, part] of [["fee", fee] as const, ["tax", tax] as const]) {
    if (part === undefined) continue;
    if (part.currencyCode !== amount.currencyCode) {
      return `${name} of ${paymentId} is in ${part.currencyCode}, the payment in ${amount.currencyCode}`;
    }
    if (part.amountMinor > amount.amountMinor) {
      return `${name} of ${paymentId} is ${part.amountMinor}, more than the payment's ${amount.amountMinor}`;
    }
  }
  return undefined;
}

/** Facts about a payment wait for it: its currency and its order are not known before. */
function decideOnPayment(
  books: FactBooks,
  fact: Of<"payment-refunded" | "refund-failed" | "dispute-opened" | "dispute-closed">,
): FactDecision {
  const payment = books.payments.get(fact.paymentId);
  if (!payment) return { kind: "parked", waitsFor: arrivalOf(fact.paymentId) };

  for (const money of moneyOf(fact)) {
    if (money.currencyCode !== payment.currencyCode) {
      return refuse(
        `${fact.kind} is in ${money.currencyCode}, payment ${payment.paymentId} in ${payment.currencyCode}`,
      );
    }
  }
  switch (fact.kind) {
    case "payment-refunded":
      return decideRefund(books, payment, fact);
    case "refund-failed":
      return decideRefundFailed(books, payment, fact);
    case "dispute-opened":
      return decideDisputeOpened(books, payment, fact);
    case "dispute-closed":
      return decideDisputeClosed(books, payment, fact);
  }
}

/** A payout that failed ends as if it had never been paid, whichever is heard of first. */
function decidePayout(
  books: FactBooks,
  { kind, payoutId, amount }: Of<"payout-paid" | "payout-failed">,
): FactDecision {
  if (amount.amountMinor === 0n) return refuse(`payout ${payoutId} is over nothing`);
  const [outcome, other] =
    kind === "payout-paid" ? (["paid", "failed"] as const) : (["failed", "paid"] as const);
  const content = moneyText(amount);
  const seenOther = nameOnce(books, payoutKey(payoutId, other), content);
  if (seenOther.kind === "conflict") return seenOther.decision;
  const naming = nameOnce(books, payoutKey(payoutId, outcome), content);
  if (naming.kind !== "new") return naming.decision;

  const moves = outcome === "paid" ? seenOther.kind === "new" : seenOther.kind === "known";
  const [debit, credit] = outcome === "paid" ? (["debit", "credit"] as const) : flipped;
  const entries = legs(amount.currencyCode, [
    [debit, chart.bank, amount.amountMinor],
    [credit, chart.clearing(providerOf(payoutId)), amount.amountMinor],
  ]);
  const { key } = naming.named;
  const posting = { key, description: `payout ${outcome}`, entries, payment: undefined };
  return {
    kind: "accepted",
    named: [naming.named],
    postings: moves ? [posting] : [],
    payment: undefined,
  };
}

function idOf(fact: PaymentFact): string {
  return "paymentId" in fact ? fact.paymentId : fact.payoutId;
}
