// The words of the rules and the numbers of the wire.

import * as wire from "#gen/bursar/cms/v1/enrollment_pb.ts";
import { AccessReason } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import * as orders from "#gen/bursar/cms/v1/order_service_pb.ts";
import type { EnrollmentState } from "./enrollment.ts";
import type { OrderState } from "./order-state.ts";
import type { GrantState, Judgement } from "./payment.ts";

export const orderStateToWire = {
  pending: orders.OrderState.PENDING,
  paid: orders.OrderState.PAID,
  underpaid: orders.OrderState.UNDERPAID,
  overpaid: orders.OrderState.OVERPAID,
  "wrong-currency": orders.OrderState.WRONG_CURRENCY,
  disputed: orders.OrderState.DISPUTED,
  refunded: orders.OrderState.REFUNDED,
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

export const grantStateToWire = {
  active: wire.GrantState.ACTIVE,
  suspended: wire.GrantState.SUSPENDED,
  revoked: wire.GrantState.REVOKED,
  void: wire.GrantState.VOID,
} as const satisfies Record<GrantState, wire.GrantState>;

export const enrollmentStateToWire = {
  none: wire.EnrollmentState.UNSPECIFIED,
  active: wire.EnrollmentState.ACTIVE,
  suspended: wire.EnrollmentState.SUSPENDED,
  revoked: wire.EnrollmentState.REVOKED,
} as const satisfies Record<EnrollmentState, wire.EnrollmentState>;

export const accessReasonToWire = {
  none: AccessReason.NOT_ENROLLED,
  active: AccessReason.GRANTED,
  suspended: AccessReason.SUSPENDED,
  revoked: AccessReason.REVOKED,
} as const satisfies Record<EnrollmentState, AccessReason>;
