// Providers' facts as the ledger's rules see them, the names they take, and what a decision about
// one looks like. A name says which economic fact it is, never which event reported it, so two
// reports of one fact count once.

import type { Entry, PaymentTotals, Side } from "./records.ts";

export type Money = { readonly amountMinor: bigint; readonly currencyCode: string };

export type OfPayment = { readonly paymentId: string };
export type OfDispute = OfPayment & { readonly disputeId: string; readonly amount: Money };

export type PaymentFact =
  | (OfPayment & {
      readonly kind: "payment-succeeded";
      readonly orderId: string;
      readonly amount: Money;
      readonly fee: Money | undefined;
      readonly tax: Money | undefined;
    })
  | (OfPayment & { readonly kind: "payment-failed"; readonly amount: Money })
  | (OfPayment & {
      readonly kind: "payment-refunded";
      /** At least one of the two is there. */
      readonly refund: { readonly refundId: string; readonly amount: Money } | undefined;
      readonly total: Money | undefined;
    })
  | (OfPayment & {
      readonly kind: "refund-failed";
      readonly refundId: string;
      readonly amount: Money;
    })
  | (OfDispute & { readonly kind: "dispute-opened" })
  | (OfDispute & { readonly kind: "dispute-closed"; readonly outcome: "won" | "lost" })
  | {
      readonly kind: "payout-paid" | "payout-failed";
      readonly payoutId: string;
      readonly amount: Money;
    };

export type Named = { readonly key: string; readonly content: string };

export type Posting = {
  readonly key: string;
  readonly description: string;
  readonly entries: readonly Entry[];
  /** Totals after it; undefined for a payout. */
  readonly payment: PaymentTotals | undefined;
};

export type FactDecision =
  | {
      readonly kind: "accepted";
      /** Names this fact takes; none when all of it was known. */
      readonly named: readonly Named[];
      readonly postings: readonly Posting[];
      /** Totals after the fact; undefined when they stay as they are. */
      readonly payment: PaymentTotals | undefined;
    }
  | { readonly kind: "parked"; readonly waitsFor: string }
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "conflict"; readonly detail: string };

export type FactBooks = {
  readonly reported: ReadonlyMap<string, Named>;
  readonly payments: ReadonlyMap<string, PaymentTotals>;
};

export type Of<K extends PaymentFact["kind"]> = Extract<PaymentFact, { kind: K }>;

/** Names that the decision may ask for; they must be in the books when they were ever reported. */
export function namesOf(fact: PaymentFact): string[] {
  switch (fact.kind) {
    case "payment-succeeded":
      return [paymentKey(fact.paymentId)];
    case "payment-failed":
      return [];
    case "payment-refunded":
      return [
        ...(fact.refund ? [refundKey(fact.refund.refundId)] : []),
        ...(fact.total ? [totalKey(fact.paymentId, fact.total)] : []),
      ];
    case "refund-failed":
      return [refundKey(fact.refundId), refundFailedKey(fact.refundId)];
    case "dispute-opened":
    case "dispute-closed":
      return [disputeKey(fact.disputeId, "opened"), disputeKey(fact.disputeId, "closed")];
    case "payout-paid":
    case "payout-failed":
      return [payoutKey(fact.payoutId, "paid"), payoutKey(fact.payoutId, "failed")];
  }
}

/** Every amount that the fact tells. */
export function moneyOf(fact: PaymentFact): Money[] {
  switch (fact.kind) {
    case "payment-succeeded":
      return [fact.amount, fact.fee, fact.tax].filter((money) => money !== undefined);
    case "payment-refunded":
      return [fact.refund?.amount, fact.total].filter((money) => money !== undefined);
    default:
      return [fact.amount];
  }
}

/** What waits for a payment waits under this key. */
export function arrivalOf(paymentId: string): string {
  return `payment/${paymentId}`;
}

export type Naming =
  | { readonly kind: "new"; readonly named: Named }
  | { readonly kind: "known"; readonly decision: FactDecision }
  | { readonly kind: "conflict"; readonly decision: FactDecision };

export const known: FactDecision = {
  kind: "accepted",
  named: [],
  postings: [],
  payment: undefined,
};
export const flipped = ["credit", "debit"] as const;

/** A name is taken once; the same name with another content contradicts what stands. */
export function nameOnce(books: FactBooks, key: string, content: string): Naming {
  const before = books.reported.get(key);
  if (!before) return { kind: "new", named: { key, content } };
  if (before.content === content) return { kind: "known", decision: known };
  const detail = `${key} was reported as "${before.content}", now as "${content}"`;
  return { kind: "conflict", decision: { kind: "conflict", detail } };
}

export function refuse(detail: string): FactDecision {
  return { kind: "refused", detail };
}

/** Entries of one asset; a leg over nothing is left out. */
export function legs(
  assetCode: string,
  lines: readonly (readonly [Side, string, bigint])[],
): Entry[] {
  return lines
    .filter(([, , amountMinor]) => amountMinor > 0n)
    .map(([side, accountCode, amountMinor]) => {
      return { account: { accountCode, assetCode }, side, amountMinor };
    });
}

export function moneyText({ amountMinor, currencyCode }: Money): string {
  return `${currencyCode} ${amountMinor}`;
}

export const paymentKey = (paymentId: string) => `payment/${exact(paymentId)}/succeeded`;
export const refundKey = (refundId: string) => `refund/${exact(refundId)}`;
export const refundFailedKey = (refundId: string) => `refund/${exact(refundId)}/failed`;
export const totalKey = (paymentId: string, { amountMinor }: Money) =>
  `refunded_total/${exact(paymentId)}/${amountMinor}`;
export const disputeKey = (disputeId: string, outcome: "opened" | "closed") =>
  `dispute/${exact(disputeId)}/${outcome}`;
export const payoutKey = (payoutId: string, outcome: "paid" | "failed") =>
  `payout/${exact(payoutId)}/${outcome}`;

/** A provider's own id may contain a slash; escaped, it cannot run into what follows it. */
function exact(scopedId: string): string {
  const account = scopedId.indexOf("/") + 1;
  const own = scopedId.indexOf("/", account) + 1;
  if (!scopedId.includes("%") && !scopedId.includes("/", own)) return scopedId;
  const escaped = scopedId.slice(own).replaceAll("%", "%25").replaceAll("/", "%2F");
  return scopedId.slice(0, own) + escaped;
}
