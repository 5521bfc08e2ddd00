// The SQL of offers and their prices. What an offer sells and for how much is inserted and read,
// never changed: a price is archived, and another one takes its place.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import { newId } from "../requests/identifiers.ts";
import type { Page } from "../requests/page.ts";
import type { ListPrice, Price } from "./rules.ts";

export type OfferTerms = {
  readonly title: string;
  /** Null: for ever. */
  readonly accessDurationS: bigint | null;
  readonly paymentWindowS: bigint;
};

export type OfferRow = OfferTerms & {
  readonly offerId: string;
  readonly archived: boolean;
  readonly version: bigint;
  readonly createTime: Date;
  readonly updateTime: Date;
  readonly courseIds: readonly string[];
  /** The active ones, by currency. */
  readonly prices: readonly ListPrice[];
};

export type CourseOnSale = { readonly courseId: string; readonly onSale: boolean };

/** A course is on sale while learners see it and it is listed. */
export async function readCourses(
  sql: Pool | Tx,
  courseIds: readonly string[],
): Promise<CourseOnSale[]> {
  return sql<CourseOnSale[]>`
    select c.course_id as "courseId", coalesce(l.listed, false) as "onSale"
    from course c
    left join live_course l using (course_id)
    where c.course_id = any(${[...courseIds]})
  `;
}

type NewOffer = OfferTerms & Pick<OfferRow, "offerId" | "courseIds">;

export async function insertOffer(
  tx: Tx,
  { offerId, title, accessDurationS, paymentWindowS, courseIds }: NewOffer,
): Promise<void> {
  await tx`
    insert into offer (offer_id, title, access_duration_s, payment_window_s)
    values (${offerId}, ${title}, ${accessDurationS}, ${paymentWindowS})
  `;
  await tx`
    insert into offer_course (offer_id, position, course_id)
    select ${offerId}, position - 1, course_id
    from unnest(${[...courseIds]}::text[]) with ordinality as sold (course_id, position)
  `;
}

export async function insertPrices(
  tx: Tx,
  offerId: string,
  prices: readonly Price[],
): Promise<string[]> {
  const priceIds = prices.map(() => newId("prc"));
  await tx`
    insert into price (price_id, offer_id, currency_code, amount_minor)
    select price_id, ${offerId}, currency_code, amount_minor from unnest(
      ${priceIds}::text[],
      ${prices.map(({ currencyCode }) => currencyCode)}::text[],
      ${prices.map(({ amountMinor }) => amountMinor)}::bigint[])
      as named (price_id, currency_code, amount_minor)
  `;
  return priceIds;
}

/** Orders are made under this lock, so none is made on terms that somebody is changing. */
export async function lockOfferForOrder(tx: Tx, offerId: string): Promise<boolean> {
  const locked = await tx`select from offer where offer_id = ${offerId} for share`;
  return locked.count === 1;
}

export type LockedOffer = OfferTerms & { readonly archived: boolean; readonly version: bigint };

/** Changes of an offer and its prices are made under this lock, one after the other. */
export async function lockOffer(tx: Tx, offerId: string): Promise<LockedOffer | undefined> {
  const [row] = await tx<LockedOffer[]>`
    select title, archived, version, access_duration_s as "accessDurationS",
           payment_window_s as "paymentWindowS"
    from offer where offer_id = ${offerId} for no key update
  `;
  return row;
}

/** The next version of it; the caller has locked it. */
export async function updateOffer(
  tx: Tx,
  offerId: string,
  { title, archived, accessDurationS, paymentWindowS }: OfferTerms & { archived: boolean },
): Promise<void> {
  await tx`
    update offer set title = ${title}, archived = ${archived},
      access_duration_s = ${accessDurationS}, payment_window_s = ${paymentWindowS},
      version = version + 1, update_time = now()
    where offer_id = ${offerId}
  `;
}

type OfferColumns = Omit<OfferRow, "prices"> & {
  readonly priceIds: readonly string[];
  readonly currencies: readonly string[];
  readonly amounts: readonly bigint[];
};

