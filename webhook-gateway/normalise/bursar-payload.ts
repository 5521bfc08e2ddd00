// The payload that senders without a provider's own format use, described in
// docs/standard-webhooks.md: `type`, `timestamp` and `data`, amounts in minor units.

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
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { optionalScopedId, type Scope, scopedId } from "./scoped-id.ts";

type Subject = { readonly data: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["payment.succeeded", paymentSucceeded],
  ["payment.failed", paymentFailed],
  ["payment.refunded", paymentRefunded],
  ["refund.failed", refundFailed],
  ["dispute.opened", disputeOpened],
  ["dispute.closed", disputeClosed],
  ["payout.paid", payoutPaid],
  ["payout.failed", payoutFailed],
]);

export function normaliseBursarPayload(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const type = event.text("type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader({
    data: event.object("data"),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.time("timestamp"), provenance },
  });
}

function paymentSucceeded({ data, scope, about }: Subject): Outcome {
  const amount = money(data, "amount");
  const fee = sameCurrency(data, "fee", amount);
  const tax = sameCurrency(data, "tax", amount);
  if (tax && tax.amountMinor > amount.amountMinor) {
    throw refused(`data.tax is more than the amount that contains it: ${tax.amountMinor}`);
  }
  return events(
    create(PaymentSucceededSchema, {
      ...about,
      ...paymentOf(scope, data),
      amount,
      ...(fee && { fee }),
      ...(tax && { tax }),
    }),
  );
}

function paymentFailed({ data, scope, about }: Subject): Outcome {
  const failureCode = data.remarkIfAny("failure_code");
  const amount = money(data, "amount");
  return events(
    create(PaymentFailedSchema, { ...about, ...paymentOf(scope, data), amount, failureCode }),
  );
}

/** Names the refund with its amount, or states the payment's total, or both. */
function paymentRefunded({ data, scope, about }: Subject): Outcome {
  const refundId = optionalScopedId(scope, data, "refund_id");
  const amount = optionalMoney(data, "amount");
  const refundedTotal = optionalMoney(data, "refunded_total");
  if ((refundId === undefined) !== (amount === undefined)) {
    throw malformed("data.refund_id and data.amount must come together");
  }
  if (!amount && !refundedTotal) {
    throw malformed("data must hold refund_id and amount, or refunded_total");
  }
  return events(
    create(PaymentRefundedSchema, {
      ...about,
      ...paymentOf(scope, data),
      refundId: refundId ?? "",
      ...(amount && { amount }),
      ...(refundedTotal && { refundedTotal }),
    }),
  );
}

function refundFailed({ data, scope, about }: Subject): Outcome {
  const refundId = scopedId(scope, data, "refund_id");
  const amount = money(data, "amount");
  return events(
    create(RefundFailedSchema, { ...about, ...paymentOf(scope, data), refundId, amount }),
  );
}

function disputeOpened({ data, scope, about }: Subject): Outcome {
  const reasonCode = data.remarkIfAny("reason_code");
  return events(create(DisputeOpenedSchema, { ...about, ...disputeOf(scope, data), reasonCode }));
}

function disputeClosed({ data, scope, about }: Subject): Outcome {
  const written = data.text("outcome");
  if (written !== "won" && written !== "lost") {
    throw malformed(`data.outcome must be won or lost, got ${shown(written)}`);
  }
  const outcome = written === "won" ? DisputeOutcome.WON : DisputeOutcome.LOST;
  return events(create(DisputeClosedSchema, { ...about, ...disputeOf(scope, data), outcome }));
}

function payoutPaid({ data, scope, about }: Subject): Outcome {
  const payoutId = scopedId(scope, data, "payout_id");
  const amount = money(data, "amount");
  return events(create(PayoutPaidSchema, { ...about, payoutId, amount }));
}

function payoutFailed({ data, scope, about }: Subject): Outcome {
  const payoutId = scopedId(scope, data, "payout_id");
  const amount = money(data, "amount");
  const failureCode = data.remarkIfAny("failure_code");
  return events(create(PayoutFailedSchema, { ...about, payoutId, amount, failureCode }));
}

function paymentOf(scope: Scope, data: Payload) {
  return {
    paymentId: scopedId(scope, data, "payment_id"),
    orderId: data.textIfAny("order_id", 128),
  };
}

function disputeOf(scope: Scope, data: Payload) {
  return {
    ...paymentOf(scope, data),
    disputeId: scopedId(scope, data, "dispute_id"),
    amount: money(data, "amount"),
  };
}

function money(data: Payload, name: string): Money {
  return moneyOf(data.object(name));
}

function optionalMoney(data: Payload, name: string): Money | undefined {
  const object = data.optionalObject(name);
  return object && moneyOf(object);
}

function moneyOf(object: Payload): Money {
  const currency = object.text("currency");
  return isoMoney(object.amount("amount_minor"), currency, object.pathOf("currency"));
}

function sameCurrency(data: Payload, name: string, amount: Money): Money | undefined {
  const part = optionalMoney(data, name);
  if (part && part.currencyCode !== amount.currencyCode) {
    throw refused(`data.${name} is in ${part.currencyCode}, data.amount in ${amount.currencyCode}`);
  }
  return part;
}
