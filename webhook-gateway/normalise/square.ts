// Square's events as payment events. Each carries the whole object as it stands, and the same
// payment is told again whenever something about it changes, so only what is final is read.

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
import { isoMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { firstScopedId, type Scope, scopedId } from "./scoped-id.ts";

type Subject = { readonly object: Payload; readonly scope: Scope; readonly about: About };
type Reader = { readonly name: string; readonly read: (subject: Subject) => Outcome };

const payment: Reader = { name: "payment", read: readPayment };
const refund: Reader = { name: "refund", read: readRefund };
const dispute: Reader = { name: "dispute", read: readDispute };

const readers: ReadonlyMap<string, Reader> = new Map([
  ["payment.created", payment],
  ["payment.updated", payment],
  ["refund.created", refund],
  ["refund.updated", refund],
  ["dispute.created", dispute],
  ["dispute.state.updated", dispute],
  ["dispute.state.changed", dispute],
  ["payout.paid", { name: "payout", read: payoutPaid }],
  ["payout.failed", { name: "payout", read: payoutFailed }],
]);

export function normaliseSquare(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const type = event.text("type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader.read({
    object: event.object("data").object("object").object(reader.name),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.time("created_at"), provenance },
  });
}

/** Its fee comes in a later update of the completed payment, so none is recorded from here. */
function readPayment({ object, scope, about }: Subject): Outcome {
  const status = object.text("status");
  if (elsewhere(object, "source_type")) return kept("Square only notes a payment made elsewhere");
  const paid = {
    ...about,
    paymentId: scopedId(scope, object, "id"),
    orderId: object.textIfAny("reference_id", 128),
  };
  switch (status) {
    case "COMPLETED":
      return events(
        create(PaymentSucceededSchema, { ...paid, amount: money(object, "total_money") }),
      );
    case "FAILED": {
      const amount = money(object, "amount_money");
      const [error] = object.objectIfAny("card_details")?.objects("errors") ?? [];
      const failureCode = error?.remarkIfAny("code") ?? "";
      return events(create(PaymentFailedSchema, { ...paid, amount, failureCode }));
    }
    case "APPROVED":
    case "PENDING":
    case "CANCELED":
      return kept(`a payment of status ${status} moves no money`);
    default:
      throw undocumented(object, "status", status);
  }
}

/** Cash, and what another company took, never reaches Square. */
function elsewhere(object: Payload, name: string): boolean {
  return /^(CASH|EXTERNAL)$/.test(object.optionalText(name) ?? "");
}

function readRefund({ object, scope, about }: Subject): Outcome {
  const status = object.text("status");
  if (elsewhere(object, "destination_type"))
    return kept("Square only notes a refund made elsewhere");
  const named = {
    ...about,
    paymentId: scopedId(scope, object, "payment_id"),
    refundId: scopedId(scope, object, "id"),
    amount: money(object, "amount_money"),
  };
  switch (status) {
    case "PENDING":
    case "COMPLETED":
      return events(create(PaymentRefundedSchema, named));
    case "REJECTED":
    case "FAILED":
      return events(create(RefundFailedSchema, named));
    default:
      throw undocumented(object, "status", status);
  }
}

function readDispute({ object, scope, about }: Subject): Outcome {
  const state = object.text("state");
  if (/^INQUIRY_(EVIDENCE_REQUIRED|PROCESSING|CLOSED)$/.test(state)) {
    return kept("an inquiry asks before money is taken");
  }
  const disputed = {
    ...about,
    disputeId: firstScopedId(scope, object, ["id", "dispute_id"]),
    paymentId: scopedId(scope, object.object("disputed_payment"), "payment_id"),
    amount: money(object, "amount_money"),
  };
  switch (state) {
    case "EVIDENCE_REQUIRED":
    case "PROCESSING": {
      const reasonCode = object.remarkIfAny("reason");
      return events(create(DisputeOpenedSchema, { ...disputed, reasonCode }));
    }
    case "WON":
      return events(create(DisputeClosedSchema, { ...disputed, outcome: DisputeOutcome.WON }));
    case "LOST":
    case "ACCEPTED":
      return events(create(DisputeClosedSchema, { ...disputed, outcome: DisputeOutcome.LOST }));
    default:
      throw undocumented(object, "state", state);
  }
}

function payoutPaid({ object, scope, about }: Subject): Outcome {
  return events(create(PayoutPaidSchema, { ...about, ...payoutOf(scope, object) }));
}

function payoutFailed({ object, scope, about }: Subject): Outcome {
  return events(create(PayoutFailedSchema, { ...about, ...payoutOf(scope, object) }));
}

function payoutOf(scope: Scope, object: Payload) {
  return { payoutId: scopedId(scope, object, "id"), amount: money(object, "amount_money") };
}

function money(object: Payload, name: string): Money {
  const written = object.object(name);
  return isoMoney(written.amount("amount"), written.text("currency"), written.pathOf("currency"));
}

function undocumented(object: Payload, name: string, value: string) {
  return malformed(`${object.pathOf(name)} is not documented: ${shown(value)}`);
}
