// The SQL of coupons. How often one was used is counted among the orders that name it, by the
// clock, so an order that expires gives its use back in that moment, without anybody's doing.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { CouponTerms, Uses } from "./discount.ts";
import type { Price } from "./rules.ts";

export type CouponRow = CouponTerms & {
  readonly code: string;
  readonly title: string;
  readonly version: bigint;
  readonly uses: bigint;
  readonly createTime: Date;
  readonly updateTime: Date;
};

export type NewCoupon = Pick<
  CouponRow,
  "code" | "title" | "offerIds" | "startTime" | "endTime" | "usesMax" | "usesPerLearnerMax"
> & { readonly percentBp: number | null; readonly amounts: readonly Price[] };

/** False when the code is or was a coupon's. */
export async function insertCoupon(tx: Tx, coupon: NewCoupon): Promise<boolean> {
  const { code, title, percentBp, amounts, offerIds, startTime, endTime } = coupon;
  const { usesMax, usesPerLearnerMax } = coupon;
  const inserted = await tx`
    insert into coupon (code, title, percent_bp, start_time, end_time, uses_max,
                        uses_per_learner_max)
    values (${code}, ${title}, ${percentBp}, ${startTime}, ${endTime}, ${usesMax},
            ${usesPerLearnerMax})
    on conflict (code) do nothing
  `;
  if (inserted.count === 0) return false;
  await tx`
    insert into coupon_amount (code, currency_code, amount_minor)
    select ${code}, * from unnest(
      ${amounts.map(({ currencyCode }) => currencyCode)}::text[],
      ${amounts.map(({ amountMinor }) => amountMinor)}::bigint[])
  `;
  await tx`
    insert into coupon_offer (code, offer_id)
    select ${code}, * from unnest(${[...offerIds]}::text[])
  `;
  return true;
}

export async function readOfferIds(tx: Tx, offerIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx<{ offerId: string }[]>`
    select offer_id as "offerId" from offer where offer_id = any(${[...offerIds]})
  `;
  return new Set(rows.map(({ offerId }) => offerId));
}

type CouponColumns = Omit<CouponRow, "discount"> & {
  readonly percentBp: number | null;
  readonly currencies: readonly string[];
  readonly amounts: readonly bigint[];
};

/** An order is a use of its coupon unless it is over without ever having been paid. */
function isUse(sql: Pool | Tx) {
  return sql`
    o.state not in ('expired', 'cancelled') and (o.state <> 'pending' or o.expire_time > now())
  `;
}

function coupons(sql: Pool | Tx) {
  return sql`
    select c.code, c.title, c.percent_bp as "percentBp", c.start_time as "startTime",
           c.end_time as "endTime", c.uses_max as "usesMax",
           c.uses_per_learner_max as "usesPerLearnerMax", c.archived, c.version,
           c.create_time as "createTime", c.update_time as "updateTime",
           a.currencies, a.amounts, f.offer_ids as "offerIds", u.uses
    from coupon c
    cross join lateral (
      select coalesce(array_agg(currency_code order by currency_code), '{}') as currencies,
             coalesce(array_agg(amount_minor order by currency_code), '{}') as amounts
      from coupon_amount where code = c.code
    ) a
    cross join lateral (
      select coalesce(array_agg(offer_id order by offer_id), '{}') as offer_ids
      from coupon_offer where code = c.code
    ) f
    cross join lateral (
      select count(*) as uses from "order" o where o.coupon_code = c.code and ${isUse(sql)}
    ) u
  `;
}

export async function readCoupon(sql: Pool | Tx, code: string): Promise<CouponRow | undefined> {
  const [row] = await sql<CouponColumns[]>`${coupons(sql)} where c.code = ${code}`;
  return row && withDiscount(row);
}

export type CouponFilter = { readonly offerId: string; readonly archived: boolean | undefined };

/** By code; one more than fit. The token holds no capitals, so it holds the code in small. */
export async function readCoupons(
  pool: Pool,
  { offerId, archived }: CouponFilter,
  { size, after }: Page,
): Promise<CouponRow[]> {
  const afterCode = after?.toUpperCase() ?? "";
  const rows = await pool<CouponColumns[]>`
    ${coupons(pool)}
    where c.code > ${afterCode}
      and (${archived ?? null}::boolean is null or c.archived = ${archived ?? null})
      and (${offerId} = '' or ${offerId} = any(f.offer_ids) or cardinality(f.offer_ids) = 0)
    order by c.code
    limit ${size + 1}
  `;
  return rows.map(withDiscount);
}

function withDiscount({ percentBp, currencies, amounts, ...coupon }: CouponColumns): CouponRow {
  if (percentBp !== null) return { ...coupon, discount: { percentBp } };
  const byCurrency = currencies.map((currencyCode, n) => [currencyCode, amounts[n] ?? 0n] as const);
  return { ...coupon, discount: { amounts: new Map(byCurrency) } };
}

/**
 * Orders that name it are made under this lock. Where uses are limited they are made one after the
 * other; a coupon that is not limited never will be.
 */
export async function lockCouponForOrder(tx: Tx, code: string): Promise<void> {
  const [coupon] = await tx<{ limited: boolean }[]>`
    select uses_max is not null or uses_per_learner_max is not null as limited
    from coupon where code = ${code}
  `;
  if (coupon?.limited) await tx`select from coupon where code = ${code} for no key update`;
  else await tx`select from coupon where code = ${code} for share`;
}

export async function readUses(
  sql: Pool | Tx,
  { code, usesPerLearnerMax, uses: inAll }: CouponRow,
  learnerId: string | undefined,
): Promise<Uses> {
  if (usesPerLearnerMax === null || learnerId === undefined) return { inAll, byLearner: 0n };
  const [row] = await sql<{ byLearner: bigint }[]>`
    select count(*) as "byLearner" from "order" o
    where o.coupon_code = ${code} and o.learner_id = ${learnerId} and ${isUse(sql)}
  `;
  return { inAll, byLearner: row?.byLearner ?? 0n };
}

/** Changes are made under this lock. */
export async function lockCoupon(tx: Tx, code: string): Promise<CouponRow | undefined> {
  await tx`select from coupon where code = ${code} for no key update`;
  return readCoupon(tx, code);
}

/** The next version of it; the caller has locked it. */
export async function updateCoupon(
  tx: Tx,
  { code, title, endTime, usesMax, usesPerLearnerMax, archived }: CouponRow,
): Promise<void> {
  await tx`
    update coupon set title = ${title}, end_time = ${endTime}, uses_max = ${usesMax},
      uses_per_learner_max = ${usesPerLearnerMax}, archived = ${archived},
      version = version + 1, update_time = now()
    where code = ${code}
  `;
}
