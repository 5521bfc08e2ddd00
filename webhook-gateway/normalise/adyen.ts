// Adyen's payment webhooks as payment events, from the fields that are signed and no others:
// amount, references, code and success. Times, reasons and `additionalData` are not, so what
// happened is dated by when it was received, and carries no code of a reason.

import { create } from "@bufbuild/protobuf";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
  RefundFailedSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { adyenSchemes } from "../providers/adyen.ts";
import { adyenMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";

type Subject = {
  readonly item: Payload;
  readonly code: string;
  readonly succeeded: boolean;
  /** Captures are requests of their own; otherwise an authorisation is captured by itself. */
  readonly manualCapture: boolean;
  readonly scope: Scope;
  readonly about: About;
};

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["AUTHORISATION", authorisation],
  ["CAPTURE", capture],
  ["CAPTURE_FAILED", captureFailed],
  ["CANCELLATION", cancellation],
  ["TECHNICAL_CANCEL", cancellation],
  ["CANCEL_OR_REFUND", cancelOrRefund],
  ["REFUND", refund],
  ["REFUND_FAILED", refundFailed],
  ["REFUNDED_REVERSED", undocumentedMove],
  ["CHARGEBACK", chargeback],
  ["CHARGEBACK_REVERSED", disputeWon],
  ["PREARBITRATION_WON", disputeWon],
  ["SECOND_CHARGEBACK", disputeLostAnew],
  ["PREARBITRATION_LOST", disputeLostAnew],
]);

export function normaliseAdyen(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const scheme = webhook.verification?.scheme;
  if (scheme === adyenSchemes.platform) return kept("platform webhooks are not mapped");
  const item = readPayload(webhook.body);
  const code = item.text("eventCode");
  const reader = readers.get(code);
  if (!reader) return kept(`eventCode ${shown(code)} is not mapped`);
  const { receivedTime } = webhook;
  if (!receivedTime) throw malformed("the webhook has no received time");
  const success = item.text("success");
  if (success !== "true" && success !== "false") {
    throw malformed(`success must be true or false, got ${shown(success)}`);
  }
  return reader({
    item,
    code,
    succeeded: success === "true",
    manualCapture: scheme === adyenSchemes.manualCapture,
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: receivedTime, provenance },
  });
}

function authorisation(subject: Subject): Outcome {
  if (!subject.succeeded) return paymentFailed(subject, "pspReference");
  if (subject.manualCapture) return kept("the capture tells that the money came");
  return paymentSucceeded(subject, "pspReference");
}

function capture(subject: Subject): Outcome {
  if (!subject.manualCapture) return kept("the authorisation told of this payment");
  if (!subject.succeeded) return paymentFailed(subject, "originalReference");
  return paymentSucceeded(subject, "originalReference");
}

function paymentSucceeded({ item, scope, about }: Subject, idName: string): Outcome {
  const amount = moneyOf(item);
  if (amount.amountMinor === 0n) return kept("an authorisation over nothing moves no money");
  const paymentId = scopedId(scope, item, idName);
  return events(
    create(PaymentSucceededSchema, { ...about, paymentId, orderId: orderIdOf(item), amount }),
  );
}

function paymentFailed({ item, scope, about }: Subject, idName: string): Outcome {
  const paymentId = scopedId(scope, item, idName);
  const amount = moneyOf(item);
  return events(
    create(PaymentFailedSchema, { ...about, paymentId, orderId: orderIdOf(item), amount }),
  );
}

/** Whether the payment stands in the books, and for how long, nothing here says. */
function captureFailed({ code, succeeded }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  throw refused("a capture failed after it had been accepted: reverse the payment in the books");
}

/** Uncaptured money goes back: of a payment that its authorisation told of, it is as a refund. */
function cancellation(subject: Subject): Outcome {
  if (subject.manualCapture) return kept("a cancelled authorisation moves no money");
  return undone(subject);
}

/** Which of the two it was stands in an unsigned field; both give back all that was authorised. */
function cancelOrRefund(subject: Subject): Outcome {
  if (!subject.succeeded || !subject.manualCapture) return undone(subject);
  throw refused(
    "whether CANCEL_OR_REFUND was a refund is not signed: use refunds and cancels, book it by hand",
  );
}

function refund(subject: Subject): Outcome {
  return undone(subject);
}

function undone({ item, code, succeeded, scope, about }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  const amount = moneyOf(item);
  if (amount.amountMinor === 0n) throw refused(`${code} states no amount: book it by hand`);
  return events(create(PaymentRefundedSchema, { ...about, ...refundOf(scope, item), amount }));
}

function refundFailed({ item, code, succeeded, scope, about }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  const amount = moneyOf(item);
  return events(create(RefundFailedSchema, { ...about, ...refundOf(scope, item), amount }));
}

function undocumentedMove({ code, succeeded }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  throw refused(`${code} moves money in a way that is not mapped: book it by hand`);
}

function chargeback({ item, code, succeeded, scope, about }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  return events(create(DisputeOpenedSchema, { ...about, ...disputeOf(scope, item, "") }));
}

function disputeWon({ item, code, succeeded, scope, about }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  const outcome = DisputeOutcome.WON;
  return events(create(DisputeClosedSchema, { ...about, ...disputeOf(scope, item, ""), outcome }));
}

/**
 * The money is taken a second time, for good, after the chargeback had been reversed and closed as
 * won: a dispute of its own, whose end counts as its opening too.
 */
function disputeLostAnew({ item, code, succeeded, scope, about }: Subject): Outcome {
  if (!succeeded) return unsuccessful(code);
  const dispute = disputeOf(scope, item, `/${code.toLowerCase().replaceAll("_", "-")}`);
  const outcome = DisputeOutcome.LOST;
  return events(create(DisputeClosedSchema, { ...about, ...dispute, outcome }));
}

function refundOf(scope: Scope, item: Payload) {
  return {
    refundId: scopedId(scope, item, "pspReference"),
    paymentId: scopedId(scope, item, "originalReference"),
  };
}

function disputeOf(scope: Scope, item: Payload, suffix: string) {
  return {
    disputeId: scopedId(scope, item, "pspReference") + suffix,
    paymentId: scopedId(scope, item, "originalReference"),
    amount: moneyOf(item),
  };
}

/** What a request that was refused asked for has not happened. */
function unsuccessful(code: string): Outcome {
  return kept(`${code} without success moves no money`);
}

function moneyOf(item: Payload) {
  return adyenMoney(item.object("amount"));
}

/** `reference` at checkout; metadata comes back too, but unsigned. */
function orderIdOf(item: Payload): string {
  return item.textIfAny("merchantReference", 128);
}
