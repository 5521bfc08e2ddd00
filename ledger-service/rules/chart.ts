// The chart of accounts that providers' facts are posted to; docs/chart-of-accounts.md shows it
// with numbers. The first segment of a code is its place in the books.

import assert from "node:assert/strict";

export type AccountKind = "asset" | "liability" | "equity" | "income" | "expense";

const kindBySegment = new Map<string, AccountKind>([
  ["assets", "asset"],
  ["liabilities", "liability"],
  ["equity", "equity"],
  ["income", "income"],
  ["expenses", "expense"],
]);

export const chart = {
  /** What a provider holds for us. */
  clearing: (provider: string) => `assets:${provider}:clearing`,
  /** What banks hold back while a dispute is open. */
  disputed: (provider: string) => `assets:${provider}:disputed`,
  bank: "assets:bank",
  fees: (provider: string) => `expenses:fees:${provider}`,
  disputesLost: "expenses:disputes",
  sales: "income:sales",
  refunds: "income:refunds",
  tax: "liabilities:tax",
} as const;

/** Kind of an account of this chart. */
export function chartKind(accountCode: string): AccountKind {
  const kind = kindBySegment.get(accountCode.split(":", 1)[0] ?? "");
  assert(kind, `account ${accountCode} is not in the chart`);
  return kind;
}

/** Providers with longer names would make codes that no caller could write. */
export const providerLengthMax = 64;

/** First part of a payment's, refund's, dispute's or payout's id. */
export function providerOf(scopedId: string): string {
  return scopedId.split("/", 1)[0] ?? "";
}
