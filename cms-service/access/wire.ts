// The words of the rules and the numbers of the wire.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import * as wire from "#gen/bursar/cms/v1/enrollment_pb.ts";
import { AccessReason } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import * as orders from "#gen/bursar/cms/v1/order_service_pb.ts";
import { type EnrollmentState, type GrantSource, grantStateAt } from "./enrollment.ts";
import type { GrantRow } from "./grant-store.ts";
import type { OrderState } from "./order-state.ts";
import type { GrantState, Judgement } from "./payment.ts";
import type { AccessReason as Reason } from "./verdict.ts";

export const orderStateToWire = {
  pending: orders.OrderState.PENDING,
  paid: orders.OrderState.PAID,
  underpaid: orders.OrderState.UNDERPAID,
  overpaid: orders.OrderState.OVERPAID,
  "wrong-currency": orders.OrderState.WRONG_CURRENCY,
  disputed: orders.OrderState.DISPUTED,
  refunded: orders.OrderState.REFUNDED,
  expired: orders.OrderState.EXPIRED,
  cancelled: orders.OrderState.CANCELLED,
} as const satisfies Record<OrderState, orders.OrderState>;

/** Undefined when the request leaves it open. */
export function orderStateFromWire(state: orders.OrderState): OrderState | undefined {
  const states = Object.keys(orderStateToWire) as OrderState[];
  return states.find((candidate) => orderStateToWire[candidate] === state);
}

export const judgementToWire = {
  covers: orders.PaymentJudgement.COVERS,
  underpays: orders.PaymentJudgement.UNDERPAYS,
  "wrong-currency": orders.PaymentJudgement.WRONG_CURRENCY,
} as const satisfies Record<Judgement, orders.PaymentJudgement>;

export const grantSourceToWire = {
  payment: wire.GrantSource.PAYMENT,
  manual: wire.GrantSource.MANUAL,
  coupon: wire.GrantSource.COUPON,
  cohort: wire.GrantSource.COHORT,
  gift: wire.GrantSource.GIFT,
} as const satisfies Record<GrantSource, wire.GrantSource>;

export const grantStateToWire = {
  active: wire.GrantState.ACTIVE,
  suspended: wire.GrantState.SUSPENDED,
  expired: wire.GrantState.EXPIRED,
  revoked: wire.GrantState.REVOKED,
  void: wire.GrantState.VOID,
} as const satisfies Record<GrantState | "expired", wire.GrantState>;

export const enrollmentStateToWire = {
  none: wire.EnrollmentState.UNSPECIFIED,
  active: wire.EnrollmentState.ACTIVE,
  suspended: wire.EnrollmentState.SUSPENDED,
  expired: wire.EnrollmentState.EXPIRED,
  revoked: wire.EnrollmentState.REVOKED,
} as const satisfies Record<EnrollmentState, wire.EnrollmentState>;

export const accessReasonToWire = {
  granted: AccessReason.GRANTED,
  "free-preview": AccessReason.FREE_PREVIEW,
  suspended: AccessReason.SUSPENDED,
  revoked: AccessReason.REVOKED,
  expired: AccessReason.EXPIRED,
  "not-enrolled": AccessReason.NOT_ENROLLED,
  "course-not-published": AccessReason.COURSE_NOT_PUBLISHED,
  "lesson-not-found": AccessReason.LESSON_NOT_FOUND,
  "prerequisite-missing": AccessReason.PREREQUISITE_MISSING,
} as const satisfies Record<Reason, AccessReason>;

export function grantToWire(grant: GrantRow, now: Date): MessageInitShape<typeof wire.GrantSchema> {
  const { expireTime, source, state: _state, ledgerId, paymentId, orderId, ...rest } = grant;
  return {
    ...rest,
    source: grantSourceToWire[source],
    state: grantStateToWire[grantStateAt(grant, now)],
    ledgerId: ledgerId ?? "",
    paymentId: paymentId ?? "",
    orderId: orderId ?? "",
    startTime: timestampFromDate(grant.startTime),
    createTime: timestampFromDate(grant.createTime),
    updateTime: timestampFromDate(grant.updateTime),
    ...(expireTime && { expireTime: timestampFromDate(expireTime) }),
    etag: etagOf(grant),
  };
}

export function etagOf({ sourceVersion }: Pick<GrantRow, "sourceVersion">): string {
  return `"${sourceVersion}"`;
}
