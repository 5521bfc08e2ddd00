// What is wrong with payments as they stand here, told from the ledger's totals and from what a
// settlement of these would change: in a house without faults, nothing.

import { enrollmentKeyOf } from "./enrollment.ts";
import type { Payment, PaymentTotals } from "./payment.ts";
import { grantKeyOf, grantsOf, keyOf, type Settlement, type Standing } from "./settlement.ts";

export type DifferenceKind =
  | "missing"
  | "older"
  | "unknown-to-ledger"
  | "totals"
  | "order-unknown"
  | "grants"
  | "paid-time";

export type Difference = {
  readonly kind: DifferenceKind;
  readonly paymentId: string;
  readonly orderId: string;
  /** Zero: the ledger has none. */
  readonly ledgerSequence: bigint;
  /** Zero: there is none here. */
  readonly knownSequence: bigint;
  readonly detail: string;
};

/** Settling the ledger's totals puts these right; the others are for people. */
export const repairable: ReadonlySet<DifferenceKind> = new Set([
  "missing",
  "older",
  "grants",
  "paid-time",
]);

/** Of a payment that the ledger has, with an order that is here. Undefined: all is well. */
export function differenceOf(
  totals: Payment,
  standing: Standing,
  settlement: Settlement,
  now: Date,
): Difference | undefined {
  const key = keyOf(totals);
  const known = standing.payments.find((payment) => keyOf(payment) === key);
  const { paymentId, orderId, ledgerSequence } = totals;
  const about = { paymentId, orderId, ledgerSequence };
  const found = (kind: DifferenceKind, detail: string) => {
    return { ...about, kind, knownSequence: known?.ledgerSequence ?? 0n, detail };
  };
  if (!known) return found("missing", "the payment is not here");
  if (known.ledgerSequence < ledgerSequence) {
    return found("older", `the totals here are of sequence ${known.ledgerSequence}`);
  }
  const fields = differingFields(known, totals);
  if (fields.length > 0) return found("totals", `the ledger has ${fields.join(", ")}`);
  const written = settlement.payments.find((payment) => keyOf(payment) === key);
  if (written) {
    const [here, there] = [known.paidTime, written.paidTime].map((time) => time.toISOString());
    return found("paid-time", `access counts from ${here}, and the ledger's fact is of ${there}`);
  }
  const faults = faultsOf(totals, standing, settlement, now);
  return faults.length > 0 ? found("grants", faults.join("; ")) : undefined;
}

/** The ledger's values; none where ours are newer, as after an event that came meanwhile. */
function differingFields(known: PaymentTotals, totals: PaymentTotals): string[] {
  const names = [
    ...(["orderId", "currencyCode", "paidMinor"] as const),
    ...(["refundedMinor", "disputedMinor", "lostMinor"] as const),
  ];
  if (known.ledgerSequence > totals.ledgerSequence) {
    return [`no fact beyond sequence ${totals.ledgerSequence}`];
  }
  return names
    .filter((name) => known[name] !== totals[name])
    .map((name) => `${name} ${totals[name]}, not ${known[name]}`);
}

/** What does not follow from the payment, in words. */
function faultsOf(
  totals: Payment,
  standing: Standing,
  settlement: Settlement,
  now: Date,
): string[] {
  const key = keyOf(totals);
  const order = standing.orders.find(({ orderId }) => orderId === totals.orderId);
  const places = new Set(order && grantsOf(totals, order).map(enrollmentKeyOf));
  const held = new Map(standing.grants.map((grant) => [nameOf(grant), grant]));
  const ownGrants = settlement.grants.filter((grant) => keyOf(grant) === key);
  const removed = settlement.removedGrants.filter((grant) => keyOf(grant) === key);
  const orders = settlement.orders.filter(({ orderId }) => orderId === totals.orderId);
  const lapsed = new Set(
    standing.enrollments
      .filter(({ lapseTime }) => lapseTime !== null && lapseTime <= now)
      .map(enrollmentKeyOf),
  );
  // What the clock has moved is right, and only not told yet.
  const enrollments = settlement.enrollments.filter((change) => {
    const place = enrollmentKeyOf(change);
    return places.has(place) && !lapsed.has(place);
  });
  return [
    ...orders.map(({ state }) => `the order is ${order?.state}, and has to be ${state}`),
    ...ownGrants.map((grant) => {
      const before = held.get(nameOf(grant));
      const has = before ? termsOf(before) : "missing";
      return `the grant of ${grant.courseId} is ${has}, and has to be ${termsOf(grant)}`;
    }),
    ...removed.map(({ courseId }) => `a grant of ${courseId} has to go`),
    ...enrollments.map(({ courseId, before, state }) => {
      return `the enrollment in ${courseId} is ${before}, and has to be ${state}`;
    }),
  ];
}

function nameOf(grant: Standing["grants"][number]): string {
  const { ledgerId, paymentId, courseId } = grant;
  return ledgerId === null || paymentId === null
    ? JSON.stringify([grant.source, grant.sourceId, grant.learnerId, courseId])
    : grantKeyOf({ ledgerId, paymentId, courseId });
}

function termsOf({ state, expireTime, sourceVersion }: Standing["grants"][number]): string {
  const until = expireTime === null ? "" : ` until ${expireTime.toISOString()}`;
  return `${state}${until} by sequence ${sourceVersion}`;
}
