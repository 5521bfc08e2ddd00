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
export type PaymentTotals = PaymentKey & {
  readonly orderId: string;
  readonly ledgerSequence: bigint;
  readonly currencyCode: string;
  readonly paidMinor: bigint;
  readonly refundedMinor: bigint;
  readonly disputedMinor: bigint;
  readonly lostMinor: bigint;
};

export type Payment = PaymentTotals & {
  /** When the earliest of the facts about it took effect: of those that were heard of. */
  readonly paidTime: Date;
};

export type Judgement = "covers" | "underpays" | "wrong-currency";

export type GrantState = "active" | "suspended" | "revoked" | "void";

/** Amounts of two currencies are never compared, so the currency is looked at first. */
export function judgePayment(due: Due, payment: PaymentTotals): Judgement {
  if (payment.currencyCode !== due.currencyCode) return "wrong-currency";
  return payment.paidMinor < due.amountMinor ? "underpays" : "covers";
}

/** State of every grant that comes from the payment, but for the clock. */
export function grantState(due: Due, payment: PaymentTotals): GrantState {
  if (judgePayment(due, payment) !== "covers") return "void";
  if (keptMinor(payment) <= 0n) return "revoked";
  return payment.disputedMinor > 0n ? "suspended" : "active";
}

/** What of the payment has neither gone back nor been lost. Disputed money is still kept. */
export function keptMinor({ paidMinor, refundedMinor, lostMinor }: PaymentTotals): bigint {
  return paidMinor - refundedMinor - lostMinor;
}

/** The last moment that a timestamp can name. */
const timeMax = new Date("9999-12-31T23:59:59Z");

/** When access that begins at a time runs out; null: never, or beyond all calendars. */
export function expiryOf(start: Date, durationS: bigint | null): Date | null {
  if (durationS === null) return null;
  const millis = start.getTime() + Number(durationS) * 1_000;
  return millis <= timeMax.getTime() ? new Date(millis) : null;
}

/** Totals of the higher sequence, and the earlier time: it does not matter which came first. */
export function newerTotals(a: Payment, b: Payment): Payment {
  const newest = b.ledgerSequence > a.ledgerSequence ? b : a;
  const paidTime = a.paidTime <= b.paidTime ? a.paidTime : b.paidTime;
  return newest.paidTime === paidTime ? newest : { ...newest, paidTime };
}
