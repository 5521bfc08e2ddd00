// The chart of accounts that providers' facts are posted to; docs/chart-of-accounts.md shows it
// with numbers. The first segment of a code is its place in the books.

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
  /** What a provider's fact could not write where it belongs, until somebody decides. */
  suspense: "liabilities:suspense",
} as const;

const chartCodes = new Set<string>(Object.values(chart).filter((code) => typeof code === "string"));
const codesOfProviders = Object.values(chart).filter((code) => typeof code === "function");

/** Kind of an account of this chart; undefined for a code that is not in it. */
export function chartKind(accountCode: string): AccountKind | undefined {
  const [place = "", ...names] = accountCode.split(":");
  const ofProvider = names.some((name) => codesOfProviders.some((of) => of(name) === accountCode));
  return ofProvider || chartCodes.has(accountCode) ? kindBySegment.get(place) : undefined;
}

/** Providers with longer names would make codes that no caller could write. */
export const providerLengthMax = 64;

/** First part of a payment's, refund's, dispute's or payout's id. */
export function providerOf(scopedId: string): string {
  return scopedId.split("/", 1)[0] ?? "";
}
