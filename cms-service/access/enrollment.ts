// An enrollment is a learner's access to a course: a set of grants, one for each
// reason, summed up here. One live reason is enough, so the end of one never
// takes away what another gives.

import type { GrantState } from "./payment.ts";

export type GrantSource = "payment" | "manual" | "coupon" | "cohort" | "gift";

/** What of a grant decides. */
export type GrantTerms = {
  readonly state: GrantState;
  /** Null: never. */
  readonly expireTime: Date | null;
};

/** One reason for access. */
export type Grant = GrantTerms & {
  readonly learnerId: string;
  readonly courseId: string;
  readonly source: GrantSource;
  readonly sourceId: string;
  /** Of a payment, the ledger sequence of its totals; of others, raised by every change. */
  readonly sourceVersion: bigint;
  /** Null where it comes from no payment. */
  readonly ledgerId: string | null;
  readonly paymentId: string | null;
  /** Null where it comes from no order. */
  readonly orderId: string | null;
  readonly startTime: Date;
};

/** `none`: nothing was ever granted, as without an enrollment. */
export type EnrollmentState = "none" | "active" | "suspended" | "expired" | "revoked";

export type Enrollment = {
  readonly learnerId: string;
  readonly courseId: string;
  /** When it was last written down; the clock may have moved it since. */
  readonly state: EnrollmentState;
  /** When the clock alone changes the state; null: never. */
  readonly lapseTime: Date | null;
};

/** What a grant is now: time that has run out ends what the source would still give. */
export function grantStateAt({ state, expireTime }: GrantTerms, now: Date): GrantState | "expired" {
  const isOpen = state === "active" || state === "suspended";
  return isOpen && expireTime !== null && expireTime <= now ? "expired" : state;
}

export function enrollmentState(grants: Iterable<GrantTerms>, now: Date): EnrollmentState {
  const states = new Set([...grants].map((grant) => grantStateAt(grant, now)));
  if (states.has("active")) return "active";
  if (states.has("suspended")) return "suspended";
  if (states.has("expired")) return "expired";
  return states.has("revoked") ? "revoked" : "none";
}

/** When the last of the grants that make the state runs out; null: never, or nothing is open. */
export function lapseTime(grants: readonly GrantTerms[], now: Date): Date | null {
  const state = enrollmentState(grants, now);
  if (state !== "active" && state !== "suspended") return null;
  let last = new Date(0);
  for (const grant of grants) {
    if (grantStateAt(grant, now) !== state) continue;
    if (grant.expireTime === null) return null;
    if (grant.expireTime > last) last = grant.expireTime;
  }
  return last;
}

/** When the last of the grants that ran out did so. */
function lastExpiry(grants: readonly GrantTerms[], now: Date): Date | null {
  const times = grants.flatMap((grant) => {
    return grantStateAt(grant, now) === "expired" && grant.expireTime ? [grant.expireTime] : [];
  });
  return times.toSorted((a, b) => b.getTime() - a.getTime())[0] ?? null;
}

/** Whoever is told of a change is told what brought it about. */
export type Cause = Pick<Grant, "source" | "orderId">;

export type EnrollmentChange = Enrollment & {
  readonly before: EnrollmentState;
  /** When the last of the access ran out, where it is expired. */
  readonly expireTime: Date | null;
  readonly cause: Cause;
};

export type EnrollmentKey = Pick<Enrollment, "learnerId" | "courseId">;

/** JSON keeps the parts apart whatever characters they hold. */
export const enrollmentKeyOf = ({ learnerId, courseId }: EnrollmentKey) =>
  JSON.stringify([learnerId, courseId]);

/**
 * What the enrollments are now, as far as it differs from what was written down. `touched` are the
 * grants that may have moved them, as they were and as they are; `grants` are all there are.
 */
export function sumUp(
  enrollments: readonly Enrollment[],
  grants: readonly Grant[],
  touched: readonly Grant[],
  now: Date,
): readonly EnrollmentChange[] {
  const grantsByEnrollment = Map.groupBy(grants, enrollmentKeyOf);
  const causesByEnrollment = Map.groupBy(touched, enrollmentKeyOf);
  return enrollments.flatMap((enrollment) => {
    const key = enrollmentKeyOf(enrollment);
    const held = grantsByEnrollment.get(key) ?? [];
    const state = enrollmentState(held, now);
    const lapse = lapseTime(held, now);
    const { learnerId, courseId, state: before, lapseTime: lapseBefore } = enrollment;
    if (state === before && lapse?.getTime() === lapseBefore?.getTime()) return [];
    const causes = [...(causesByEnrollment.get(key) ?? []), ...held];
    const cause = causes.find((grant) => grantStateAt(grant, now) === state) ?? causes[0];
    const { source, orderId } = cause ?? { source: "payment", orderId: null };
    const expireTime = state === "expired" ? lastExpiry(held, now) : null;
    const after = { learnerId, courseId, state, lapseTime: lapse };
    return [{ ...after, before, expireTime, cause: { source, orderId } }];
  });
}
