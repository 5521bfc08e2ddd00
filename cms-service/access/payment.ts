// What one payment is worth to its order, and what the grants that come from it
// are: the rule by which money opens a course and takes it away again. It reads
// totals, never differences, so that nothing depends on what was seen before.

/** What an order asks for. */
export type Due = {
  readonly currencyCode: string;
  readonly amountMinor: bigint;
};

/** A payment is named by its ledger and its id: each ledger counts sequences of its own. */
export type PaymentKey = {
  readonly ledgerId: string;
  readonly paymentId: string;
};

/** The totals of a payment after the fact of a ledger sequence. */
export type Payment = PaymentKey & {
  readonly orderId: string;
  readonly ledgerSequence: bigint;
  readonly currencyCode: string;
  readonly paidMinor: bigint;
  readonly refundedMinor: bigint;
  readonly disputedMinor: bigint;
  readonly lostMinor: bigint;
};

export type Judgement = "covers" | "underpays" | "wrong-currency";

export type GrantState = "active" | "suspended" | "revoked" | "void";

/** Amounts of two currencies are never compared, so the currency is looked at first. */
export function judgePayment(due: Due, payment: Payment): Judgement {
  if (payment.currencyCode !== due.currencyCode) return "wrong-currency";
  return payment.paidMinor < due.amountMinor ? "underpays" : "covers";
}

/** State of every grant that comes from the payment. */
export function grantState(due: Due, payment: Payment): GrantState {
  if (judgePayment(due, payment) !== "covers") return "void";
  if (keptMinor(payment) <= 0n) return "revoked";
  return payment.disputedMinor > 0n ? "suspended" : "active";
}

/** What of the payment has neither gone back nor been lost. Disputed money is still kept. */
export function keptMinor({ paidMinor, refundedMinor, lostMinor }: Payment): bigint {
  return paidMinor - refundedMinor - lostMinor;
}
