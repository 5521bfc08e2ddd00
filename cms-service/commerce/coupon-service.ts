// CouponService: what lowers a price, how often, until when and for which offers.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type CouponSchema,
  CouponService,
  type CreateCouponRequest,
} from "#gen/bursar/cms/v1/coupon_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import * as store from "./coupon-store.ts";
import { isLowered, normaliseCode } from "./discount.ts";
import { refusePrices } from "./rules.ts";
import { etagOf, fieldsOf, refuseStale } from "./stale.ts";

const changeable = ["title", "end_time", "uses_max", "uses_per_learner_max"];

export function couponService(pool: Pool): ServiceImpl<typeof CouponService> {
  return {
    createCoupon: (request) =>
      inTransaction(pool, (tx) =>
        once(tx, CouponService.method.createCoupon, request, async () => {
          const coupon = couponOf(request);
          const { code, offerIds } = coupon;
          const known = await store.readOfferIds(tx, offerIds);
          const unknown = offerIds.find((offerId) => !known.has(offerId));
          if (unknown !== undefined) throw notFound("OFFER_NOT_FOUND", unknown);
          if (!(await store.insertCoupon(tx, coupon))) {
            const message = `coupon ${code} is or was another one: choose another code`;
            throw refused("COUPON_EXISTS", message, { resource: code });
          }
          return { coupon: await readCoupon(tx, code) };
        }),
      ),

    updateCoupon: ({ code: typed, coupon: wanted, updateMask, etag }) =>
      inTransaction(pool, async (tx) => {
        const fields = fieldsOf(updateMask, changeable);
        const before = await lockFresh(tx, typed, etag);
        const after = {
          ...before,
          ...(fields.has("title") && { title: wanted?.title ?? "" }),
          ...(fields.has("end_time") && { endTime: dateOf(wanted?.endTime) }),
          ...(fields.has("uses_max") && { usesMax: wanted?.usesMax ?? null }),
          ...(fields.has("uses_per_learner_max") && {
            usesPerLearnerMax: wanted?.usesPerLearnerMax ?? null,
          }),
        };
        refuseWindow(after);
        refuseLowered(before, after, "usesMax");
        refuseLowered(before, after, "usesPerLearnerMax");
        await store.updateCoupon(tx, after);
        return { coupon: await readCoupon(tx, before.code) };
      }),

    async getCoupon({ code }) {
      return { coupon: await readCoupon(pool, normaliseCode(code)) };
    },

    async listCoupons(request) {
      const { offerId, archived } = request;
      const question = ["ListCoupons", offerId, String(archived ?? "")];
      const page = readPage(request, question);
      const coupons = await store.readCoupons(pool, { offerId, archived }, page);
      const codeOf = ({ code }: store.CouponRow) => code.toLowerCase();
      const { rows, nextPageToken } = cutPage(coupons, page, question, codeOf);
      return { coupons: rows.map(couponToWire), nextPageToken };
    },

    archiveCoupon: ({ code: typed, etag }) =>
      inTransaction(pool, async (tx) => {
        const before = await lockFresh(tx, typed, etag);
        if (!before.archived) await store.updateCoupon(tx, { ...before, archived: true });
        return { coupon: await readCoupon(tx, before.code) };
      }),
  };
}

function couponOf(request: CreateCouponRequest): store.NewCoupon {
  const code = normaliseCode(request.code);
  const { title, discount, offerIds, usesMax = null, usesPerLearnerMax = null } = request;
  const amounts = discount.case === "fixed" ? discount.value.amounts : [];
  const problem = refusePrices(amounts);
  if (problem) {
    const message = `coupon ${code}: ${problem.currencyCode} ${problem.problem}`;
    throw refused("COUPON_INVALID", message, { resource: code });
  }
  const percentBp = discount.case === "percentBp" ? discount.value : null;
  const [startTime, endTime] = [dateOf(request.startTime), dateOf(request.endTime)];
  const coupon = { code, title, percentBp, amounts, offerIds, startTime, endTime };
  refuseWindow(coupon);
  return { ...coupon, usesMax, usesPerLearnerMax };
}

function refuseWindow({
  code,
  startTime,
  endTime,
}: Pick<store.CouponRow, "code" | "startTime" | "endTime">): void {
  if (startTime === null || endTime === null || startTime < endTime) return;
  const message =
    `coupon ${code} would end at ${endTime.toISOString()}, ` +
    `not after its start at ${startTime.toISOString()}`;
  throw refused("COUPON_INVALID", message, { resource: code });
}

function refuseLowered(
  { code, ...before }: store.CouponRow,
  after: store.CouponRow,
  limit: "usesMax" | "usesPerLearnerMax",
): void {
  if (!isLowered(before[limit], after[limit])) return;
  const name = { usesMax: "uses_max", usesPerLearnerMax: "uses_per_learner_max" }[limit];
  const message =
    `coupon ${code}: ${name} is ${before[limit] ?? "any number"} and does not go down to ` +
    `${after[limit]}; archive the coupon, or let it end earlier`;
  throw refused("COUPON_LIMIT_LOWERED", message, { resource: code });
}

/** The coupon as its etag says, locked. */
async function lockFresh(tx: Tx, typed: string, etag: string): Promise<store.CouponRow> {
  const code = normaliseCode(typed);
  const coupon = await store.lockCoupon(tx, code);
  if (!coupon) throw notFound("COUPON_NOT_FOUND", code);
  refuseStale("coupon", code, coupon, etag);
  return coupon;
}

async function readCoupon(sql: Pool | Tx, code: string) {
  const coupon = await store.readCoupon(sql, code);
  if (!coupon) throw notFound("COUPON_NOT_FOUND", code);
  return couponToWire(coupon);
}

function dateOf(time: Timestamp | undefined): Date | null {
  return time ? timestampDate(time) : null;
}

function couponToWire(coupon: store.CouponRow): MessageInitShape<typeof CouponSchema> {
  const { code, title, discount, offerIds, startTime, endTime, uses, archived } = coupon;
  const { usesMax, usesPerLearnerMax } = coupon;
  return {
    ...{ code, title, uses, archived },
    discount: discountToWire(discount),
    offerIds: [...offerIds],
    ...(startTime && { startTime: timestampFromDate(startTime) }),
    ...(endTime && { endTime: timestampFromDate(endTime) }),
    ...(usesMax !== null && { usesMax }),
    ...(usesPerLearnerMax !== null && { usesPerLearnerMax }),
    etag: etagOf(coupon),
    createTime: timestampFromDate(coupon.createTime),
    updateTime: timestampFromDate(coupon.updateTime),
  };
}

function discountToWire(discount: store.CouponRow["discount"]) {
  if ("percentBp" in discount) {
    return { case: "percentBp", value: discount.percentBp } as const;
  }
  const amounts = [...discount.amounts].map(([currencyCode, amountMinor]) => {
    return { currencyCode, amountMinor };
  });
  return { case: "fixed", value: { amounts } } as const;
}
