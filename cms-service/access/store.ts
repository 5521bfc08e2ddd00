// The SQL of payments, grants and enrollments that the settlement works with.
// Set-based: a batch of events costs as many statements as one event. Rows are
// locked kind after kind (payments, orders, enrollments) and by key within a
// kind, so that two settlements wait for each other and never in a circle.

import type { Tx } from "#mesh/database/pool.ts";
import { derivedId } from "../requests/identifiers.ts";
import type { Enrollment, Grant } from "./enrollment.ts";
import type { OrderState } from "./order-state.ts";
import type { Payment, PaymentKey } from "./payment.ts";
import type { EnrollmentChange, Order } from "./settlement.ts";

/** Which of these orders there are. */
export async function readOrderIds(tx: Tx, orderIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx<{ orderId: string }[]>`
    select order_id as "orderId" from "order" where order_id = any(${[...orderIds]})
  `;
  return new Set(rows.map(({ orderId }) => orderId));
}

export async function lockPayments(tx: Tx, keys: readonly PaymentKey[]): Promise<Payment[]> {
  return tx<Payment[]>`
    select ledger_id as "ledgerId", payment_id as "paymentId", order_id as "orderId",
           ledger_sequence as "ledgerSequence", currency_code as "currencyCode",
           paid_minor as "paidMinor", refunded_minor as "refundedMinor",
           disputed_minor as "disputedMinor", lost_minor as "lostMinor"
    from payment
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
    select ledger_id as "ledgerId", payment_id as "paymentId", order_id as "orderId",
           ledger_sequence as "ledgerSequence", currency_code as "currencyCode",
           paid_minor as "paidMinor", refunded_minor as "refundedMinor",
           disputed_minor as "disputedMinor", lost_minor as "lostMinor"
    from payment
    where order_id = any(${[...orderIds]})
  `;
}

type OrderRow = Omit<Order, "due"> & {
  readonly currencyCode: string;
  readonly dueMinor: bigint;
};

export async function lockOrders(tx: Tx, orderIds: readonly string[]): Promise<Order[]> {
  const rows = await tx<OrderRow[]>`
    select order_id as "orderId", learner_id as "learnerId", course_ids as "courseIds",
           currency_code as "currencyCode", due_minor as "dueMinor", state
    from "order"
    where order_id = any(${[...orderIds]})
    order by order_id
    for update
  `;
  return rows.map(({ currencyCode, dueMinor, ...order }) => {
    return { ...order, due: { currencyCode, amountMinor: dueMinor } };
  });
}

export type EnrollmentKey = Pick<Enrollment, "learnerId" | "courseId">;

/** Makes those that are missing: what does not exist cannot be locked. */
export async function lockEnrollments(
  tx: Tx,
  keys: readonly EnrollmentKey[],
): Promise<Enrollment[]> {
  const [learnerIds, courseIds] = columnsOf(keys);
  await tx`
    insert into enrollment (learner_id, course_id)
    select distinct learner_id, course_id
    from unnest(${learnerIds}::text[], ${courseIds}::text[]) as key (learner_id, course_id)
    order by learner_id, course_id
    on conflict (learner_id, course_id) do nothing
  `;
  return tx<Enrollment[]>`
    select learner_id as "learnerId", course_id as "courseId", state
    from enrollment
    where (learner_id, course_id) in (
      select * from unnest(${learnerIds}::text[], ${courseIds}::text[]))
    order by learner_id, course_id
    for update
  `;
}

export async function readGrants(tx: Tx, keys: readonly EnrollmentKey[]): Promise<Grant[]> {
  const [learnerIds, courseIds] = columnsOf(keys);
  return tx<Grant[]>`
    select ledger_id as "ledgerId", payment_id as "paymentId", learner_id as "learnerId",
           course_id as "courseId", order_id as "orderId", state,
           source_version as "sourceVersion"
    from enrollment_grant
    where (learner_id, course_id) in (
      select * from unnest(${learnerIds}::text[], ${courseIds}::text[]))
  `;
}

