// An enrollment is a learner's access to a course: a set of grants, one for each
// reason, summed up here. One live reason is enough, so the end of one never
// takes away what another gives.

import type { GrantState, PaymentKey } from "./payment.ts";

/** One reason for access: a payment, for each course of its order. */
export type Grant = PaymentKey & {
  readonly learnerId: string;
  readonly courseId: string;
  readonly orderId: string;
  readonly state: GrantState;
  /** Ledger sequence of the totals that the state follows from. */
  readonly sourceVersion: bigint;
};

/** `none`: nothing was ever granted, as without an enrollment. */
export type EnrollmentState = "none" | "active" | "suspended" | "revoked";

export type Enrollment = {
  readonly learnerId: string;
  readonly courseId: string;
  readonly state: EnrollmentState;
};

export function enrollmentState(grants: Iterable<GrantState>): EnrollmentState {
  const states = new Set(grants);
  if (states.has("active")) return "active";
  if (states.has("suspended")) return "suspended";
  return states.has("revoked") ? "revoked" : "none";
}
