// The SQL of orders as their learners see them. An order is read together with
// its payments in one statement, so that its state always fits them and the clock.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { OrderState } from "../access/order-state.ts";
import type { PaymentTotals as Payment } from "../access/payment.ts";
import type { Page } from "../requests/page.ts";

export type NewOrder = {
  readonly orderId: string;
  readonly learnerId: string;
  readonly offerId: string;
  readonly courseIds: readonly string[];
  readonly priceId: string;
  readonly currencyCode: string;
  readonly listMinor: bigint;
  readonly discountMinor: bigint;
  readonly dueMinor: bigint;
  /** Null: without one. */
  readonly couponCode: string | null;
  /** Null: for ever. */
  readonly accessDurationS: bigint | null;
};

export type OrderRow = NewOrder & {
  /** By the clock. */
  readonly state: OrderState;
  readonly createTime: Date;
  readonly expireTime: Date;
  readonly cancelTime: Date | null;
};

export type PaidOrder = OrderRow & { readonly payments: readonly Payment[] };

/** What costs nothing is paid. */
export async function insertOrder(
  tx: Tx,
  order: NewOrder & { readonly paymentWindowS: bigint },
): Promise<void> {
  const { orderId, learnerId, offerId, courseIds, priceId, currencyCode, couponCode } = order;
  const { listMinor, discountMinor, dueMinor, accessDurationS, paymentWindowS } = order;
  await tx`
    insert into "order"
      (order_id, learner_id, offer_id, course_ids, price_id, currency_code, list_minor,
       discount_minor, due_minor, coupon_code, access_duration_s, state, expire_time)
    values (${orderId}, ${learnerId}, ${offerId}, ${[...courseIds]}, ${priceId}, ${currencyCode},
            ${listMinor}, ${discountMinor}, ${dueMinor}, ${couponCode}, ${accessDurationS},
            ${dueMinor === 0n ? "paid" : "pending"},
            now() + ${paymentWindowS}::bigint * interval '1 second')
  `;
}

/** An order that waited too long is expired, whether or not anybody has written that down. */
function stateNow(sql: Pool | Tx) {
  return sql`
    case when o.state = 'pending' and o.expire_time <= now() then 'expired' else o.state end
  `;
}

/** What may stand in the row of an order that is in this state now; the index is by that. */
function writtenAs(state: OrderState): readonly OrderState[] {
  return state === "expired" ? ["expired", "pending"] : [state];
}

function orderColumns(sql: Pool | Tx) {
  return sql`
    o.order_id as "orderId", o.learner_id as "learnerId", o.offer_id as "offerId",
    o.course_ids as "courseIds", o.price_id as "priceId", o.currency_code as "currencyCode",
    o.list_minor as "listMinor", o.discount_minor as "discountMinor", o.due_minor as "dueMinor",
    o.coupon_code as "couponCode", o.access_duration_s as "accessDurationS",
    ${stateNow(sql)} as state, o.create_time as "createTime", o.expire_time as "expireTime",
    o.cancel_time as "cancelTime",
    p.ledger_id as "ledgerId", p.payment_id as "paymentId",
    p.ledger_sequence as "ledgerSequence", p.currency_code as "paidCurrencyCode",
    p.paid_minor as "paidMinor", p.refunded_minor as "refundedMinor",
    p.disputed_minor as "disputedMinor", p.lost_minor as "lostMinor"
  `;
}

export async function readOrder(sql: Pool | Tx, orderId: string): Promise<PaidOrder | undefined> {
  const rows = await sql<OrderPaymentRow[]>`
    select ${orderColumns(sql)}
    from "order" o
    left join payment p using (order_id)
    where order_id = ${orderId}
    order by p.payment_id, p.ledger_id
  `;
  return withPayments(rows)[0];
}

export type OrderFilter = {
  /** Only this learner's. */
  readonly learnerId: string | undefined;
  readonly state: OrderState | undefined;
  readonly offerId: string | undefined;
  readonly couponCode: string | undefined;
};

/** Newest first; one more than fit on the page. */
export async function readOrders(
  pool: Pool,
  filter: OrderFilter,
  { size, after }: Page,
): Promise<PaidOrder[]> {
  const { learnerId = null, state = null, offerId = null, couponCode = null } = filter;
  const rows = await pool<OrderPaymentRow[]>`
    select ${orderColumns(pool)}
    from (
      select * from "order" o
      where (${learnerId}::text is null or learner_id = ${learnerId})
        and (${state}::text is null
             or (o.state = any(${state && writtenAs(state)}::text[])
                 and ${stateNow(pool)} = ${state}))
        and (${offerId}::text is null or offer_id = ${offerId})
        and (${couponCode}::text is null or coupon_code = ${couponCode})
        and (${after ?? null}::text is null or order_id < ${after ?? null})
      order by order_id desc
      limit ${size + 1}
    ) o
    left join payment p using (order_id)
    order by o.order_id desc, p.payment_id, p.ledger_id
  `;
  return withPayments(rows);
}

type PaymentColumns = Omit<Payment, "orderId" | "currencyCode" | "paymentId"> & {
  readonly paidCurrencyCode: string;
};

/** An order without payments is one row whose payment columns are null. */
type OrderPaymentRow = OrderRow & PaymentColumns & { readonly paymentId: string | null };

function withPayments(rows: readonly OrderPaymentRow[]): PaidOrder[] {
  const rowsByOrder = Map.groupBy(rows, ({ orderId }) => orderId);
  return [...rowsByOrder.values()].flatMap((rowsOfOrder) => {
    const [order] = rowsOfOrder;
    return order ? [{ ...order, payments: rowsOfOrder.flatMap(paymentOf) }] : [];
  });
}

function paymentOf(row: OrderPaymentRow): Payment[] {
  const { paymentId, paidCurrencyCode: currencyCode } = row;
  if (paymentId === null) return [];
  const { orderId, ledgerId, ledgerSequence } = row;
  const { paidMinor, refundedMinor, disputedMinor, lostMinor } = row;
  return [
    {
      ledgerId,
      paymentId,
      orderId,
      ledgerSequence,
      currencyCode,
      paidMinor,
      refundedMinor,
      disputedMinor,
      lostMinor,
    },
  ];
}

/** Its state and that of its money, locked until the SQL transaction ends. */
export async function lockOrder(tx: Tx, orderId: string): Promise<boolean> {
  const locked = await tx`select from "order" where order_id = ${orderId} for no key update`;
  return locked.count === 1;
}

/** The caller has locked it and knows that it waits for money. */
export async function cancelOrder(tx: Tx, orderId: string): Promise<void> {
  await tx`
    update "order" set state = 'cancelled', cancel_time = now(), change_time = now()
    where order_id = ${orderId}
  `;
}

export type ExpiredOrder = { readonly orderId: string; readonly learnerId: string };

/** Writes down what the clock has done; what somebody else has in hand is passed over. */
export async function expireOrders(tx: Tx, max: number): Promise<ExpiredOrder[]> {
  return tx<ExpiredOrder[]>`
    update "order" set state = 'expired', change_time = now()
    where order_id in (
      select order_id from "order" where state = 'pending' and expire_time <= now()
      order by expire_time limit ${max} for no key update skip locked)
    returning order_id as "orderId", learner_id as "learnerId"
  `;
}
