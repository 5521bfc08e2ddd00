// What a coupon takes off a price, exact to the minor unit, and when it does not. Only whole
// numbers of any size: no price is too high for it.

/** A percentage in hundredths of a percent, or an amount in each currency it is good in. */
export type Discount =
  | { readonly percentBp: number }
  | { readonly amounts: ReadonlyMap<string, bigint> };

const percentBpWhole = 10_000n;

/**
 * Undefined: the coupon is good in other currencies only. A percentage is rounded down, so what is
 * due is the exact price or less than a minor unit above it, and all of it only at 100 percent.
 */
export function discountMinor(
  discount: Discount,
  currencyCode: string,
  listMinor: bigint,
): bigint | undefined {
  if ("percentBp" in discount) return (listMinor * BigInt(discount.percentBp)) / percentBpWhole;
  const amount = discount.amounts.get(currencyCode);
  if (amount === undefined) return undefined;
  return amount < listMinor ? amount : listMinor;
}

export type CouponTerms = {
  readonly discount: Discount;
  /** None: it is for all offers. */
  readonly offerIds: readonly string[];
  readonly startTime: Date | null;
  readonly endTime: Date | null;
  /** Null: any number. */
  readonly usesMax: bigint | null;
  readonly usesPerLearnerMax: bigint | null;
  readonly archived: boolean;
};

export type Uses = { readonly inAll: bigint; readonly byLearner: bigint };

export type Purchase = {
  readonly offerId: string;
  readonly currencyCode: string;
  readonly listMinor: bigint;
};

export type CouponProblem =
  | "COUPON_ARCHIVED"
  | "COUPON_NOT_STARTED"
  | "COUPON_ENDED"
  | "COUPON_OFFER_MISMATCH"
  | "COUPON_CURRENCY_MISMATCH"
  | "COUPON_USED_UP"
  | "COUPON_USED_UP_BY_LEARNER";

export type CouponDecision =
  | { readonly applies: true; readonly discountMinor: bigint }
  | { readonly applies: false; readonly problem: CouponProblem };

/** The first problem of the list above that it has. */
export function applyCoupon(
  coupon: CouponTerms,
  { offerId, currencyCode, listMinor }: Purchase,
  uses: Uses,
  now: Date,
): CouponDecision {
  const { archived, startTime, endTime, offerIds, usesMax, usesPerLearnerMax } = coupon;
  const refuse = (problem: CouponProblem) => ({ applies: false, problem }) as const;
  if (archived) return refuse("COUPON_ARCHIVED");
  if (startTime !== null && now < startTime) return refuse("COUPON_NOT_STARTED");
  if (endTime !== null && now >= endTime) return refuse("COUPON_ENDED");
  if (offerIds.length > 0 && !offerIds.includes(offerId)) return refuse("COUPON_OFFER_MISMATCH");
  const off = discountMinor(coupon.discount, currencyCode, listMinor);
  if (off === undefined) return refuse("COUPON_CURRENCY_MISMATCH");
  if (usesMax !== null && uses.inAll >= usesMax) return refuse("COUPON_USED_UP");
  if (usesPerLearnerMax !== null && uses.byLearner >= usesPerLearnerMax) {
    return refuse("COUPON_USED_UP_BY_LEARNER");
  }
  return { applies: true, discountMinor: off };
}

/** A limit may be raised or lifted, never lowered: who was promised a use keeps it. */
export function isLowered(before: bigint | null, after: bigint | null): boolean {
  return after !== null && (before === null || after < before);
}

/** The one way a code is written, however somebody types it. */
export function normaliseCode(code: string): string {
  return code.trim().toUpperCase();
}