/** How many rows were written: less than given when another came first with newer totals. */
export async function upsertPayments(tx: Tx, payments: readonly Payment[]): Promise<number> {
  if (payments.length === 0) return 0;
  const written = await tx`
    insert into payment
      (ledger_id, payment_id, order_id, ledger_sequence, currency_code, paid_minor,
       refunded_minor, disputed_minor, lost_minor)
    select * from unnest(
      ${payments.map((payment) => payment.ledgerId)}::text[],
      ${payments.map((payment) => payment.paymentId)}::text[],
      ${payments.map((payment) => payment.orderId)}::text[],
      ${payments.map((payment) => payment.ledgerSequence)}::bigint[],
      ${payments.map((payment) => payment.currencyCode)}::text[],
      ${payments.map((payment) => payment.paidMinor)}::bigint[],
      ${payments.map((payment) => payment.refundedMinor)}::bigint[],
      ${payments.map((payment) => payment.disputedMinor)}::bigint[],
      ${payments.map((payment) => payment.lostMinor)}::bigint[])
    on conflict (ledger_id, payment_id) do update set
      order_id = excluded.order_id, ledger_sequence = excluded.ledger_sequence,
      currency_code = excluded.currency_code, paid_minor = excluded.paid_minor,
      refunded_minor = excluded.refunded_minor, disputed_minor = excluded.disputed_minor,
      lost_minor = excluded.lost_minor
    where payment.ledger_sequence < excluded.ledger_sequence
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

export async function deleteGrants(tx: Tx, grants: readonly Grant[]): Promise<void> {
  if (grants.length === 0) return;
  await tx`
    delete from enrollment_grant
    where (ledger_id, payment_id, course_id) in (
      select * from unnest(${grants.map(({ ledgerId }) => ledgerId)}::text[],
                           ${grants.map(({ paymentId }) => paymentId)}::text[],
                           ${grants.map(({ courseId }) => courseId)}::text[]))
  `;
}

export async function upsertGrants(tx: Tx, grants: readonly Grant[], now: Date): Promise<void> {
  if (grants.length === 0) return;
  await tx`
    insert into enrollment_grant
      (grant_id, ledger_id, payment_id, course_id, learner_id, order_id, state, source_version,
       create_time, update_time)
    select *, ${now}::timestamptz, ${now}::timestamptz from unnest(
      ${grants.map(grantIdOf)}::text[],
      ${grants.map(({ ledgerId }) => ledgerId)}::text[],
      ${grants.map(({ paymentId }) => paymentId)}::text[],
      ${grants.map(({ courseId }) => courseId)}::text[],
      ${grants.map(({ learnerId }) => learnerId)}::text[],
      ${grants.map(({ orderId }) => orderId)}::text[],
      ${grants.map(({ state }) => state)}::text[],
      ${grants.map(({ sourceVersion }) => sourceVersion)}::bigint[])
    on conflict (ledger_id, payment_id, course_id) do update set
      learner_id = excluded.learner_id, order_id = excluded.order_id, state = excluded.state,
      source_version = excluded.source_version,
      update_time = case when enrollment_grant.state = excluded.state
        then enrollment_grant.update_time else excluded.update_time end
  `;
}

export async function updateEnrollments(
  tx: Tx,
  changes: readonly EnrollmentChange[],
  now: Date,
): Promise<void> {
  if (changes.length === 0) return;
  const [learnerIds, courseIds] = columnsOf(changes);
  await tx`
    update enrollment set state = new.state, change_time = ${now}
    from unnest(${learnerIds}::text[], ${courseIds}::text[],
                ${changes.map(({ state }) => state)}::text[]) as new (learner_id, course_id, state)
    where enrollment.learner_id = new.learner_id and enrollment.course_id = new.course_id
  `;
}

/** The same when everything is settled again from the ledger's events. */
function grantIdOf({ ledgerId, paymentId, courseId }: Grant): string {
  return derivedId("grt", [ledgerId, paymentId, courseId]);
}

function columnsOf(keys: readonly EnrollmentKey[]): [learnerIds: string[], courseIds: string[]] {
  return [keys.map(({ learnerId }) => learnerId), keys.map(({ courseId }) => courseId)];
}
