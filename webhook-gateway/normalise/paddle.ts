// Paddle Billing's events as payment events. Amounts are text of minor units, and a payment counts
// when Paddle has completed it: only then its fee is known, and a payment is told once.

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
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { isoMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";

type Subject = { readonly data: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["transaction.completed", transactionCompleted],
  ["transaction.payment_failed", paymentFailed],
  ["adjustment.created", adjustment],
  ["adjustment.updated", adjustment],
  ["payout.paid", payoutPaid],
]);

export function normalisePaddle(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const type = event.text("event_type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader({
    data: event.object("data"),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.time("occurred_at"), provenance },
  });
}

/** `transaction.paid` tells the same without the fee, a moment earlier, and is kept. */
function transactionCompleted({ data, scope, about }: Subject): Outcome {
  const totals = totalsOf(data);
  const amount = money(totals, "grand_total");
  if (amount.amountMinor === 0n) return kept("a transaction over nothing moves no money");
  return events(
    create(PaymentSucceededSchema, {
      ...about,
      ...paymentOf(scope, data),
      amount,
      ...(totals.has("fee") && { fee: money(totals, "fee") }),
      ...(totals.has("grand_total_tax") && { tax: money(totals, "grand_total_tax") }),
    }),
  );
}

function paymentFailed({ data, scope, about }: Subject): Outcome {
  // The latest attempt stands first.
  const [attempt] = data.objects("payments");
  return events(
    create(PaymentFailedSchema, {
      ...about,
      ...paymentOf(scope, data),
      amount: money(totalsOf(data), "grand_total"),
      failureCode: attempt?.remarkIfAny("error_code") ?? "",
    }),
  );
}

function adjustment(subject: Subject): Outcome {
  const action = subject.data.text("action");
  if (action === "refund") return refund(subject);
  if (action === "chargeback") return chargeback(subject);
  if (otherActions.has(action))
    return kept(`an adjustment of action ${action} moves no money here`);
  throw undocumented(subject.data, "action", action);
}

/** Credits lower what is due, warnings ask first, reversals are told by what they reverse. */
const otherActions: ReadonlySet<string> = new Set([
  "credit",
  "credit_reverse",
  "chargeback_reverse",
  "chargeback_warning",
  "chargeback_warning_reverse",
]);

function refund({ data, scope, about }: Subject): Outcome {
  const status = data.text("status");
  if (status === "pending_approval" || status === "rejected") {
    return kept(`a refund of status ${status} moves no money`);
  }
  if (status !== "approved") throw undocumented(data, "status", status);
  return events(
    create(PaymentRefundedSchema, {
      ...about,
      paymentId: scopedId(scope, data, "transaction_id"),
      refundId: scopedId(scope, data, "id"),
      amount: money(data.object("totals"), "total"),
    }),
  );
}

/** The money is gone until Paddle reverses it; that a chargeback is lost for good is never told. */
function chargeback({ data, scope, about }: Subject): Outcome {
  const status = data.text("status");
  const dispute = {
    ...about,
    disputeId: scopedId(scope, data, "id"),
    paymentId: scopedId(scope, data, "transaction_id"),
    amount: money(data.object("totals"), "total"),
  };
  if (status === "approved") {
    const reasonCode = data.remarkIfAny("reason");
    return events(create(DisputeOpenedSchema, { ...dispute, reasonCode }));
  }
  if (status !== "reversed") throw undocumented(data, "status", status);
  return events(create(DisputeClosedSchema, { ...dispute, outcome: DisputeOutcome.WON }));
}

function payoutPaid({ data, scope, about }: Subject): Outcome {
  const payoutId = scopedId(scope, data, "id");
  return events(create(PayoutPaidSchema, { ...about, payoutId, amount: money(data, "amount") }));
}

function paymentOf(scope: Scope, data: Payload) {
  return {
    paymentId: scopedId(scope, data, "id"),
    orderId: data.objectIfAny("custom_data")?.textIfAny("bursar_order_id", 128) ?? "",
  };
}

function totalsOf(data: Payload): Payload {
  return data.object("details").object("totals");
}

function money(object: Payload, name: string): Money {
  const currency = object.text("currency_code");
  return isoMoney(object.amountText(name), currency, object.pathOf("currency_code"));
}

function undocumented(data: Payload, name: string, value: string) {
  return malformed(`${data.pathOf(name)} is not documented for this: ${shown(value)}`);
}
