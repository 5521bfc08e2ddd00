// Stripe's events as payment events, from the fields its API reference documents.
// Types that are not in the table below mean nothing to the books.

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
import { stripeMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { firstScopedId, type Scope, scopedId } from "./scoped-id.ts";

/** What an event is about: Stripe's `data.object`, and how to name and date it. */
type Subject = { readonly object: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["payment_intent.succeeded", paymentSucceeded],
  ["payment_intent.payment_failed", paymentFailed],
  ["charge.succeeded", chargeCaptured],
  ["charge.captured", chargeCaptured],
  ["charge.refunded", chargeRefunded],
  ["refund.created", refund],
  ["refund.updated", refund],
  ["refund.failed", refund],
  ["charge.refund.updated", refund],
  ["charge.dispute.created", disputeOpened],
  ["charge.dispute.closed", disputeClosed],
  ["payout.paid", payoutPaid],
  ["payout.failed", payoutFailed],
]);

export function normaliseStripe(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const type = event.text("type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader({
    object: event.object("data").object("object"),
    scope: { provider: webhook.provider, account: accountOf(webhook, event) },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.unixTime("created"), provenance },
  });
}

/** A Connect platform hears about its connected accounts, whose ids are their own. */
function accountOf(webhook: WebhookReceived, event: Payload): string {
  const account = event.optionalText("account") ?? webhook.providerAccount;
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(account)) return account;
  throw malformed(`account must be an id of up to 64 characters, got ${shown(account)}`);
}

function paymentSucceeded({ object, scope, about }: Subject): Outcome {
  const amount = stripeMoney(object, "amount_received");
  const tax = taxOf(object, amount);
  return events(
    create(PaymentSucceededSchema, {
      ...about,
      paymentId: scopedId(scope, object, "id"),
      orderId: orderIdOf(object),
      amount,
      ...(tax && { tax }),
    }),
  );
}

/** Stated for the whole payment: of one that was received in part it is not known. */
function taxOf(object: Payload, received: Money): Money | undefined {
  const details = object.objectIfAny("amount_details")?.objectIfAny("tax");
  if (!details?.has("total_tax_amount") || !object.has("amount")) return undefined;
  if (stripeMoney(object, "amount").amountMinor !== received.amountMinor) return undefined;
  const tax = stripeMoney(details, "total_tax_amount", object);
  return tax.amountMinor <= received.amountMinor ? tax : undefined;
}

function paymentFailed({ object, scope, about }: Subject): Outcome {
  return events(
    create(PaymentFailedSchema, {
      ...about,
      paymentId: scopedId(scope, object, "id"),
      orderId: orderIdOf(object),
      amount: stripeMoney(object, "amount"),
      failureCode: object.objectIfAny("last_payment_error")?.remarkIfAny("code") ?? "",
    }),
  );
}

/** A charge that was made directly is itself the payment; of others the payment intent tells. */
function chargeCaptured({ object, scope, about }: Subject): Outcome {
  if (object.has("payment_intent")) return kept("the payment intent tells of this charge");
  if (!object.flag("captured")) return kept("a charge that is not captured moves no money");
  return events(
    create(PaymentSucceededSchema, {
      ...about,
      paymentId: scopedId(scope, object, "id"),
      orderId: orderIdOf(object),
      amount: stripeMoney(object, "amount_captured"),
    }),
  );
}

/**
 * States the charge's total only: which refund caused it, its own events say. What was authorised
 * and never captured is in that total too.
 */
function chargeRefunded({ object, scope, about }: Subject): Outcome {
  if (object.has("captured") && !object.flag("captured")) {
    return kept("an authorisation that was released moved no money");
  }
  if (object.has("amount_captured")) {
    const uncaptured = object.amount("amount") - object.amount("amount_captured");
    if (uncaptured > 0n) {
      throw refused(
        `${object.pathOf("amount_refunded")} may hold the ${uncaptured} that were not captured, ` +
          "as may its refunds: compare the payment with the books",
      );
    }
  }
  return events(
    create(PaymentRefundedSchema, {
      ...about,
      paymentId: firstScopedId(scope, object, ["payment_intent", "id"]),
      orderId: orderIdOf(object),
      refundedTotal: stripeMoney(object, "amount_refunded"),
    }),
  );
}

/** Stripe takes the money when a refund is created, and gives it back when it fails. */
function refund({ object, scope, about }: Subject): Outcome {
  const status = object.text("status");
  const named = {
    ...about,
    paymentId: firstScopedId(scope, object, ["payment_intent", "charge"]),
    orderId: orderIdOf(object),
    refundId: scopedId(scope, object, "id"),
    amount: stripeMoney(object, "amount"),
  };
  switch (status) {
    case "pending":
    case "requires_action":
    case "succeeded":
      return events(create(PaymentRefundedSchema, named));
    case "failed":
    case "canceled":
      return events(create(RefundFailedSchema, named));
    default:
      throw undocumentedStatus(object, status);
  }
}

function disputeOpened({ object, scope, about }: Subject): Outcome {
  const status = object.text("status");
  if (movesNoMoney(status)) return kept(`a dispute of status ${status} moves no money`);
  if (!openDisputes.has(status)) throw undocumentedStatus(object, status);
  return events(
    create(DisputeOpenedSchema, {
      ...about,
      ...disputeOf(scope, object),
      reasonCode: object.remarkIfAny("reason"),
    }),
  );
}

function disputeClosed({ object, scope, about }: Subject): Outcome {
  const status = object.text("status");
  if (movesNoMoney(status)) return kept(`a dispute of status ${status} moves no money`);
  if (status !== "won" && status !== "lost") throw undocumentedStatus(object, status);
  const outcome = status === "won" ? DisputeOutcome.WON : DisputeOutcome.LOST;
  return events(create(DisputeClosedSchema, { ...about, ...disputeOf(scope, object), outcome }));
}

function disputeOf(scope: Scope, object: Payload) {
  return {
    disputeId: scopedId(scope, object, "id"),
    paymentId: firstScopedId(scope, object, ["payment_intent", "charge"]),
    orderId: orderIdOf(object),
    amount: stripeMoney(object, "amount"),
  };
}

const openDisputes: ReadonlySet<string> = new Set([
  "needs_response",
  "under_review",
  "appeal_needs_response",
  "appeal_under_review",
  "won",
  "lost",
]);

/** An inquiry asks before money is taken; a prevented dispute never took any. */
function movesNoMoney(status: string): boolean {
  return /^(warning_needs_response|warning_under_review|warning_closed|prevented)$/.test(status);
}

function payoutPaid({ object, scope, about }: Subject): Outcome {
  const payoutId = scopedId(scope, object, "id");
  const amount = stripeMoney(object, "amount");
  return events(create(PayoutPaidSchema, { ...about, payoutId, amount }));
}

function payoutFailed({ object, scope, about }: Subject): Outcome {
  const payoutId = scopedId(scope, object, "id");
  const amount = stripeMoney(object, "amount");
  const failureCode = object.remarkIfAny("failure_code");
  return events(create(PayoutFailedSchema, { ...about, payoutId, amount, failureCode }));
}

/** Our order as it was given at checkout; whatever else stands there is not ours. */
function orderIdOf(object: Payload): string {
  return object.objectIfAny("metadata")?.textIfAny("bursar_order_id", 128) ?? "";
}

function undocumentedStatus(object: Payload, status: string) {
  return malformed(`${object.pathOf("status")} is not a documented status: ${shown(status)}`);
}
