// Decides what new totals of payments do to payments, orders, grants and
// enrollments. Of one payment only the totals of the highest ledger sequence
// count, and everything else is derived from what counts: any order and any
// repetition of the same totals ends in the same state.

import assert from "node:assert/strict";
import {
  type Enrollment,
  type EnrollmentState,
  enrollmentState,
  type Grant,
} from "./enrollment.ts";
import { type OrderState, orderState } from "./order-state.ts";
import { type Due, grantState, type Payment, type PaymentKey } from "./payment.ts";

export type Order = {
  readonly orderId: string;
  readonly learnerId: string;
  readonly courseIds: readonly string[];
  readonly due: Due;
  readonly state: OrderState;
};

/**
 * What stands, as far as the new totals reach: the orders they name and those
 * their payments belonged to so far, all payments of these orders, the
 * enrollments of their learners in their courses, and all grants of these.
 */
export type Standing = {
  readonly orders: readonly Order[];
  readonly payments: readonly Payment[];
  readonly enrollments: readonly Enrollment[];
  readonly grants: readonly Grant[];
};

export type EnrollmentChange = Enrollment & {
  readonly before: EnrollmentState;
  /** Order whose payment brought it about. */
  readonly orderId: string;
};

/** Only what differs from what stood. */
export type Settlement = {
  readonly payments: readonly Payment[];
  readonly orders: readonly Order[];
  readonly grants: readonly Grant[];
  readonly removedGrants: readonly Grant[];
  readonly enrollments: readonly EnrollmentChange[];
};

export function settle(standing: Standing, totals: readonly Payment[]): Settlement {
  const orders = new Map(standing.orders.map((order) => [order.orderId, order]));
  const payments = new Map(standing.payments.map((payment) => [keyOf(payment), payment]));
  const news = newestTotals(payments, totals);

  const touchedOrderIds = new Set<string>();
  for (const [key, payment] of news) {
    touchedOrderIds.add(payment.orderId);
    const before = payments.get(key);
    if (before) touchedOrderIds.add(before.orderId);
    payments.set(key, payment);
  }

  const grants = settleGrants(standing.grants, orders, news);
  return {
    payments: [...news.values()],
    orders: settleOrders(orders, touchedOrderIds, [...payments.values()]),
    ...grants,
    enrollments: settleEnrollments(standing, grants),
  };
}

/** Payment totals that replace what stands, one a payment. */
function newestTotals(
  standing: ReadonlyMap<string, Payment>,
  totals: readonly Payment[],
): ReadonlyMap<string, Payment> {
  const newest = new Map<string, Payment>();
  for (const payment of totals) {
    const key = keyOf(payment);
    const before = newest.get(key) ?? standing.get(key);
    if (!before || payment.ledgerSequence > before.ledgerSequence) newest.set(key, payment);
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
    const state = orderState(order.due, paymentsByOrder.get(orderId) ?? []);
    return state === order.state ? [] : [{ ...order, state }];
  });
}

type GrantChanges = Pick<Settlement, "grants" | "removedGrants">;

/** A payment that moved to another order takes its grants with it. */
function settleGrants(
  standing: readonly Grant[],
  orders: ReadonlyMap<string, Order>,
  news: ReadonlyMap<string, Payment>,
): GrantChanges {
  const grants = [...news.values()].flatMap((payment) =>
    grantsOf(payment, orderOf(orders, payment.orderId)),
  );
  const granted = new Set(grants.map(grantKeyOf));
  const removedGrants = standing.filter(
    (grant) => news.has(keyOf(grant)) && !granted.has(grantKeyOf(grant)),
  );
  return { grants, removedGrants };
}

function grantsOf(payment: Payment, { due, learnerId, courseIds, orderId }: Order): Grant[] {
  const { ledgerId, paymentId, ledgerSequence: sourceVersion } = payment;
  const state = grantState(due, payment);
  return courseIds.map((courseId) => {
    return { ledgerId, paymentId, learnerId, courseId, orderId, state, sourceVersion };
  });
}

function settleEnrollments(
  { enrollments, grants: standing }: Standing,
  { grants, removedGrants }: GrantChanges,
): readonly EnrollmentChange[] {
  const after = new Map(standing.map((grant) => [grantKeyOf(grant), grant]));
  const touched = new Map<string, Grant[]>();
  // A grant can change its enrollment, so the one it leaves is touched as well.
  const touch = (grant: Grant) => {
    const key = enrollmentKeyOf(grant);
    touched.set(key, [...(touched.get(key) ?? []), grant]);
  };
  for (const grant of removedGrants) {
    after.delete(grantKeyOf(grant));
    touch(grant);
  }
  for (const grant of grants) {
    const before = after.get(grantKeyOf(grant));
    if (before && enrollmentKeyOf(before) !== enrollmentKeyOf(grant)) touch(before);
    after.set(grantKeyOf(grant), grant);
    touch(grant);
  }

  const grantsByEnrollment = Map.groupBy(after.values(), enrollmentKeyOf);
  const states = new Map(enrollments.map((each) => [enrollmentKeyOf(each), each.state]));
  return [...touched].toSorted(byKey).flatMap(([key, causes]) => {
    const state = enrollmentState((grantsByEnrollment.get(key) ?? []).map((grant) => grant.state));
    const before = states.get(key) ?? "none";
    if (state === before) return [];
    const cause = causes.find((grant) => grant.state === state) ?? causes[0];
    assert(cause);
    const { learnerId, courseId, orderId } = cause;
    return [{ learnerId, courseId, state, before, orderId }];
  });
}

function orderOf(orders: ReadonlyMap<string, Order>, orderId: string): Order {
  const order = orders.get(orderId);
  assert(order, `order ${orderId} was not read before its payments were settled`);
  return order;
}

// JSON keeps the parts apart whatever characters they hold.
const keyOf = ({ ledgerId, paymentId }: PaymentKey) => JSON.stringify([ledgerId, paymentId]);

const grantKeyOf = ({ ledgerId, paymentId, courseId }: PaymentKey & { courseId: string }) =>
  JSON.stringify([ledgerId, paymentId, courseId]);

const enrollmentKeyOf = ({ learnerId, courseId }: { learnerId: string; courseId: string }) =>
  JSON.stringify([learnerId, courseId]);

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
