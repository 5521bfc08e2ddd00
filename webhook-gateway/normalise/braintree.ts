// Braintree's notifications as payment events: XML in a form, amounts as decimal text. One
// transaction is told by several kinds, always under its own id.

import { create } from "@bufbuild/protobuf";
import { type Money, MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import {
  type DisputeClosed,
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
import { readBraintreeForm, xmlOf } from "../providers/braintree-form.ts";
import { decimalMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";
import { readXml } from "./xml.ts";

type Subject = { readonly subject: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["transaction_settled", ofTransaction(moved)],
  ["transaction_disbursed", ofTransaction(moved)],
  ["transaction_settlement_declined", ofTransaction(declined)],
  ["refund_failed", ofTransaction(refundFailed)],
  ["subscription_charged_successfully", ofSubscription(moved)],
  ["subscription_charged_unsuccessfully", ofSubscription(declined)],
  ["dispute_opened", disputeOpened],
  ["dispute_won", disputeWon],
  ["dispute_lost", disputeLost],
  ["dispute_accepted", disputeLost],
  ["dispute_auto_accepted", disputeLost],
  ["dispute_expired", disputeLost],
  ["disbursement", disbursement],
]);

export function normaliseBraintree(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const form = readBraintreeForm(webhook.body);
  if (!form) throw malformed("the body is not a form with bt_signature and bt_payload");
  const notification = readXml(xmlOf(form), "notification");
  const kind = notification.text("kind");
  const reader = readers.get(kind);
  if (!reader) return kept(`kind ${shown(kind)} is not mapped`);
  return reader({
    subject: notification.object("subject"),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: notification.time("timestamp"), provenance },
  });
}

type OfTransaction = (transaction: Payload, subject: Subject) => Outcome;

function ofTransaction(read: OfTransaction): (subject: Subject) => Outcome {
  return (subject) => read(subject.subject.object("transaction"), subject);
}

/** The transaction that caused the notification stands first, earlier ones after it. */
function ofSubscription(read: OfTransaction): (subject: Subject) => Outcome {
  return (subject) => {
    const subscription = subject.subject.object("subscription");
    const [transaction] = subscription.objects("transactions");
    if (!transaction) throw malformed(`${subscription.pathOf("transactions")} is empty`);
    return read(transaction, subject);
  };
}

/** A sale is a payment; a credit that names the sale it refunds is a refund under its own id. */
function moved(transaction: Payload, { scope, about }: Subject): Outcome {
  const status = transaction.optionalText("status");
  if (status !== undefined && !/^(submitted_for_settlement|settling|settled)$/.test(status)) {
    return kept(`a transaction of status ${shown(status)} has not moved its money yet`);
  }
  const amount = money(transaction, "amount", transaction);
  const type = transaction.text("type");
  if (type === "sale") {
    const tax = taxOf(transaction);
    return events(
      create(PaymentSucceededSchema, {
        ...about,
        paymentId: scopedId(scope, transaction, "id"),
        orderId: orderIdOf(transaction),
        amount,
        ...(tax && { tax }),
      }),
    );
  }
  if (type !== "credit") throw malformed(`${transaction.pathOf("type")} is ${shown(type)}`);
  if (!transaction.has("refunded-transaction-id")) return kept("a credit that refunds no payment");
  return events(
    create(PaymentRefundedSchema, { ...about, ...refundOf(scope, transaction, amount) }),
  );
}

function taxOf(transaction: Payload): Money | undefined {
  const stated = (transaction.optionalText("tax-amount") ?? "") !== "";
  return stated ? money(transaction, "tax-amount", transaction) : undefined;
}

function declined(transaction: Payload, { scope, about }: Subject): Outcome {
  const amount = money(transaction, "amount", transaction);
  if (transaction.optionalText("type") === "credit") {
    if (!transaction.has("refunded-transaction-id"))
      return kept("a credit that refunds no payment");
    return events(
      create(RefundFailedSchema, { ...about, ...refundOf(scope, transaction, amount) }),
    );
  }
  return events(
    create(PaymentFailedSchema, {
      ...about,
      paymentId: scopedId(scope, transaction, "id"),
      orderId: orderIdOf(transaction),
      amount,
      failureCode:
        transaction.remarkIfAny("processor-response-code") || transaction.remarkIfAny("status"),
    }),
  );
}

function refundFailed(transaction: Payload, { scope, about }: Subject): Outcome {
  const amount = money(transaction, "amount", transaction);
  return events(create(RefundFailedSchema, { ...about, ...refundOf(scope, transaction, amount) }));
}

function refundOf(scope: Scope, transaction: Payload, amount: Money) {
  return {
    paymentId: scopedId(scope, transaction, "refunded-transaction-id"),
    refundId: scopedId(scope, transaction, "id"),
    orderId: orderIdOf(transaction),
    amount,
  };
}

function disputeOpened({ subject, scope, about }: Subject): Outcome {
  const dispute = subject.object("dispute");
  if (asksOnly(dispute)) return kept("a retrieval asks before money is taken");
  const reasonCode = dispute.remarkIfAny("reason");
  return events(
    create(DisputeOpenedSchema, { ...about, ...disputeOf(scope, dispute), reasonCode }),
  );
}

function disputeLost({ subject, scope, about }: Subject): Outcome {
  const dispute = subject.object("dispute");
  if (asksOnly(dispute)) return kept("a retrieval asks before money is taken");
  const outcome = DisputeOutcome.LOST;
  return events(create(DisputeClosedSchema, { ...about, ...disputeOf(scope, dispute), outcome }));
}

/** Won in part, the rest is lost: two disputes, of which the second is named after the first. */
function disputeWon({ subject, scope, about }: Subject): Outcome {
  const dispute = subject.object("dispute");
  if (asksOnly(dispute)) return kept("a retrieval asks before money is taken");
  const disputed = disputeOf(scope, dispute);
  const won: DisputeClosed = create(DisputeClosedSchema, {
    ...about,
    ...disputed,
    outcome: DisputeOutcome.WON,
  });
  if ((dispute.optionalText("amount-won") ?? "") === "") return events(won);
  const { amountMinor, currencyCode } = disputed.amount;
  const lostMinor = amountMinor - money(dispute, "amount-won", dispute).amountMinor;
  if (lostMinor < 0n) throw refused(`${dispute.pathOf("amount-won")} is more than was disputed`);
  if (lostMinor === 0n) return events(won);
  const lost = create(DisputeClosedSchema, {
    ...about,
    ...disputed,
    disputeId: `${disputed.disputeId}/lost`,
    amount: create(MoneySchema, { amountMinor: lostMinor, currencyCode }),
    outcome: DisputeOutcome.LOST,
  });
  return events(won, lost);
}

function asksOnly(dispute: Payload): boolean {
  return dispute.optionalText("kind") === "retrieval";
}

function disputeOf(scope: Scope, dispute: Payload) {
  const transaction = dispute.object("transaction");
  return {
    disputeId: scopedId(scope, dispute, "id"),
    paymentId: scopedId(scope, transaction, "id"),
    orderId: orderIdOf(transaction),
    amount: money(dispute, "amount-disputed", dispute),
  };
}

function disbursement({ subject, scope, about }: Subject): Outcome {
  const disbursed = subject.object("disbursement");
  const payout = {
    ...about,
    payoutId: scopedId(scope, disbursed, "id"),
    amount: money(disbursed, "amount", disbursed.object("merchant-account")),
  };
  if (disbursed.flag("success")) return events(create(PayoutPaidSchema, payout));
  const failureCode = disbursed.remarkIfAny("exception-message");
  return events(create(PayoutFailedSchema, { ...payout, failureCode }));
}

/** Our order as it was given at checkout: a custom field, or the transaction's own order id. */
function orderIdOf(transaction: Payload): string {
  const fields = transaction.objectIfAny("custom-fields");
  return (
    fields?.textIfAny("bursar-order-id", 128) ||
    fields?.textIfAny("bursar_order_id", 128) ||
    transaction.textIfAny("order-id", 128)
  );
}

function money(object: Payload, name: string, currencyOwner: Payload): Money {
  return decimalMoney(object, name, currencyOwner.text("currency-iso-code"));
}
