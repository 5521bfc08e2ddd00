// The SQL of offers. What an offer sells and for how much is inserted and read,
// never changed; only its archiving is an update.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { Price } from "./rules.ts";

export type OfferRow = {
  readonly offerId: string;
  readonly title: string;
  readonly archived: boolean;
  readonly createTime: Date;
  readonly courseIds: readonly string[];
  readonly prices: readonly Price[];
};

export type CourseOnSale = { readonly courseId: string; readonly published: boolean };

export async function readCourses(tx: Tx, courseIds: readonly string[]): Promise<CourseOnSale[]> {
  return tx<CourseOnSale[]>`
    select course_id as "courseId", published_revision is not null as published
    from course
    where course_id = any(${[...courseIds]})
  `;
}

export async function insertOffer(
  tx: Tx,
  { offerId, title, courseIds, prices }: Omit<OfferRow, "archived" | "createTime">,
): Promise<void> {
  await tx`insert into offer (offer_id, title) values (${offerId}, ${title})`;
  await tx`
    insert into offer_course (offer_id, position, course_id)
    select ${offerId}, position - 1, course_id
    from unnest(${courseIds}::text[]) with ordinality as sold (course_id, position)
  `;
  await tx`
    insert into price (offer_id, currency_code, amount_minor)
    select ${offerId}, * from unnest(
      ${prices.map(({ currencyCode }) => currencyCode)}::text[],
      ${prices.map(({ amountMinor }) => amountMinor)}::bigint[])
  `;
}

/** Orders are made under this lock, so none is made once the archiving is committed. */
export async function lockOfferForOrder(tx: Tx, offerId: string): Promise<boolean> {
  const locked = await tx`select from offer where offer_id = ${offerId} for share`;
  return locked.count === 1;
}

/** False when there is no such offer. */
export async function archiveOffer(tx: Tx, offerId: string): Promise<boolean> {
  const updated = await tx`update offer set archived = true where offer_id = ${offerId}`;
  return updated.count === 1;
}

type OfferColumns = Omit<OfferRow, "prices"> & {
  readonly currencies: readonly string[];
  readonly amounts: readonly bigint[];
};

/** Offers with their courses and prices; where to look follows. */
function offers(sql: Pool | Tx) {
  return sql`
    select o.offer_id as "offerId", o.title, o.archived, o.create_time as "createTime",
           c.course_ids as "courseIds", p.currencies, p.amounts
    from offer o
    cross join lateral (
      select array_agg(course_id order by position) as course_ids
      from offer_course where offer_id = o.offer_id
    ) c
    cross join lateral (
      select array_agg(currency_code order by currency_code) as currencies,
             array_agg(amount_minor order by currency_code) as amounts
      from price where offer_id = o.offer_id
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

/** Newest first; only those that sell the course when one is given; one more than fit. */
export async function readOffers(
  pool: Pool,
  courseId: string,
  { size, after }: Page,
): Promise<OfferRow[]> {
  const rows = await pool<OfferColumns[]>`
    ${offers(pool)}
    where (${after ?? null}::text is null or o.offer_id < ${after ?? null})
      and (${courseId} = '' or exists (
        select from offer_course s where s.offer_id = o.offer_id and s.course_id = ${courseId}))
    order by o.offer_id desc
    limit ${size + 1}
  `;
  return rows.map(withPrices);
}

function withPrices({ currencies, amounts, ...offer }: OfferColumns): OfferRow {
  const prices = currencies.map((currencyCode, n) => {
    return { currencyCode, amountMinor: amounts[n] ?? 0n };
  });
  return { ...offer, prices };
}
