// The state of an order, summed up from its payments. It answers the first of
// these questions that can be answered with yes.

import { type Due, grantState, keptMinor, type PaymentTotals } from "./payment.ts";

export type OrderState =
  | "pending"
  | "paid"
  | "underpaid"
  | "overpaid"
  | "wrong-currency"
  | "disputed"
  | "refunded"
  | "expired"
  | "cancelled";

/** What an order is in while no money is known. */
export type UnpaidState = Extract<OrderState, "pending" | "expired" | "cancelled">;

export function orderState(
  due: Due,
  payments: readonly PaymentTotals[],
  unpaid: UnpaidState = "pending",
): OrderState {
  const grants = new Set(payments.map((payment) => grantState(due, payment)));
  const kept = payments.filter((payment) => keptMinor(payment) > 0n);
  const [inDueCurrency, inAnother] = [
    kept.filter(({ currencyCode }) => currencyCode === due.currencyCode),
    kept.filter(({ currencyCode }) => currencyCode !== due.currencyCode),
  ];

  // Nothing was due, so nothing can take it away: all that can be is too much.
  if (due.amountMinor === 0n) return kept.length > 0 ? "overpaid" : "paid";
  if (grants.has("active")) {
    const tooMuch = totalKeptMinor(inDueCurrency) > due.amountMinor || inAnother.length > 0;
    return tooMuch ? "overpaid" : "paid";
  }
  if (grants.has("suspended")) return "disputed";
  // Money that is kept and opens nothing: somebody has to look at it.
  if (inDueCurrency.length > 0) return "underpaid";
  if (inAnother.length > 0) return "wrong-currency";
  return payments.some(({ paidMinor }) => paidMinor > 0n) ? "refunded" : unpaid;
}

function totalKeptMinor(payments: readonly PaymentTotals[]): bigint {
  return payments.reduce((sum, payment) => sum + keptMinor(payment), 0n);
}
