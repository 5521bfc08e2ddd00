// The state of an order, summed up from its payments. It answers the first of
// these questions that can be answered with yes.

import { type Due, grantState, keptMinor, type Payment } from "./payment.ts";

export type OrderState =
  | "pending"
  | "paid"
  | "underpaid"
  | "overpaid"
  | "wrong-currency"
  | "disputed"
  | "refunded";

export function orderState(due: Due, payments: readonly Payment[]): OrderState {
  const grants = new Set(payments.map((payment) => grantState(due, payment)));
  const kept = payments.filter((payment) => keptMinor(payment) > 0n);
  const [inDueCurrency, inAnother] = [
    kept.filter(({ currencyCode }) => currencyCode === due.currencyCode),
    kept.filter(({ currencyCode }) => currencyCode !== due.currencyCode),
  ];

  if (grants.has("active")) {
    const tooMuch = totalKeptMinor(inDueCurrency) > due.amountMinor || inAnother.length > 0;
    return tooMuch ? "overpaid" : "paid";
  }
  if (grants.has("suspended")) return "disputed";
  // Money that is kept and opens nothing: somebody has to look at it.
  if (inDueCurrency.length > 0) return "underpaid";
  if (inAnother.length > 0) return "wrong-currency";
  return payments.some(({ paidMinor }) => paidMinor > 0n) ? "refunded" : "pending";
}

function totalKeptMinor(payments: readonly Payment[]): bigint {
  return payments.reduce((sum, payment) => sum + keptMinor(payment), 0n);
}
