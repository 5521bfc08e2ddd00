// The SQL of orders as their learners see them. An order is read together with
// its payments in one statement, so that its state always fits them.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { OrderState } from "../access/order-state.ts";
import type { Payment } from "../access/payment.ts";
import type { Page } from "../requests/page.ts";

export type NewOrder = {
  readonly orderId: string;
  readonly learnerId: string;
  readonly offerId: string;
  readonly courseIds: readonly string[];
  readonly currencyCode: string;
  readonly dueMinor: bigint;
};

export type OrderRow = NewOrder & { readonly state: OrderState; readonly createTime: Date };

export type PaidOrder = OrderRow & { readonly payments: readonly Payment[] };

export async function insertOrder(tx: Tx, order: NewOrder): Promise<void> {
  const { orderId, learnerId, offerId, courseIds, currencyCode, dueMinor } = order;
  await tx`
    insert into "order" (order_id, learner_id, offer_id, course_ids, currency_code, due_minor)
    values (${orderId}, ${learnerId}, ${offerId}, ${[...courseIds]}, ${currencyCode}, ${dueMinor})
  `;
}

export async function readOrder(sql: Pool | Tx, orderId: string): Promise<PaidOrder | undefined> {
  const rows = await sql<OrderPaymentRow[]>`
    select o.order_id as "orderId", o.learner_id as "learnerId", o.offer_id as "offerId",
           o.course_ids as "courseIds", o.currency_code as "currencyCode",
           o.due_minor as "dueMinor", o.state, o.create_time as "createTime",
           p.ledger_id as "ledgerId", p.payment_id as "paymentId",
           p.ledger_sequence as "ledgerSequence", p.currency_code as "paidCurrencyCode",
           p.paid_minor as "paidMinor", p.refunded_minor as "refundedMinor",
           p.disputed_minor as "disputedMinor", p.lost_minor as "lostMinor"
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
};

/** Newest first; one more than fit on the page. */
export async function readOrders(
  pool: Pool,
  filter: OrderFilter,
  { size, after }: Page,
): Promise<PaidOrder[]> {
  const { learnerId = null, state = null } = filter;
  const rows = await pool<OrderPaymentRow[]>`
    select o.order_id as "orderId", o.learner_id as "learnerId", o.offer_id as "offerId",
           o.course_ids as "courseIds", o.currency_code as "currencyCode",
           o.due_minor as "dueMinor", o.state, o.create_time as "createTime",
           p.ledger_id as "ledgerId", p.payment_id as "paymentId",
           p.ledger_sequence as "ledgerSequence", p.currency_code as "paidCurrencyCode",
           p.paid_minor as "paidMinor", p.refunded_minor as "refundedMinor",
           p.disputed_minor as "disputedMinor", p.lost_minor as "lostMinor"
    from (
      select * from "order"
      where (${learnerId}::text is null or learner_id = ${learnerId})
        and (${state}::text is null or state = ${state})
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
