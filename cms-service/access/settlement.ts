// Decides what new totals of payments do to payments, orders, grants and
// enrollments. Of one payment only the totals of the highest ledger sequence
// count, and the earliest of all times; everything else is derived from these:
// any order and any repetition of the same totals ends in the same state. What
// was changed behind its back is put right on the way.

import assert from "node:assert/strict";
import {
  type Enrollment,
  type EnrollmentChange,
  enrollmentKeyOf,
  type Grant,
  sumUp,
} from "./enrollment.ts";
import { type OrderState, orderState, type UnpaidState } from "./order-state.ts";
import {
  type Due,
  expiryOf,
  grantState,
  newerTotals,
  type Payment,
  type PaymentKey,
} from "./payment.ts";

export type Order = {
  readonly orderId: string;
  readonly learnerId: string;
  readonly courseIds: readonly string[];
  readonly due: Due;
  /** How long access lasts, from the moment of payment; null: for ever. */
  readonly accessDurationS: bigint | null;
  readonly state: OrderState;
  /** What it is in without money; left out: pending. */
  readonly unpaidState?: UnpaidState;
};

/**
 * What stands, as far as the new totals reach: the orders they name and those
 * their payments belonged to so far, all payments of these orders, the
 * enrollments of their learners in their courses and of the payments' grants,
 * and all grants of these, whatever their source.
 */
export type Standing = {
  readonly orders: readonly Order[];
  readonly payments: readonly Payment[];
  readonly enrollments: readonly Enrollment[];
  readonly grants: readonly Grant[];
};

/** Only what differs from what stood. */
export type Settlement = {
  readonly payments: readonly Payment[];
  readonly orders: readonly Order[];
  readonly grants: readonly PaymentGrant[];
  readonly removedGrants: readonly PaymentGrant[];
  readonly enrollments: readonly EnrollmentChange[];
};

export type PaymentGrant = Grant & PaymentKey & { readonly source: "payment" };

export function settle(standing: Standing, totals: readonly Payment[], now: Date): Settlement {
  const orders = new Map(standing.orders.map((order) => [order.orderId, order]));
  const before = new Map(standing.payments.map((payment) => [keyOf(payment), payment]));
  const named = newestTotals(before, totals);
  const payments = new Map([...before, ...named]);

  const touchedOrderIds = new Set<string>();
  for (const [key, payment] of named) {
    touchedOrderIds.add(payment.orderId);
    touchedOrderIds.add(before.get(key)?.orderId ?? payment.orderId);
  }

  const changes = settleGrants(standing.grants, orders, named);
  return {
    payments: [...named].flatMap(([key, payment]) => {
      return payment === before.get(key) ? [] : [payment];
    }),
    orders: settleOrders(orders, touchedOrderIds, [...payments.values()]),
    ...changes,
    enrollments: settleEnrollments(standing, changes, now),
  };
}

/** The payments that the totals name, as they are with them. */
function newestTotals(
  standing: ReadonlyMap<string, Payment>,
  totals: readonly Payment[],
): ReadonlyMap<string, Payment> {
  const newest = new Map<string, Payment>();
  for (const payment of totals) {
    const key = keyOf(payment);
    const before = newest.get(key) ?? standing.get(key);
    newest.set(key, before ? newerTotals(before, payment) : payment);
  }
  return newest;
}

function settleOrders(
  orders: ReadonlyMap<string, Order>,
  orderIds: ReadonlySet<string>,
  payments: readonly Payment[],
): readonly Order[] {
  const paymentsByOrder = Map.groupBy(payments, ({ orderId }) => orderId);
  return [...orderIds].toSorted().flatMap((orderId) => {
    const order = orderOf(orders, orderId);
    const state = orderState(order.due, paymentsByOrder.get(orderId) ?? [], order.unpaidState);
    return state === order.state ? [] : [{ ...order, state }];
  });
}

type GrantChanges = Pick<Settlement, "grants" | "removedGrants">;

/** A payment that moved to another order takes its grants with it. */
function settleGrants(
  standing: readonly Grant[],
  orders: ReadonlyMap<string, Order>,
  named: ReadonlyMap<string, Payment>,
): GrantChanges {
  const before = standing.filter(isOfPayment);
  const standingByKey = new Map(before.map((grant) => [grantKeyOf(grant), grant]));
  const grants = [...named.values()].flatMap((payment) =>
    grantsOf(payment, orderOf(orders, payment.orderId)),
  );
  const granted = new Set(grants.map(grantKeyOf));
  return {
    grants: grants.filter((grant) => !isSame(grant, standingByKey.get(grantKeyOf(grant)))),
    removedGrants: before.filter(
      (grant) => named.has(keyOf(grant)) && !granted.has(grantKeyOf(grant)),
    ),
  };
}

/** What follows from a payment for its order. */
export function grantsOf(payment: Payment, order: Order): PaymentGrant[] {
  const { ledgerId, paymentId, ledgerSequence: sourceVersion, paidTime: startTime } = payment;
  const { due, learnerId, courseIds, orderId, accessDurationS } = order;
  const state = grantState(due, payment);
  const expireTime = expiryOf(startTime, accessDurationS);
  const source = "payment" as const;
  return courseIds.map((courseId) => ({
    ...{ ledgerId, paymentId, learnerId, courseId, orderId, state, sourceVersion },
    ...{ source, sourceId: paymentId, startTime, expireTime },
  }));
}

function isOfPayment(grant: Grant): grant is PaymentGrant {
  return grant.source === "payment";
}

function isSame(a: Grant, b: Grant | undefined): boolean {
  return (
    b !== undefined &&
    enrollmentKeyOf(a) === enrollmentKeyOf(b) &&
    a.orderId === b.orderId &&
    a.state === b.state &&
    a.sourceVersion === b.sourceVersion &&
    a.startTime.getTime() === b.startTime.getTime() &&
    a.expireTime?.getTime() === b.expireTime?.getTime()
  );
}

function settleEnrollments(
  { enrollments, grants: standing }: Standing,
  { grants, removedGrants }: GrantChanges,
  now: Date,
): readonly EnrollmentChange[] {
  const removed = new Set(removedGrants.map(grantKeyOf));
  const changed = new Map(grants.map((grant) => [grantKeyOf(grant), grant]));
  const touched: Grant[] = [...grants, ...removedGrants];
  const kept = standing.filter((grant) => {
    if (!isOfPayment(grant)) return true;
    const key = grantKeyOf(grant);
    // A grant can change its enrollment, so the one it leaves is touched as well.
    if (changed.has(key)) touched.push(grant);
    return !removed.has(key) && !changed.has(key);
  });
  const known = new Map(enrollments.map((each) => [enrollmentKeyOf(each), each]));
  for (const { learnerId, courseId } of touched) {
    const fresh = { learnerId, courseId, state: "none", lapseTime: null } as const;
    const key = enrollmentKeyOf(fresh);
    if (!known.has(key)) known.set(key, fresh);
  }
  const ordered = [...known].toSorted(byKey).map(([, enrollment]) => enrollment);
  return sumUp(ordered, [...kept, ...grants], touched, now);
}

function orderOf(orders: ReadonlyMap<string, Order>, orderId: string): Order {
  const order = orders.get(orderId);
  assert(order, `order ${orderId} was not read before its payments were settled`);
  return order;
}

export const keyOf = ({ ledgerId, paymentId }: PaymentKey) => JSON.stringify([ledgerId, paymentId]);

export const grantKeyOf = ({ ledgerId, paymentId, courseId }: PaymentKey & { courseId: string }) =>
  JSON.stringify([ledgerId, paymentId, courseId]);

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
