// What may be put up for sale, and what may be ordered.

import { currencyScale } from "#mesh/money/currency.ts";

export type Price = {
  readonly currencyCode: string;
  readonly amountMinor: bigint;
};

export type PriceProblem = { readonly currencyCode: string; readonly problem: string };

/** A price above zero, one a currency that money comes in. Undefined when all is well. */
export function refusePrices(prices: readonly Price[]): PriceProblem | undefined {
  const seen = new Set<string>();
  for (const { currencyCode, amountMinor } of prices) {
    if (amountMinor <= 0n) return { currencyCode, problem: `price is ${amountMinor}` };
    if (currencyScale(currencyCode) === undefined) {
      return { currencyCode, problem: "is no currency of ISO 4217" };
    }
    if (seen.has(currencyCode)) return { currencyCode, problem: "has two prices" };
    seen.add(currencyCode);
  }
  return undefined;
}

export type ListPrice = Price & { readonly priceId: string };

export type Offer = {
  readonly archived: boolean;
  readonly prices: readonly ListPrice[];
};

export type OrderDecision =
  | { readonly accepted: true; readonly price: ListPrice }
  | { readonly accepted: false; readonly reason: "OFFER_ARCHIVED" | "CURRENCY_NOT_OFFERED" };

export function decideOrder({ archived, prices }: Offer, currencyCode: string): OrderDecision {
  if (archived) return { accepted: false, reason: "OFFER_ARCHIVED" };
  const price = prices.find((active) => active.currencyCode === currencyCode);
  return price ? { accepted: true, price } : { accepted: false, reason: "CURRENCY_NOT_OFFERED" };
}
