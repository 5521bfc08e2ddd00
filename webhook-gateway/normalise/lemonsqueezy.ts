// Lemon Squeezy's orders and subscription payments as payment events, from the fields its API
// reference documents. Amounts are in hundredths; of currencies without them the unit is not
// documented.

import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { centsMoney } from "./currency.ts";
import { events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";

type Subject = {
  readonly attributes: Payload;
  readonly payment: {
    readonly ledgerId: string;
    readonly provenance: Provenance;
    readonly paymentId: string;
    readonly orderId: string;
  };
};

type Reader = { readonly resource: string; readonly read: (subject: Subject) => Outcome };

const order = "orders";
const invoice = "subscription-invoices";

const readers: ReadonlyMap<string, Reader> = new Map([
  ["order_created", { resource: order, read: paid }],
  ["order_refunded", { resource: order, read: refunded }],
  ["subscription_payment_success", { resource: invoice, read: renewed }],
  ["subscription_payment_failed", { resource: invoice, read: failed }],
  ["subscription_payment_refunded", { resource: invoice, read: renewalRefunded }],
]);

export function normaliseLemonSqueezy(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body);
  const meta = event.object("meta");
  const name = meta.text("event_name");
  const reader = readers.get(name);
  if (!reader) return kept(`event ${shown(name)} is not mapped`);
  const data = event.object("data");
  const resource = data.text("type");
  if (resource !== reader.resource) {
    throw malformed(`data.type must be ${reader.resource}, got ${shown(resource)}`);
  }
  const id = data.text("id");
  if (!/^[0-9]{1,30}$/.test(id))
    throw malformed(`data.id must be an id in digits, got ${shown(id)}`);
  return reader.read({
    attributes: data.object("attributes"),
    payment: {
      ledgerId: webhook.ledgerId,
      provenance,
      // Orders and invoices are counted separately, each from one.
      paymentId: `${webhook.provider}/${webhook.providerAccount}/${resource}/${id}`,
      orderId: meta.objectIfAny("custom_data")?.textIfAny("bursar_order_id", 128) ?? "",
    },
  });
}

function paid(subject: Subject): Outcome {
  const { attributes, payment } = subject;
  const status = attributes.text("status");
  if (status === "pending") return kept("a pending payment moves no money");
  if (status === "failed") return failed(subject);
  if (status !== "paid") throw unexpectedStatus(attributes, status);
  const amount = centsMoney(attributes, "total");
  if (amount.amountMinor === 0n) return kept("an order over nothing moves no money");
  const tax = attributes.has("tax") ? centsMoney(attributes, "tax") : undefined;
  if (tax && tax.amountMinor > amount.amountMinor) {
    throw refused(`${attributes.pathOf("tax")} is more than the total that contains it`);
  }
  const occurredTime = attributes.time("created_at");
  return events(
    create(PaymentSucceededSchema, { ...payment, amount, ...(tax && { tax }), occurredTime }),
  );
}

function failed({ attributes, payment }: Subject): Outcome {
  const amount = centsMoney(attributes, "total");
  const occurredTime: Timestamp = attributes.time("updated_at");
  return events(create(PaymentFailedSchema, { ...payment, amount, occurredTime }));
}

/** States the total so far, which names no refund. */
function refunded({ attributes, payment }: Subject): Outcome {
  const status = attributes.text("status");
  if (status !== "refunded" && status !== "partial_refund") {
    throw unexpectedStatus(attributes, status);
  }
  const refundedTotal = centsMoney(attributes, "refunded_amount");
  const occurredTime = attributes.time("refunded_at");
  return events(create(PaymentRefundedSchema, { ...payment, refundedTotal, occurredTime }));
}

/** The first payment of a subscription is an order too, and is told of as that. */
function renewed(subject: Subject): Outcome {
  if (subject.attributes.text("billing_reason") === "initial")
    return kept("order_created tells it");
  return paid(subject);
}

function renewalRefunded(subject: Subject): Outcome {
  if (subject.attributes.text("billing_reason") !== "initial") return refunded(subject);
  throw refused("names no order: see that order_refunded came for the subscription's order");
}

function unexpectedStatus(attributes: Payload, status: string) {
  return malformed(
    `${attributes.pathOf("status")} is not a status of this event: ${shown(status)}`,
  );
}
