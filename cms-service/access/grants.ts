// Grants without money: made by hand, for cohorts, as gifts, and for orders that a coupon made
// free. In the caller's SQL transaction: enrollments locked, grants written, sums told.

import type { Tx } from "#mesh/database/pool.ts";
import { newId } from "../requests/identifiers.ts";
import { refused } from "../requests/refusal.ts";
import { type EnrollmentKey, type GrantSource, sumUp } from "./enrollment.ts";
import * as store from "./grant-store.ts";
import { expiryOf } from "./payment.ts";
import { lockEnrollments, readGrants } from "./standing-store.ts";
import { writeEnrollments } from "./tell.ts";
import { etagOf } from "./wire.ts";

export type GrantPlan = {
  readonly source: Exclude<GrantSource, "payment">;
  readonly sourceId: string;
  readonly learnerIds: readonly string[];
  readonly courseIds: readonly string[];
  readonly orderId: string | null;
  readonly expireTime: Date | null;
  readonly reason: string;
  readonly actor: string;
};

/** One grant a learner and course. Answers which were made; the others were there already. */
export async function giveGrants(
  tx: Tx,
  plan: GrantPlan,
  now: Date,
): Promise<readonly store.NewGrant[]> {
  const { learnerIds, courseIds, source, sourceId, orderId, expireTime, reason, actor } = plan;
  const keys = learnerIds.flatMap((learnerId) =>
    courseIds.map((courseId) => ({ learnerId, courseId })),
  );
  const enrollments = await lockEnrollments(tx, keys);
  const planned = keys.map((key) => ({
    ...key,
    ...{ grantId: newId("grt"), source, sourceId, orderId, expireTime, reason, actor },
    ...{ state: "active" as const, sourceVersion: 1n, startTime: now, createTime: now },
  }));
  const made = new Set(await store.insertGrants(tx, planned));
  const grants = planned.filter(({ grantId }) => made.has(grantId));
  const touched = grants.map((grant) => ({ ...grant, ledgerId: null, paymentId: null }));
  const held = await readGrants(tx, enrollments);
  await writeEnrollments(tx, sumUp(enrollments, held, touched, now), now);
  return grants;
}

export async function refuseUnknownCourses(tx: Tx, courseIds: readonly string[]): Promise<void> {
  const known = await store.readGrantableCourses(tx, courseIds);
  const unknown = courseIds.find((courseId) => !known.has(courseId));
  if (unknown === undefined) return;
  throw refused("COURSE_NOT_FOUND", `there is no course ${unknown}`, { resource: unknown });
}

export type FreeOrder = {
  readonly orderId: string;
  readonly learnerId: string;
  readonly courseIds: readonly string[];
  /** Null: for ever. */
  readonly accessDurationS: bigint | null;
};

/** For an order with nothing to pay, in the SQL transaction that makes it. Safe to repeat. */
export async function grantForFreeOrder(
  tx: Tx,
  order: FreeOrder,
  now: Date = new Date(),
): Promise<void> {
  const { orderId, learnerId, courseIds, accessDurationS } = order;
  const plan = {
    ...{ source: "coupon" as const, sourceId: orderId, orderId, reason: "", actor: "" },
    ...{ learnerIds: [learnerId], courseIds, expireTime: expiryOf(now, accessDurationS) },
  };
  await giveGrants(tx, plan, now);
}

/** Ends a grant that money does not move. */
export async function revokeGrant(
  tx: Tx,
  { grantId, etag, reason }: { grantId: string; etag: string; reason: string },
  now: Date,
): Promise<store.GrantRow> {
  const key = await lockGrant(tx, grantId);
  const before = await readKnown(tx, grantId);
  refuseRevoke(before, etag);
  await store.revokeGrant(tx, grantId, { reason, now });
  const grant = await readKnown(tx, grantId);
  await writeEnrollments(tx, sumUp(key, await readGrants(tx, key), [grant], now), now);
  return grant;
}

/** A payment's grant can change its enrollment while it is waited for; it is refused anyway. */
async function lockGrant(tx: Tx, grantId: string) {
  const { learnerId, courseId }: EnrollmentKey = await readKnown(tx, grantId);
  return lockEnrollments(tx, [{ learnerId, courseId }]);
}

async function readKnown(tx: Tx, grantId: string): Promise<store.GrantRow> {
  const grant = await store.readGrant(tx, grantId);
  if (grant) return grant;
  throw refused("GRANT_NOT_FOUND", `there is no grant ${grantId}`, { resource: grantId });
}

function refuseRevoke(grant: store.GrantRow, etag: string): void {
  const { grantId, source, paymentId, state } = grant;
  if (source === "payment") {
    throw refused(
      "GRANT_MOVED_BY_MONEY",
      `grant ${grantId} comes from payment ${paymentId}: refund that, and the grant is revoked`,
      { resource: grantId },
    );
  }
  const currentEtag = etagOf(grant);
  if (etag !== currentEtag) {
    const message = `grant ${grantId} is ${state} at etag ${currentEtag}, not at ${etag}; read it`;
    throw refused("ETAG_MISMATCH", message, { resource: grantId, currentEtag });
  }
  if (state === "revoked") {
    const message = `grant ${grantId} is revoked, and only one that is not can be revoked`;
    throw refused("GRANT_REVOKED", message, { resource: grantId, currentEtag });
  }
}
