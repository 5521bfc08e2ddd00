// What the desk can make of a webhook: payment events, nothing because its type
// means nothing to the books or its endpoint's filter is false for it, nothing
// yet because its provider has to confirm it, or a dead letter with a reason.

import assert from "node:assert/strict";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
  PayoutFailedSchema,
  PayoutPaidSchema,
  RefundFailedSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";

export const paymentEventSchemas = [
  PaymentSucceededSchema,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  RefundFailedSchema,
  DisputeOpenedSchema,
  DisputeClosedSchema,
  PayoutPaidSchema,
  PayoutFailedSchema,
] as const;

export type PaymentEventSchema = (typeof paymentEventSchemas)[number];
export type PaymentEvent = MessageShape<PaymentEventSchema>;

export function schemaOf({ $typeName }: PaymentEvent): DescMessage {
  const schema = paymentEventSchemas.find(({ typeName }) => typeName === $typeName);
  assert(schema, `${$typeName} is no payment event`);
  return schema;
}

export type Outcome =
  | { readonly kind: "events"; readonly events: readonly PaymentEvent[] }
  | { readonly kind: "kept"; readonly why: string }
  | { readonly kind: "filtered" }
  /** `bodySha256` where one transmission has one body: another one under its id is a conflict. */
  | { readonly kind: "unconfirmed"; readonly bodySha256?: Uint8Array }
  | Dead;

export type Dead = {
  readonly kind: "dead";
  readonly reason: DeadLetterReason;
  readonly detail: string;
};

/** What every payment event says about itself. */
export type About = {
  readonly ledgerId: string;
  readonly occurredTime: Timestamp;
  readonly provenance: Provenance;
};

export function events(...made: readonly PaymentEvent[]): Outcome {
  return { kind: "events", events: made };
}

export function kept(why: string): Outcome {
  return { kind: "kept", why };
}

/** Thrown where a payload cannot be read, deep inside it; `normalise` makes a dead letter of it. */
export class Unreadable extends Error {
  override name = "Unreadable";
  readonly reason: DeadLetterReason;

  constructor(reason: DeadLetterReason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

export function malformed(detail: string): Unreadable {
  return new Unreadable(DeadLetterReason.PAYLOAD_MALFORMED, detail);
}

export function refused(detail: string): Unreadable {
  return new Unreadable(DeadLetterReason.REFUSED, detail);
}
