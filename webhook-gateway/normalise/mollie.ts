// Mollie's payments as payment events: from a signed event with its full payload, or from the
// payment that a classic webhook pointed at, with all that became of it so far. What was told
// before is told again, and counts once.

import { create } from "@bufbuild/protobuf";
import type { Money } from "#gen/bursar/money/v1/money_pb.ts";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
  PayoutFailedSchema,
  PayoutPaidSchema,
  RefundFailedSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { decimalMoney } from "./currency.ts";
import { type About, events, kept, type Outcome, type PaymentEvent } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";

type Subject = {
  readonly entity: Payload;
  readonly scope: Scope;
  readonly about: Omit<About, "occurredTime">;
};

/** Of signed events; each takes what its type says from the payload. */
const readers: ReadonlyMap<string, (subject: Subject) => PaymentEvent> = new Map([
  ["payment.paid", paid],
  ["payment.failed", failed],
  ["refund.processing", refunded],
  ["refund.refunded", refunded],
  ["refund.failed", refundFailed],
  ["chargeback.received", chargedBack],
  ["chargeback.reversed", chargebackReversed],
  ["payout.completed", payoutPaid],
  ["payout.failed", payoutFailed],
]);

export function normaliseMollie(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const payload = readPayload(webhook.body);
  const scope = { provider: webhook.provider, account: webhook.providerAccount };
  const about = { ledgerId: webhook.ledgerId, provenance };
  if (payload.text("resource") === "payment") return payment({ entity: payload, scope, about });
  const type = payload.text("type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  const entity = payload.object("_embedded").object("entity");
  if (type === "payment.paid" && isOverNothing(entity)) return kept(overNothing);
  return events(reader({ entity, scope, about }));
}

function payment(subject: Subject): Outcome {
  const { entity } = subject;
  const told: PaymentEvent[] = [];
  const status = entity.text("status");
  if (status === "paid" && !isOverNothing(entity)) told.push(paid(subject));
  if (status === "failed") told.push(failed(subject));
  const embedded = entity.optionalObject("_embedded");
  const paymentId = scopedId(subject.scope, entity, "id");
  for (const refund of embedded?.objects("refunds") ?? []) {
    const state = refund.text("status");
    const about = { ...subject, entity: refund };
    if (state === "processing" || state === "refunded") told.push(refunded(about, paymentId));
    if (state === "failed") told.push(refundFailed(about, paymentId));
  }
  for (const chargeback of embedded?.objects("chargebacks") ?? []) {
    const about = { ...subject, entity: chargeback };
    told.push(chargedBack(about, paymentId));
    if (chargeback.has("reversedAt")) told.push(chargebackReversed(about, paymentId));
  }
  return told.length === 0
    ? kept(`a payment that is ${shown(status)} moves no money`)
    : events(...told);
}

function paid({ entity, scope, about }: Subject): PaymentEvent {
  return create(PaymentSucceededSchema, {
    ...about,
    occurredTime: entity.time("paidAt"),
    paymentId: scopedId(scope, entity, "id"),
    orderId: orderIdOf(entity),
    amount: receivedOf(entity),
  });
}

/** Of what was authorised only what was captured is paid, where Mollie tells the two apart. */
function receivedOf(entity: Payload): Money {
  return money(entity, entity.has("amountCaptured") ? "amountCaptured" : "amount");
}

/** A first payment over nothing asks for consent to later ones. */
function isOverNothing(entity: Payload): boolean {
  return money(entity).amountMinor === 0n;
}

const overNothing = "a payment over nothing moves no money";

function failed({ entity, scope, about }: Subject): PaymentEvent {
  return create(PaymentFailedSchema, {
    ...about,
    occurredTime: entity.time("failedAt"),
    paymentId: scopedId(scope, entity, "id"),
    orderId: orderIdOf(entity),
    amount: money(entity),
    failureCode: entity.objectIfAny("statusReason")?.remarkIfAny("code") ?? "",
  });
}

/** Once Mollie carries it out: before that it can be taken back. */
function refunded({ entity, scope, about }: Subject, paymentId = paymentIdOf(scope, entity)) {
  return create(PaymentRefundedSchema, {
    ...about,
    occurredTime: entity.time("createdAt"),
    paymentId,
    refundId: scopedId(scope, entity, "id"),
    amount: money(entity),
  });
}

function refundFailed({ entity, scope, about }: Subject, paymentId = paymentIdOf(scope, entity)) {
  return create(RefundFailedSchema, {
    ...about,
    occurredTime: entity.time("createdAt"),
    paymentId,
    refundId: scopedId(scope, entity, "id"),
    amount: money(entity),
  });
}

function chargedBack({ entity, scope, about }: Subject, paymentId = paymentIdOf(scope, entity)) {
  return create(DisputeOpenedSchema, {
    ...about,
    occurredTime: entity.time("createdAt"),
    disputeId: scopedId(scope, entity, "id"),
    paymentId,
    amount: money(entity),
    reasonCode: entity.objectIfAny("reason")?.remarkIfAny("code") ?? "",
  });
}

/** A chargeback stands unless it is reversed: Mollie tells of no other end. */
function chargebackReversed(
  { entity, scope, about }: Subject,
  paymentId = paymentIdOf(scope, entity),
) {
  return create(DisputeClosedSchema, {
    ...about,
    occurredTime: entity.time("reversedAt"),
    disputeId: scopedId(scope, entity, "id"),
    paymentId,
    amount: money(entity),
    outcome: DisputeOutcome.WON,
  });
}

function payoutPaid({ entity, scope, about }: Subject): PaymentEvent {
  return create(PayoutPaidSchema, {
    ...about,
    occurredTime: entity.time("completedAt"),
    payoutId: scopedId(scope, entity, "id"),
    amount: money(entity),
  });
}

function payoutFailed({ entity, scope, about }: Subject): PaymentEvent {
  return create(PayoutFailedSchema, {
    ...about,
    occurredTime: entity.time("createdAt"),
    payoutId: scopedId(scope, entity, "id"),
    amount: money(entity),
    failureCode: entity.objectIfAny("statusReason")?.remarkIfAny("code") ?? "",
  });
}

function paymentIdOf(scope: Scope, entity: Payload): string {
  return scopedId(scope, entity, "paymentId");
}

function money(entity: Payload, name = "amount"): Money {
  const amount = entity.object(name);
  return decimalMoney(amount, "value", amount.text("currency"));
}

function orderIdOf(entity: Payload): string {
  return entity.objectIfAny("metadata")?.textIfAny("bursar_order_id", 128) ?? "";
}
