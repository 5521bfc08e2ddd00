// The SQL of a reconciliation: our payments of a ledger, between two names.

import type { Pool } from "#mesh/database/pool.ts";
import type { Payment } from "./payment.ts";

export type KnownPayment = Pick<Payment, "paymentId" | "orderId" | "ledgerSequence" | "paidTime">;

/** By name. */
export async function readKnownPayments(
  pool: Pool,
  ledgerId: string,
  range: { readonly after: string; readonly upTo: string | undefined; readonly limit: number },
): Promise<KnownPayment[]> {
  const { after, upTo = null, limit } = range;
  return pool<KnownPayment[]>`
    select payment_id as "paymentId", order_id as "orderId", ledger_sequence as "ledgerSequence",
           paid_time as "paidTime"
    from payment
    where ledger_id = ${ledgerId} and payment_id > ${after}
      and (${upTo}::text is null or payment_id <= ${upTo})
    order by payment_id
    limit ${limit}
  `;
}

/** Of the orders that there are: whether the time of their access is limited. */
export async function readTimedOrders(
  pool: Pool,
  orderIds: readonly string[],
): Promise<Map<string, boolean>> {
  const rows = await pool<{ orderId: string; isTimed: boolean }[]>`
    select order_id as "orderId", access_duration_s is not null as "isTimed"
    from "order" where order_id = any(${[...orderIds]})
  `;
  return new Map(rows.map(({ orderId, isTimed }) => [orderId, isTimed]));
}
