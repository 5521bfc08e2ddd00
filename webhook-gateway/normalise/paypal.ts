// PayPal's events as payment events, from what its API answered: captures, sales of the older API,
// their refunds, and disputes. A capture, or a sale, is the payment.

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
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";

type Subject = { readonly resource: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["PAYMENT.CAPTURE.COMPLETED", captured],
  ["PAYMENT.CAPTURE.DENIED", captureFailed],
  ["PAYMENT.CAPTURE.DECLINED", captureFailed],
  ["PAYMENT.CAPTURE.REFUNDED", captureRefunded],
  ["PAYMENT.CAPTURE.REVERSED", reversed],
  ["PAYMENT.SALE.COMPLETED", sold],
  ["PAYMENT.SALE.DENIED", saleFailed],
  ["PAYMENT.SALE.REFUNDED", saleRefunded],
  ["PAYMENT.SALE.REVERSED", reversed],
  ["CUSTOMER.DISPUTE.CREATED", disputeOpened],
  ["CUSTOMER.DISPUTE.UPDATED", disputeOpened],
  ["CUSTOMER.DISPUTE.RESOLVED", disputeClosed],
]);

export function normalisePaypal(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const type = event.text("event_type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader({
    resource: event.object("resource"),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.time("create_time"), provenance },
  });
}

function captured({ resource, scope, about }: Subject): Outcome {
  const amount = money(resource, "amount");
  const breakdown = resource.optionalObject("seller_receivable_breakdown");
  const fee = breakdown?.has("paypal_fee") ? money(breakdown, "paypal_fee") : undefined;
  const paymentId = scopedId(scope, resource, "id");
  const payment = { ...about, paymentId, orderId: orderIdOf(resource) };
  return succeeded(payment, amount, fee);
}

function captureFailed({ resource, scope, about }: Subject): Outcome {
  return events(
    create(PaymentFailedSchema, {
      ...about,
      paymentId: scopedId(scope, resource, "id"),
      orderId: orderIdOf(resource),
      amount: money(resource, "amount"),
      failureCode: resource.objectIfAny("status_details")?.remarkIfAny("reason") ?? "",
    }),
  );
}

function captureRefunded({ resource, scope, about }: Subject): Outcome {
  const breakdown = resource.optionalObject("seller_payable_breakdown");
  const hasTotal = breakdown?.has("total_refunded_amount") === true;
  return events(
    create(PaymentRefundedSchema, {
      ...about,
      paymentId: captureIdOf(scope, resource),
      orderId: orderIdOf(resource),
      refundId: scopedId(scope, resource, "id"),
      amount: money(resource, "amount"),
      ...(hasTotal && { refundedTotal: money(breakdown, "total_refunded_amount") }),
    }),
  );
}