/** Offers with their courses and active prices; where to look follows. */
function offers(sql: Pool | Tx) {
  return sql`
    select o.offer_id as "offerId", o.title, o.archived, o.version,
           o.access_duration_s as "accessDurationS", o.payment_window_s as "paymentWindowS",
           o.create_time as "createTime", o.update_time as "updateTime",
           c.course_ids as "courseIds", p.price_ids as "priceIds", p.currencies, p.amounts
    from offer o
    cross join lateral (
      select array_agg(course_id order by position) as course_ids
      from offer_course where offer_id = o.offer_id
    ) c
    cross join lateral (
      select coalesce(array_agg(price_id order by currency_code), '{}') as price_ids,
             coalesce(array_agg(currency_code order by currency_code), '{}') as currencies,
             coalesce(array_agg(amount_minor order by currency_code), '{}') as amounts
      from price where offer_id = o.offer_id and archive_time is null
    ) p
  `;
}

export async function readOffer(sql: Pool | Tx, offerId: string): Promise<OfferRow | undefined> {
  const [row] = await sql<OfferColumns[]>`
    ${offers(sql)}
    where o.offer_id = ${offerId}
  `;
  return row && withPrices(row);
}

export type OfferFilter = { readonly courseId: string; readonly archived: boolean | undefined };

/** Newest first; one more than fit. */
export async function readOffers(
  pool: Pool,
  { courseId, archived }: OfferFilter,
  { size, after }: Page,
): Promise<OfferRow[]> {
  const rows = await pool<OfferColumns[]>`
    ${offers(pool)}
    where (${after ?? null}::text is null or o.offer_id < ${after ?? null})
      and (${archived ?? null}::boolean is null or o.archived = ${archived ?? null})
      and (${courseId} = '' or exists (
        select from offer_course s where s.offer_id = o.offer_id and s.course_id = ${courseId}))
    order by o.offer_id desc
    limit ${size + 1}
  `;
  return rows.map(withPrices);
}

function withPrices({ priceIds, currencies, amounts, ...offer }: OfferColumns): OfferRow {
  const prices = priceIds.map((priceId, n) => {
    return { priceId, currencyCode: currencies[n] ?? "", amountMinor: amounts[n] ?? 0n };
  });
  return { ...offer, prices };
}

export type PriceRow = ListPrice & {
  readonly offerId: string;
  readonly createTime: Date;
  /** Null: active. */
  readonly archiveTime: Date | null;
};

function prices(sql: Pool | Tx) {
  return sql`
    select price_id as "priceId", offer_id as "offerId", currency_code as "currencyCode",
           amount_minor as "amountMinor", create_time as "createTime",
           archive_time as "archiveTime"
    from price
  `;
}

export async function readPrice(sql: Pool | Tx, priceId: string): Promise<PriceRow | undefined> {
  const [row] = await sql<PriceRow[]>`${prices(sql)} where price_id = ${priceId}`;
  return row;
}

/** Newest first; one more than fit. */
export async function readPrices(
  pool: Pool,
  { offerId, currencyCode }: { readonly offerId: string; readonly currencyCode: string },
  { size, after }: Page,
): Promise<PriceRow[]> {
  return pool<PriceRow[]>`
    ${prices(pool)}
    where offer_id = ${offerId} and (${currencyCode} = '' or currency_code = ${currencyCode})
      and (${after ?? null}::text is null or price_id < ${after ?? null})
    order by price_id desc
    limit ${size + 1}
  `;
}

/** The active price of the currency, where there is one; the caller has locked the offer. */
export async function archivePrice(tx: Tx, offerId: string, currencyCode: string): Promise<void> {
  await tx`
    update price set archive_time = now()
    where offer_id = ${offerId} and currency_code = ${currencyCode} and archive_time is null
  `;
}

/** Courses that the learner has access to now. */
export async function readOwnedCourses(
  sql: Pool | Tx,
  learnerId: string,
  courseIds: readonly string[],
): Promise<string[]> {
  const rows = await sql<{ courseId: string }[]>`
    select distinct course_id as "courseId" from enrollment_grant
    where learner_id = ${learnerId} and course_id = any(${[...courseIds]})
      and state = 'active' and (expire_time is null or expire_time > now())
    order by course_id
  `;
  return rows.map(({ courseId }) => courseId);
}
