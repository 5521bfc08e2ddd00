// Disputes. The bank takes the money back while one is open; then it comes back, or is lost.

import { chart, providerOf } from "./chart.ts";
import {
  disputeKey,
  type FactBooks,
  type FactDecision,
  legs,
  moneyText,
  type Named,
  nameOnce,
  type Of,
  type OfDispute,
  refuse,
} from "./payment-facts.ts";
import { int64Max } from "./posting.ts";
import type { PaymentTotals } from "./records.ts";

export function decideDisputeOpened(
  books: FactBooks,
  payment: PaymentTotals,
  fact: Of<"dispute-opened">,
): FactDecision {
  if (fact.amount.amountMinor === 0n) return refuse(`dispute ${fact.disputeId} is over nothing`);
  const opening = nameOnce(books, disputeKey(fact.disputeId, "opened"), disputeText(fact));
  if (opening.kind !== "new") return opening.decision;
  const { posting, after } = openDispute(payment, fact, opening.named);
  if (after.disputedMinor > int64Max) {
    return refuse(`disputes of ${payment.paymentId} exceed the range of int64`);
  }
  return { kind: "accepted", named: [opening.named], postings: [posting], payment: after };
}

/** Posts the opening first when it was not seen before: the end is the same in either order. */
export function decideDisputeClosed(
  books: FactBooks,
  payment: PaymentTotals,
  fact: Of<"dispute-closed">,
): FactDecision {
  const { disputeId, amount, outcome, paymentId } = fact;
  if (amount.amountMinor === 0n) return refuse(`dispute ${disputeId} is over nothing`);
  const opening = nameOnce(books, disputeKey(disputeId, "opened"), disputeText(fact));
  if (opening.kind === "conflict") return opening.decision;
  const closingText = `${outcome}, ${disputeText(fact)}`;
  const closing = nameOnce(books, disputeKey(disputeId, "closed"), closingText);
  if (closing.kind !== "new") return closing.decision;

  const opened = opening.kind === "new" ? openDispute(payment, fact, opening.named) : undefined;
  const open = opened?.after ?? payment;
  const lostMinor = open.lostMinor + (outcome === "lost" ? amount.amountMinor : 0n);
  if (open.disputedMinor > int64Max || lostMinor > int64Max) {
    return refuse(`disputes of ${paymentId} exceed the range of int64`);
  }
  const disputedMinor = open.disputedMinor - amount.amountMinor;
  const after: PaymentTotals = { ...open, disputedMinor, lostMinor };
  const provider = providerOf(paymentId);
  const debited = outcome === "won" ? chart.clearing(provider) : chart.disputesLost;
  const entries = legs(amount.currencyCode, [
    ["debit", debited, amount.amountMinor],
    ["credit", chart.disputed(provider), amount.amountMinor],
  ]);
  const description = `dispute ${outcome}`;
  const posting = { key: closing.named.key, description, entries, payment: after };
  return {
    kind: "accepted",
    named: opening.kind === "new" ? [opening.named, closing.named] : [closing.named],
    postings: opened ? [opened.posting, posting] : [posting],
    payment: after,
  };
}

function openDispute(payment: PaymentTotals, { amount, paymentId }: OfDispute, { key }: Named) {
  const { amountMinor, currencyCode } = amount;
  const provider = providerOf(paymentId);
  const after = { ...payment, disputedMinor: payment.disputedMinor + amountMinor };
  const entries = legs(currencyCode, [
    ["debit", chart.disputed(provider), amountMinor],
    ["credit", chart.clearing(provider), amountMinor],
  ]);
  return { posting: { key, description: "dispute opened", entries, payment: after }, after };
}

function disputeText({ amount, paymentId }: OfDispute): string {
  return `${moneyText(amount)} of ${paymentId}`;
}
