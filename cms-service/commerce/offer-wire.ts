// Offers, prices and quotes as the wire has them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { OfferSchema, PriceSchema, QuoteSchema } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { Refusal } from "#gen/bursar/cms/v1/refusal_pb.ts";
import { durationOf } from "./duration.ts";
import type { OfferRow, PriceRow } from "./offer-store.ts";
import { digestOf, type Terms } from "./quote.ts";
import { etagOf } from "./stale.ts";

export function offerToWire(offer: OfferRow): MessageInitShape<typeof OfferSchema> {
  const { offerId, title, archived, courseIds, prices, accessDurationS, paymentWindowS } = offer;
  return {
    ...{ offerId, title, archived },
    courseIds: [...courseIds],
    prices: prices.map(({ currencyCode, amountMinor }) => ({ currencyCode, amountMinor })),
    createTime: timestampFromDate(offer.createTime),
    updateTime: timestampFromDate(offer.updateTime),
    paymentWindow: durationOf(paymentWindowS),
    ...(accessDurationS !== null && { accessDuration: durationOf(accessDurationS) }),
    etag: etagOf(offer),
  };
}

export function priceToWire(price: PriceRow): MessageInitShape<typeof PriceSchema> {
  const { priceId, offerId, currencyCode, amountMinor, createTime, archiveTime } = price;
  return {
    ...{ priceId, offerId },
    amount: { currencyCode, amountMinor },
    createTime: timestampFromDate(createTime),
    ...(archiveTime && { archiveTime: timestampFromDate(archiveTime) }),
  };
}

export function quoteToWire(
  terms: Terms,
  ownedCourseIds: readonly string[],
): MessageInitShape<typeof QuoteSchema> {
  const { offer, price, discountMinor, dueMinor, couponCode, couponProblem, expireTime } = terms;
  const { offerId, accessDurationS } = offer;
  const { priceId, currencyCode, amountMinor } = price;
  return {
    ...{ offerId, priceId },
    listPrice: { currencyCode, amountMinor },
    discount: { currencyCode, amountMinor: discountMinor },
    due: { currencyCode, amountMinor: dueMinor },
    couponCode: couponCode ?? "",
    couponProblem: couponProblem ? Refusal[couponProblem] : Refusal.UNSPECIFIED,
    alreadyOwnedCourseIds: [...ownedCourseIds],
    ...(accessDurationS !== null && { accessDuration: durationOf(accessDurationS) }),
    quoteDigest: digestOf(terms),
    ...(expireTime && { expireTime: timestampFromDate(expireTime) }),
  };
}
