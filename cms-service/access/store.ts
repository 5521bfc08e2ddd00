// The SQL of payments, grants and enrollments that the settlement works with.
// Set-based: a batch of events costs as many statements as one event. Rows are
// locked kind after kind (payments, orders, enrollments) and by key within a
// kind, so that two settlements wait for each other and never in a circle.

import type { Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import { derivedId } from "../requests/identifiers.ts";
import type { OrderState } from "./order-state.ts";
import type { Payment, PaymentKey } from "./payment.ts";
import type { Order, PaymentGrant } from "./settlement.ts";

/** Which of these orders there are. */
export async function readOrderIds(tx: Tx, orderIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx<{ orderId: string }[]>`
    select order_id as "orderId" from "order" where order_id = any(${[...orderIds]})
  `;
  return new Set(rows.map(({ orderId }) => orderId));
}

export async function lockPayments(tx: Tx, keys: readonly PaymentKey[]): Promise<Payment[]> {
  return tx<Payment[]>`
    select ${paymentColumns(tx)} from payment
    where (ledger_id, payment_id) in (
      select * from unnest(${keys.map(({ ledgerId }) => ledgerId)}::text[],
                           ${keys.map(({ paymentId }) => paymentId)}::text[]))
    order by ledger_id, payment_id
    for update
  `;
}

export async function readPaymentsOfOrders(
  tx: Tx,
  orderIds: readonly string[],
): Promise<Payment[]> {
  return tx<Payment[]>`
    select ${paymentColumns(tx)} from payment where order_id = any(${[...orderIds]})
  `;
}

export function paymentColumns(sql: Sql) {
  return sql`
    ledger_id as "ledgerId", payment_id as "paymentId", order_id as "orderId",
    ledger_sequence as "ledgerSequence", currency_code as "currencyCode",
    paid_minor as "paidMinor", refunded_minor as "refundedMinor",
    disputed_minor as "disputedMinor", lost_minor as "lostMinor", paid_time as "paidTime"
  `;
}

type OrderRow = Omit<Order, "due"> & {
  readonly currencyCode: string;
  readonly dueMinor: bigint;
};

export async function lockOrders(tx: Tx, orderIds: readonly string[]): Promise<Order[]> {
  const rows = await tx<OrderRow[]>`
    select order_id as "orderId", learner_id as "learnerId", course_ids as "courseIds",
           currency_code as "currencyCode", due_minor as "dueMinor", state,
           access_duration_s as "accessDurationS",
           case when cancel_time is not null then 'cancelled'
                when expire_time <= now() then 'expired' else 'pending' end as "unpaidState"
    from "order"
    where order_id = any(${[...orderIds]})
    order by order_id
    for update
  `;
  return rows.map(({ currencyCode, dueMinor, ...order }) => {
    return { ...order, due: { currencyCode, amountMinor: dueMinor } };
  });
}

/** How many rows were written: less than given when another came first with newer totals. */
export async function upsertPayments(tx: Tx, payments: readonly Payment[]): Promise<number> {
  if (payments.length === 0) return 0;
  const written = await tx`
    insert into payment
      (ledger_id, payment_id, order_id, ledger_sequence, currency_code, paid_minor,
       refunded_minor, disputed_minor, lost_minor, paid_time)
    select * from unnest(
      ${payments.map((payment) => payment.ledgerId)}::text[],
      ${payments.map((payment) => payment.paymentId)}::text[],
      ${payments.map((payment) => payment.orderId)}::text[],
      ${payments.map((payment) => payment.ledgerSequence)}::bigint[],
      ${payments.map((payment) => payment.currencyCode)}::text[],
      ${payments.map((payment) => payment.paidMinor)}::bigint[],
      ${payments.map((payment) => payment.refundedMinor)}::bigint[],
      ${payments.map((payment) => payment.disputedMinor)}::bigint[],
      ${payments.map((payment) => payment.lostMinor)}::bigint[],
      ${payments.map((payment) => payment.paidTime)}::timestamptz[])
    on conflict (ledger_id, payment_id) do update set
      order_id = excluded.order_id, ledger_sequence = excluded.ledger_sequence,
      currency_code = excluded.currency_code, paid_minor = excluded.paid_minor,
      refunded_minor = excluded.refunded_minor, disputed_minor = excluded.disputed_minor,
      lost_minor = excluded.lost_minor, paid_time = excluded.paid_time
    where payment.ledger_sequence < excluded.ledger_sequence
       or (payment.ledger_sequence = excluded.ledger_sequence
           and payment.paid_time > excluded.paid_time)
  `;
  return written.count;
}

export async function updateOrders(tx: Tx, orders: readonly Order[], now: Date): Promise<void> {
  if (orders.length === 0) return;
  const states: OrderState[] = orders.map(({ state }) => state);
  await tx`
    update "order" set state = new.state, change_time = ${now}
    from unnest(${orders.map(({ orderId }) => orderId)}::text[], ${states}::text[])
      as new (order_id, state)
    where "order".order_id = new.order_id
  `;
}

export async function deleteGrants(tx: Tx, grants: readonly PaymentGrant[]): Promise<void> {
  if (grants.length === 0) return;
  await tx`
    delete from enrollment_grant
    where (ledger_id, payment_id, course_id) in (
      select * from unnest(${grants.map(({ ledgerId }) => ledgerId)}::text[],
                           ${grants.map(({ paymentId }) => paymentId)}::text[],
                           ${grants.map(({ courseId }) => courseId)}::text[]))
  `;
}

export async function upsertGrants(
  tx: Tx,
  grants: readonly PaymentGrant[],
  now: Date,
): Promise<void> {
  if (grants.length === 0) return;
  await tx`
    insert into enrollment_grant
      (grant_id, source, source_id, ledger_id, payment_id, course_id, learner_id, order_id, state,
       source_version, start_time, expire_time, create_time, update_time)
    select grant_id, 'payment', payment_id, ledger_id, payment_id, course_id, learner_id, order_id,
           state, source_version, start_time, expire_time, ${now}::timestamptz, ${now}::timestamptz
    from unnest(
      ${grants.map(grantIdOf)}::text[],
      ${grants.map(({ ledgerId }) => ledgerId)}::text[],
      ${grants.map(({ paymentId }) => paymentId)}::text[],
      ${grants.map(({ courseId }) => courseId)}::text[],
      ${grants.map(({ learnerId }) => learnerId)}::text[],
      ${grants.map(({ orderId }) => orderId)}::text[],
      ${grants.map(({ state }) => state)}::text[],
      ${grants.map(({ sourceVersion }) => sourceVersion)}::bigint[],
      ${grants.map(({ startTime }) => startTime)}::timestamptz[],
      ${grants.map(({ expireTime }) => expireTime)}::timestamptz[])
      as granted (grant_id, ledger_id, payment_id, course_id, learner_id, order_id, state,
                  source_version, start_time, expire_time)
    on conflict (ledger_id, payment_id, course_id) do update set
      learner_id = excluded.learner_id, order_id = excluded.order_id, state = excluded.state,
      source_version = excluded.source_version, start_time = excluded.start_time,
      expire_time = excluded.expire_time,
      update_time = case
        when enrollment_grant.state = excluded.state
          and enrollment_grant.expire_time is not distinct from excluded.expire_time
        then enrollment_grant.update_time else excluded.update_time end
  `;
}

/** The same when everything is settled again from the ledger's events. */
function grantIdOf({ ledgerId, paymentId, courseId }: PaymentGrant): string {
  return derivedId("grt", [ledgerId, paymentId, courseId]);
}