/** A refund names its capture by a link only. */
function captureIdOf({ provider, account }: Scope, resource: Payload): string {
  const up = resource.objects("links").find((link) => link.textIfAny("rel", 64) === "up");
  const href = up?.text("href") ?? "";
  const [, id] =
    /^https:\/\/[^/?#]+\/v2\/payments\/captures\/([A-Za-z0-9-]{1,64})$/.exec(href) ?? [];
  if (id === undefined) throw malformed(`${resource.pathOf("links")} names no capture as up`);
  return `${provider}/${account}/${id}`;
}

/**
 * Money that a dispute takes is told by the dispute, and counting it twice is as wrong as not at
 * all; the event does not say which it is.
 */
function reversed({ resource }: Subject): Outcome {
  throw refused(
    `${resource.pathOf("id")} ${shown(resource.text("id"))} reverses a payment: ` +
      "post it by hand unless a dispute tells of it",
  );
}

function sold({ resource, scope, about }: Subject): Outcome {
  const amount = saleMoney(resource);
  const stated = resource.optionalObject("transaction_fee");
  const fee = stated && decimalMoney(stated, "value", stated.text("currency"));
  const paymentId = scopedId(scope, resource, "id");
  const payment = { ...about, paymentId, orderId: saleOrderIdOf(resource) };
  return succeeded(payment, amount, fee);
}

function saleFailed({ resource, scope, about }: Subject): Outcome {
  return events(
    create(PaymentFailedSchema, {
      ...about,
      paymentId: scopedId(scope, resource, "id"),
      orderId: saleOrderIdOf(resource),
      amount: saleMoney(resource),
      failureCode: resource.remarkIfAny("reason_code"),
    }),
  );
}

function saleRefunded({ resource, scope, about }: Subject): Outcome {
  return events(
    create(PaymentRefundedSchema, {
      ...about,
      paymentId: scopedId(scope, resource, "sale_id"),
      orderId: saleOrderIdOf(resource),
      refundId: scopedId(scope, resource, "id"),
      amount: saleMoney(resource),
    }),
  );
}

function disputeOpened({ resource, scope, about }: Subject): Outcome {
  if (isInquiry(resource)) return kept("an inquiry takes no money");
  return events(
    create(DisputeOpenedSchema, {
      ...about,
      ...disputeOf(scope, resource),
      reasonCode: resource.remarkIfAny("reason"),
    }),
  );
}

const outcomes: ReadonlyMap<string, DisputeOutcome> = new Map([
  ["RESOLVED_SELLER_FAVOUR", DisputeOutcome.WON],
  ["CANCELED_BY_BUYER", DisputeOutcome.WON],
  ["DENIED", DisputeOutcome.WON],
  // PayPal pays the buyer from its own pocket.
  ["RESOLVED_WITH_PAYOUT", DisputeOutcome.WON],
  ["RESOLVED_BUYER_FAVOUR", DisputeOutcome.LOST],
  ["ACCEPTED", DisputeOutcome.LOST],
]);

function disputeClosed({ resource, scope, about }: Subject): Outcome {
  if (isInquiry(resource)) return kept("an inquiry takes no money");
  const stated = resource.object("dispute_outcome");
  const code = stated.text("outcome_code");
  const outcome = outcomes.get(code);
  if (outcome === undefined) {
    throw malformed(`${stated.pathOf("outcome_code")} is not a documented outcome: ${shown(code)}`);
  }
  const disputed = disputeOf(scope, resource);
  if (outcome === DisputeOutcome.LOST && stated.has("amount_refunded")) {
    const { amountMinor, currencyCode } = money(stated, "amount_refunded");
    const { amount } = disputed;
    if (currencyCode !== amount.currencyCode || amountMinor !== amount.amountMinor) {
      throw refused(
        `${stated.pathOf("amount_refunded")} is ${currencyCode} ${amountMinor} of the disputed ` +
          `${amount.currencyCode} ${amount.amountMinor}: book it by hand`,
      );
    }
  }
  return events(create(DisputeClosedSchema, { ...about, ...disputed, outcome }));
}

function isInquiry(resource: Payload): boolean {
  return resource.textIfAny("dispute_life_cycle_stage", 64) === "INQUIRY";
}

function disputeOf(scope: Scope, resource: Payload) {
  const [disputed, ...others] = resource.objects("disputed_transactions");
  if (!disputed || others.length > 0) {
    throw malformed(`${resource.pathOf("disputed_transactions")} must name one transaction`);
  }
  return {
    disputeId: scopedId(scope, resource, "dispute_id"),
    paymentId: scopedId(scope, disputed, "seller_transaction_id"),
    orderId: disputed.textIfAny("custom", 128) || disputed.textIfAny("invoice_number", 128),
    amount: money(resource, "dispute_amount"),
  };
}

type Payment = About & { readonly paymentId: string; readonly orderId: string };

function succeeded(payment: Payment, amount: Money, fee: Money | undefined): Outcome {
  if (fee && fee.currencyCode !== amount.currencyCode) {
    throw refused(`the fee is in ${fee.currencyCode}, the amount in ${amount.currencyCode}`);
  }
  return events(create(PaymentSucceededSchema, { ...payment, amount, ...(fee && { fee }) }));
}

function money(owner: Payload, name: string): Money {
  const object = owner.object(name);
  return decimalMoney(object, "value", object.text("currency_code"));
}

function saleMoney(resource: Payload): Money {
  const amount = resource.object("amount");
  return decimalMoney(amount, "total", amount.text("currency"));
}

/** Our order as it was given at checkout. */
function orderIdOf(resource: Payload): string {
  return resource.textIfAny("custom_id", 128) || resource.textIfAny("invoice_id", 128);
}

function saleOrderIdOf(resource: Payload): string {
  return resource.textIfAny("custom", 128) || resource.textIfAny("invoice_number", 128);
}
