// A payment's totals, told once more by nothing but the names its facts took: what payment-facts.ts
// writes, read back. The books keep totals beside the names; whoever doubts them compares.

import assert from "node:assert/strict";
import { type Named, paymentKey } from "./payment-facts.ts";
import type { PaymentTotals } from "./records.ts";

export type PaymentHistory = Omit<PaymentTotals, "paymentId" | "orderId">;

type Draft = { -readonly [K in keyof PaymentHistory]: PaymentHistory[K] };

/** By the name of the payment's own fact; see `paymentKey`. */
export function readHistories(names: Iterable<Named>): Map<string, PaymentHistory> {
  const histories = new Map<string, PaymentHistory>();
  for (const named of names) {
    const payment = paymentNamed(named);
    if (payment !== undefined) histories.set(payment, addName(histories.get(payment), named));
  }
  return histories;
}

/** The name of the fact of the payment that it is about; undefined: it is about none. */
export function paymentNamed(named: Named): string | undefined {
  const parts = named.key.split("/");
  switch (parts[0]) {
    case "payment":
      return named.key;
    case "refund":
    case "dispute":
      return paymentKey(readAmount(named).paymentId);
    case "refunded_total":
      return `payment/${parts.slice(1, 4).join("/")}/succeeded`;
    default:
      return undefined;
  }
}

/** The payment's history with one more name, which must be about it. */
export function addName(before: PaymentHistory | undefined, named: Named): PaymentHistory {
  const history: Draft = { ...(before ?? noHistory) };
  const parts = named.key.split("/");
  const [what] = parts;
  const last = parts[4];
  if (what === "payment") addPayment(history, named);
  if (what === "refund") {
    const { amountMinor } = readAmount(named);
    if (last === "failed") history.refundsFailedMinor += amountMinor;
    else history.refundsNamedMinor += amountMinor;
  }
  if (what === "refunded_total") {
    const stated = BigInt(last ?? "");
    if (stated > history.refundsStatedMinor) history.refundsStatedMinor = stated;
  }
  if (what === "dispute") {
    const { amountMinor, outcome } = readAmount(named);
    history.disputedMinor += last === "opened" ? amountMinor : -amountMinor;
    if (outcome === "lost") history.lostMinor += amountMinor;
  }
  return history;
}

const noHistory: PaymentHistory = {
  currencyCode: "",
  paidMinor: 0n,
  refundsNamedMinor: 0n,
  refundsStatedMinor: 0n,
  refundsFailedMinor: 0n,
  disputedMinor: 0n,
  lostMinor: 0n,
};

function addPayment(history: Draft, { key, content }: Named): void {
  const [, currencyCode, paid] = /^([A-Z]{3}) (\d+), /.exec(content) ?? [];
  assert(currencyCode && paid, `fact ${key} cannot be read: ${content}`);
  history.currencyCode = currencyCode;
  history.paidMinor = BigInt(paid);
}

/** `USD 3000 of stripe/acct_1/pi_1`, of a dispute's end `lost, ` before it. */
function readAmount({ key, content }: Named) {
  const match = /^(?:(won|lost), )?[A-Z]{3} (\d+) of (.+)$/.exec(content);
  const [, outcome, amount, paymentId] = match ?? [];
  assert(amount && paymentId, `fact ${key} cannot be read: ${content}`);
  return { outcome, amountMinor: BigInt(amount), paymentId };
}
