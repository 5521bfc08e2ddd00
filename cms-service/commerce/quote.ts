// The terms on which an order would be made at this moment: those a quote shows, and those an
// order is made on. Both are read here, so that they cannot differ in kind.

import { createHash } from "node:crypto";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { readCoupon, readUses } from "./coupon-store.ts";
import { applyCoupon, type CouponProblem, normaliseCode } from "./discount.ts";
import { type OfferRow, readCourses, readOffer } from "./offer-store.ts";
import { decideOrder, type ListPrice } from "./rules.ts";

export type Question = {
  readonly offerId: string;
  readonly currencyCode: string;
  /** As it was typed; empty without one. */
  readonly couponCode: string;
  readonly learnerId: string | undefined;
};

type TermsProblem = CouponProblem | "COUPON_NOT_FOUND";

export type Terms = {
  readonly offer: OfferRow;
  readonly price: ListPrice;
  readonly discountMinor: bigint;
  readonly dueMinor: bigint;
  /** Of the coupon that applies. */
  readonly couponCode: string | undefined;
  readonly couponProblem: TermsProblem | undefined;
  /** When the clock ends the terms. */
  readonly expireTime: Date | undefined;
};

/** Refuses where no order could be made; a coupon that does not apply is told, not refused. */
export async function readTerms(sql: Pool | Tx, question: Question, now: Date): Promise<Terms> {
  const { offerId, currencyCode } = question;
  const offer = await readOffer(sql, offerId);
  if (!offer) throw notFound("OFFER_NOT_FOUND", offerId);
  const decision = decideOrder(offer, currencyCode);
  if (!decision.accepted) {
    const why = {
      OFFER_ARCHIVED: `offer ${offerId} takes no more orders`,
      CURRENCY_NOT_OFFERED: `offer ${offerId} has no price in ${currencyCode}`,
    };
    throw refused(decision.reason, why[decision.reason], { resource: offerId });
  }
  await refuseNotOnSale(sql, offer.courseIds);
  const { price } = decision;
  const full = { offer, price, discountMinor: 0n, dueMinor: price.amountMinor };
  const coupon = await judgeCoupon(sql, question, price.amountMinor, now);
  if (!coupon.applies) {
    return { ...full, couponCode: undefined, couponProblem: coupon.problem, expireTime: undefined };
  }
  const { discountMinor, couponCode, endTime } = coupon;
  const dueMinor = price.amountMinor - discountMinor;
  const expireTime = endTime ?? undefined;
  return { ...full, discountMinor, dueMinor, couponCode, couponProblem: undefined, expireTime };
}

type Judged =
  | {
      readonly applies: true;
      readonly discountMinor: bigint;
      readonly couponCode: string;
      readonly endTime: Date | null;
    }
  | { readonly applies: false; readonly problem: TermsProblem | undefined };

async function judgeCoupon(
  sql: Pool | Tx,
  { offerId, currencyCode, couponCode: typed, learnerId }: Question,
  listMinor: bigint,
  now: Date,
): Promise<Judged> {
  const couponCode = normaliseCode(typed);
  if (couponCode === "") return { applies: false, problem: undefined };
  const coupon = await readCoupon(sql, couponCode);
  if (!coupon) return { applies: false, problem: "COUPON_NOT_FOUND" };
  const uses = await readUses(sql, coupon, learnerId);
  const decision = applyCoupon(coupon, { offerId, currencyCode, listMinor }, uses, now);
  if (!decision.applies) return decision;
  return { ...decision, couponCode, endTime: coupon.endTime };
}

/** What is not on sale, nobody can see or is archived. */
export async function refuseNotOnSale(sql: Pool | Tx, courseIds: readonly string[]): Promise<void> {
  const courses = await readCourses(sql, courseIds);
  const onSale = new Map(courses.map((course) => [course.courseId, course.onSale]));
  for (const courseId of courseIds) {
    const isOnSale = onSale.get(courseId);
    if (isOnSale) continue;
    if (isOnSale === undefined) throw notFound("COURSE_NOT_FOUND", courseId);
    const message = `course ${courseId} is not published, or it is archived, so it is not sold`;
    throw refused("COURSE_NOT_PUBLISHED", message, { resource: courseId });
  }
}

/** The same terms have the same digest, whoever asks and whenever. */
export function digestOf({ offer, price, discountMinor, dueMinor, couponCode }: Terms): string {
  const { offerId, courseIds, accessDurationS } = offer;
  const { priceId, currencyCode, amountMinor } = price;
  const amounts = [amountMinor, discountMinor, dueMinor].map(String);
  const duration = accessDurationS === null ? "" : String(accessDurationS);
  const parts = [offerId, priceId, currencyCode, ...amounts, couponCode ?? "", duration, courseIds];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}
