// Razorpay's events as payment events. Each carries its subject in `payload.<name>.entity`, and
// those about a payment carry the payment beside it.

import { create } from "@bufbuild/protobuf";
import type { Money } from "#gen/bursar/money/v1/money_pb.ts";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
  PayoutPaidSchema,
  RefundFailedSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { isoMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";

type Subject = { readonly payload: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["payment.captured", paymentCaptured],
  ["payment.failed", paymentFailed],
  ["refund.created", refund],
  ["refund.processed", refund],
  ["refund.failed", refund],
  ["payment.dispute.created", disputeOpened],
  ["payment.dispute.won", disputeClosed],
  ["payment.dispute.lost", disputeClosed],
  ["payment.dispute.closed", disputeClosed],
  ["settlement.processed", settlementProcessed],
]);

export function normaliseRazorpay(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const type = event.text("event");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader({
    payload: event.object("payload"),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.unixTime("created_at"), provenance },
  });
}

function paymentCaptured({ payload, scope, about }: Subject): Outcome {
  const payment = entity(payload, "payment");
  const fee = feeOf(payment);
  return events(
    create(PaymentSucceededSchema, {
      ...about,
      paymentId: scopedId(scope, payment, "id"),
      orderId: orderIdOf(payment),
      amount: money(payment, "amount"),
      ...(fee && { fee }),
    }),
  );
}

/**
 * In the currency that the account settles in, which `base_currency` names where the learner paid
 * in another. `tax` is the tax on this fee and part of it, not a tax on the sale.
 */
function feeOf(payment: Payload): Money | undefined {
  const currency = payment.text("currency");
  const base = payment.optionalText("base_currency") ?? currency;
  return payment.has("fee") && base === currency ? money(payment, "fee") : undefined;
}

function paymentFailed({ payload, scope, about }: Subject): Outcome {
  const payment = entity(payload, "payment");
  return events(
    create(PaymentFailedSchema, {
      ...about,
      paymentId: scopedId(scope, payment, "id"),
      orderId: orderIdOf(payment),
      amount: money(payment, "amount"),
      failureCode: payment.remarkIfAny("error_reason") || payment.remarkIfAny("error_code"),
    }),
  );
}

/** Razorpay takes the money when a refund is created, and gives it back when it fails. */
function refund({ payload, scope, about }: Subject): Outcome {
  const refunded = entity(payload, "refund");
  const status = refunded.text("status");
  const named = {
    ...about,
    paymentId: scopedId(scope, refunded, "payment_id"),
    orderId: paidOrderIdOf(payload),
    refundId: scopedId(scope, refunded, "id"),
    amount: money(refunded, "amount"),
  };
  switch (status) {
    case "pending":
    case "processed":
      return events(create(PaymentRefundedSchema, named));
    case "failed":
      return events(create(RefundFailedSchema, named));
    default:
      throw malformed(`${refunded.pathOf("status")} is not a documented status: ${shown(status)}`);
  }
}

function disputeOpened({ payload, scope, about }: Subject): Outcome {
  const dispute = entity(payload, "dispute");
  if (asksOnly(dispute)) return kept("a dispute of this phase asks before money is taken");
  return events(
    create(DisputeOpenedSchema, {
      ...about,
      ...disputeOf(scope, payload, dispute),
      reasonCode: dispute.remarkIfAny("reason_code"),
    }),
  );
}

function disputeClosed({ payload, scope, about }: Subject): Outcome {
  const dispute = entity(payload, "dispute");
  const deducted = dispute.has("amount_deducted") ? dispute.amount("amount_deducted") : 0n;
  if (asksOnly(dispute) && deducted === 0n) {
    return kept("a dispute of this phase asks before money is taken");
  }
  const outcome = outcomeOf(dispute, deducted);
  return events(
    create(DisputeClosedSchema, { ...about, ...disputeOf(scope, payload, dispute), outcome }),
  );
}

function outcomeOf(dispute: Payload, deducted: bigint): DisputeOutcome {
  const status = dispute.text("status");
  if (status === "lost" && deducted > 0n && deducted !== dispute.amount("amount")) {
    throw refused(
      `${dispute.pathOf("amount_deducted")} ${deducted} is not what was disputed: book it by hand`,
    );
  }
  if (status === "lost") return DisputeOutcome.LOST;
  // Closed without a verdict: nothing was deducted, so the money is ours.
  if ((status === "won" || status === "closed") && deducted === 0n) return DisputeOutcome.WON;
  throw malformed(
    `${dispute.pathOf("status")} ${shown(status)} with ${deducted} deducted is not documented`,
  );
}

function asksOnly(dispute: Payload): boolean {
  return /^(retrieval|fraud)$/.test(dispute.optionalText("phase") ?? "");
}

function disputeOf(scope: Scope, payload: Payload, dispute: Payload) {
  return {
    disputeId: scopedId(scope, dispute, "id"),
    paymentId: scopedId(scope, dispute, "payment_id"),
    orderId: paidOrderIdOf(payload),
    amount: money(dispute, "amount"),
  };
}

function settlementProcessed({ payload, scope, about }: Subject): Outcome {
  const settlement = entity(payload, "settlement");
  // Documented in paise: a settlement names no currency, and is made in rupees.
  const currency = settlement.optionalText("currency") ?? "INR";
  const path = settlement.pathOf("currency");
  return events(
    create(PayoutPaidSchema, {
      ...about,
      payoutId: scopedId(scope, settlement, "id"),
      amount: isoMoney(settlement.amount("amount"), currency, path),
    }),
  );
}

function entity(payload: Payload, name: string): Payload {
  return payload.object(name).object("entity");
}

/** Our order as it was given at checkout; notes without any entry are an empty array. */
function orderIdOf(payment: Payload | undefined): string {
  return payment?.objectIfAny("notes")?.textIfAny("bursar_order_id", 128) ?? "";
}

function paidOrderIdOf(payload: Payload): string {
  return orderIdOf(payload.objectIfAny("payment")?.objectIfAny("entity"));
}

function money(object: Payload, name: string): Money {
  return isoMoney(object.amount(name), object.text("currency"), object.pathOf("currency"));
}
