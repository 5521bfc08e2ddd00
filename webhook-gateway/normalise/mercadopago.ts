// Mercado Pago's payments as payment events, from what its API answered: the payment and all that
// became of it so far. Amounts are numbers with decimals there, read as they were written.

import { create } from "@bufbuild/protobuf";
import type { Money } from "#gen/bursar/money/v1/money_pb.ts";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { decimalMoney } from "./currency.ts";
import { events, kept, malformed, type Outcome, type PaymentEvent, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";

type Subject = {
  readonly payment: Payload;
  /** What every event about it says. */
  readonly about: {
    readonly ledgerId: string;
    readonly provenance: Provenance;
    readonly paymentId: string;
    readonly orderId: string;
  };
  readonly scope: string;
};

/** Of a payment that was approved once, whatever came of it. */
const approved: ReadonlySet<string> = new Set([
  "approved",
  "in_mediation",
  "refunded",
  "charged_back",
]);

export function normaliseMercadoPago(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const payment = readPayload(webhook.body);
  const scope = `${webhook.provider}/${webhook.providerAccount}`;
  const paymentId = `${scope}/${payment.numberText("id")}`;
  const orderId = orderIdOf(payment);
  const about = { ledgerId: webhook.ledgerId, provenance, paymentId, orderId };
  const subject = { payment, about, scope };

  const status = payment.text("status");
  if (status === "rejected") return events(rejected(subject));
  if (!approved.has(status)) return kept(`a payment that is ${shown(status)} moves no money`);
  const returned = refunds(subject);
  if (status === "refunded" && returned.length === 0) {
    throw malformed("status is refunded, and neither refunds nor a total say how much");
  }
  if (status !== "charged_back") return events(succeeded(subject), ...returned);
  // How much the bank took of the rest is stated nowhere, nor whether the total contains it.
  if (returned.length > 0) {
    throw refused("a payment was refunded and charged back: compare it with the books");
  }
  return events(succeeded(subject), ...chargeback(subject));
}

function succeeded({ payment, about }: Subject): PaymentEvent {
  const fee = feeOf(payment);
  return create(PaymentSucceededSchema, {
    ...about,
    occurredTime: payment.time("date_approved"),
    amount: money(payment, "transaction_amount", payment),
    ...(fee && { fee }),
  });
}

function rejected({ payment, about }: Subject): PaymentEvent {
  return create(PaymentFailedSchema, {
    ...about,
    occurredTime: payment.time("date_last_updated"),
    amount: money(payment, "transaction_amount", payment),
    failureCode: payment.remarkIfAny("status_detail"),
  });
}

/** Each by its name where they are listed; else the total that is stated. */
function refunds({ payment, about, scope }: Subject): PaymentEvent[] {
  const named = payment
    .objects("refunds")
    .filter((it) => it.textIfAny("status", 64) === "approved");
  if (named.length > 0) {
    return named.map((refund) =>
      create(PaymentRefundedSchema, {
        ...about,
        occurredTime: refund.time("date_created"),
        refundId: `${scope}/${refund.numberText("id")}`,
        amount: money(refund, "amount", payment),
      }),
    );
  }
  if (!payment.has("transaction_amount_refunded")) return [];
  const refundedTotal = money(payment, "transaction_amount_refunded", payment);
  if (refundedTotal.amountMinor === 0n) return [];
  const occurredTime = payment.time("date_last_updated");
  return [create(PaymentRefundedSchema, { ...about, occurredTime, refundedTotal })];
}

/** A payment has one chargeback, which goes by the payment's id. */
function chargeback({ payment, about }: Subject): PaymentEvent[] {
  const dispute = {
    ...about,
    disputeId: about.paymentId,
    occurredTime: payment.time("date_last_updated"),
    amount: money(payment, "transaction_amount", payment),
  };
  const detail = payment.text("status_detail");
  switch (detail) {
    case "in_process":
      return [create(DisputeOpenedSchema, dispute)];
    case "settled":
      return [create(DisputeClosedSchema, { ...dispute, outcome: DisputeOutcome.LOST })];
    case "reimbursed":
      return [create(DisputeClosedSchema, { ...dispute, outcome: DisputeOutcome.WON })];
    default:
      throw malformed(`status_detail is not a documented end of a chargeback: ${shown(detail)}`);
  }
}

/** What the seller pays of the fees; a part that somebody else pays is not kept back from us. */
function feeOf(payment: Payload): Money | undefined {
  const ours = payment
    .objects("fee_details")
    .filter((fee) => fee.textIfAny("fee_payer", 64) === "collector")
    .map((fee) => money(fee, "amount", payment));
  const [first, ...others] = ours;
  return first && others.reduce((sum, fee) => addTo(sum, fee.amountMinor), first);
}

function addTo(sum: Money, amountMinor: bigint): Money {
  return { ...sum, amountMinor: sum.amountMinor + amountMinor };
}

function money(object: Payload, name: string, payment: Payload): Money {
  return decimalMoney(object, name, payment.text("currency_id"), object.numberText(name));
}

function orderIdOf(payment: Payload): string {
  const given = payment.objectIfAny("metadata")?.textIfAny("bursar_order_id", 128);
  return given || payment.textIfAny("external_reference", 128);
}
