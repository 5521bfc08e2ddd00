// Shopify's orders, refunds and disputes as payment events. The topic is an unsigned header, so the
// body alone says what it is: by the global id that Shopify writes into orders and refunds, and of
// disputes, which have none, by the members that only they have. Anything else is kept; nothing is
// guessed.

import { create } from "@bufbuild/protobuf";
import type { Money } from "#gen/bursar/money/v1/money_pb.ts";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { decimalMoney } from "./currency.ts";
import { events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";

type Subject = {
  readonly body: Payload;
  readonly told: { readonly ledgerId: string; readonly provenance: Provenance };
  readonly scoped: (id: string) => string;
};

const disputeMembers = ["order_id", "type", "status", "amount", "evidence_due_by", "initiated_at"];

export function normaliseShopify(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const body = readPayload(webhook.body);
  const { provider, providerAccount, ledgerId } = webhook;
  const scoped = (id: string) => `${provider}/${providerAccount}/${id}`;
  const subject = { body, told: { ledgerId, provenance }, scoped };
  const globalId = body.textIfAny("admin_graphql_api_id", 255);
  const [, resource, id] = /^gid:\/\/shopify\/([A-Za-z]+)\/([0-9]+)$/.exec(globalId) ?? [];
  if (resource === "Order" || resource === "Refund") {
    if (body.digits("id") !== id) {
      throw malformed(`id differs from admin_graphql_api_id ${shown(globalId)}`);
    }
    return resource === "Order" ? orderPaid(subject) : refunded(subject);
  }
  if (globalId === "" && disputeMembers.every((name) => body.has(name))) return disputed(subject);
  return kept(resource ? `a ${resource} is not mapped` : "the body does not say what it is");
}

/** Whichever topic carries it: an order that says it is paid is a payment. */
function orderPaid({ body, told, scoped }: Subject): Outcome {
  const status = body.textIfAny("financial_status", 64);
  if (status !== "paid") return kept(`an order of status ${shown(status)} is not mapped`);
  if (body.has("test") && body.flag("test")) return kept("a test order moves no money");
  const currency = body.text("currency");
  const presented = body.optionalText("presentment_currency") ?? currency;
  if (presented !== currency) {
    throw refused(`the order was paid in ${shown(presented)} and is counted in ${shown(currency)}`);
  }
  const amount = decimalMoney(body, "total_price", currency);
  if (amount.amountMinor === 0n) return kept("an order over nothing moves no money");
  const tax = body.has("total_tax") ? decimalMoney(body, "total_tax", currency) : undefined;
  if (tax && tax.amountMinor > amount.amountMinor) {
    throw refused("total_tax is more than the total_price that contains it");
  }
  return events(
    create(PaymentSucceededSchema, {
      ...told,
      paymentId: scoped(body.digits("id")),
      orderId: orderIdOf(body),
      amount,
      ...(tax && { tax }),
      // The same in every webhook about the order, unlike `updated_at`.
      occurredTime: body.time("processed_at"),
    }),
  );
}

/** What its transactions gave back, and are giving back. One that failed gave nothing. */
function refunded({ body, told, scoped }: Subject): Outcome {
  let amount: Money | undefined;
  for (const transaction of body.objects("transactions")) {
    if (transaction.text("kind") !== "refund") continue;
    // Of a test order, which was kept.
    if (transaction.has("test") && transaction.flag("test")) continue;
    const status = transaction.text("status");
    if (status === "failure" || status === "error") continue;
    if (status !== "success" && status !== "pending") {
      throw malformed(`${transaction.pathOf("status")} is no documented status: ${shown(status)}`);
    }
    const part = decimalMoney(transaction, "amount", transaction.text("currency"));
    if (amount && part.currencyCode !== amount.currencyCode) {
      throw refused(`the refund is in ${amount.currencyCode} and ${part.currencyCode}`);
    }
    amount = amount ? { ...amount, amountMinor: amount.amountMinor + part.amountMinor } : part;
  }
  if (!amount || amount.amountMinor === 0n) return kept("a refund of nothing moves no money");
  return events(
    create(PaymentRefundedSchema, {
      ...told,
      paymentId: scoped(body.digits("order_id")),
      // Refunds and orders have ids of one kind; the payment's own must not be one.
      refundId: scoped(`refunds/${body.digits("id")}`),
      amount,
      occurredTime: body.time("created_at"),
    }),
  );
}

function disputed({ body, told, scoped }: Subject): Outcome {
  const type = body.text("type");
  if (type === "inquiry") return kept("an inquiry moves no money");
  if (type !== "chargeback") throw malformed(`type is not a documented type: ${shown(type)}`);
  const status = body.text("status");
  const dispute = {
    ...told,
    disputeId: scoped(`disputes/${body.digits("id")}`),
    paymentId: scoped(body.digits("order_id")),
    amount: decimalMoney(body, "amount", body.text("currency")),
  };
  if (status === "needs_response" || status === "under_review") {
    const reasonCode = body.remarkIfAny("reason");
    const occurredTime = body.time("initiated_at");
    return events(create(DisputeOpenedSchema, { ...dispute, reasonCode, occurredTime }));
  }
  const outcome = outcomes.get(status);
  if (outcome === undefined) {
    throw malformed(`status is not a documented status of a chargeback: ${shown(status)}`);
  }
  const occurredTime = body.time("finalized_on");
  return events(create(DisputeClosedSchema, { ...dispute, outcome, occurredTime }));
}

const outcomes = new Map([
  ["won", DisputeOutcome.WON],
  ["lost", DisputeOutcome.LOST],
  ["accepted", DisputeOutcome.LOST],
]);

/** A note attribute of the cart; two of that name name nothing. */
function orderIdOf(body: Payload): string {
  const named = body
    .objectsIfAny("note_attributes")
    .filter((attribute) => attribute.textIfAny("name", 255) === "bursar_order_id");
  return named.length === 1 ? named[0]!.textIfAny("value", 128) : "";
}
