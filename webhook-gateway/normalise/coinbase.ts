// Coinbase Commerce's events as payment events. What counts is what arrived, in the currency that
// the charge is priced in; what it was in coins stays in the stored webhook.

import { create } from "@bufbuild/protobuf";
import { type Money, MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import { PaymentFailedSchema, PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { decimalMoney } from "./currency.ts";
import { type About, events, kept, malformed, type Outcome, refused } from "./outcome.ts";
import { type Payload, readPayload, shown } from "./payload.ts";
import { type Scope, scopedId } from "./scoped-id.ts";

type Subject = { readonly charge: Payload; readonly scope: Scope; readonly about: About };

const readers: ReadonlyMap<string, (subject: Subject) => Outcome> = new Map([
  ["charge:confirmed", chargePaid],
  ["charge:resolved", chargePaid],
  ["charge:failed", chargeFailed],
]);

export function normaliseCoinbase(webhook: WebhookReceived, provenance: Provenance): Outcome {
  const event = readPayload(webhook.body).object("event");
  const type = event.text("type");
  const reader = readers.get(type);
  if (!reader) return kept(`type ${shown(type)} is not mapped`);
  return reader({
    charge: event.object("data"),
    scope: { provider: webhook.provider, account: webhook.providerAccount },
    about: { ledgerId: webhook.ledgerId, occurredTime: event.time("created_at"), provenance },
  });
}

/** Confirmed by itself, or resolved by hand after it was paid late, too little or too much. */
function chargePaid({ charge, scope, about }: Subject): Outcome {
  const amounts = charge.objects("payments").filter(isConfirmed).map(arrivedOf);
  const [first] = amounts;
  if (!first) throw malformed(`${charge.pathOf("payments")} holds no confirmed payment`);
  return events(
    create(PaymentSucceededSchema, {
      ...about,
      ...paymentOf(scope, charge),
      amount: amounts.slice(1).reduce((sum, amount) => plus(sum, amount, charge), first),
    }),
  );
}

/** Unless something arrived: then it waits at Coinbase for somebody to resolve it. */
function chargeFailed({ charge, scope, about }: Subject): Outcome {
  if (charge.objects("payments").length > 0) {
    return kept("money arrived that does not settle the charge, charge:resolved tells of it");
  }
  const price = charge.objectIfAny("pricing")?.optionalObject("local");
  if (!price) return kept("a charge without a price has no amount that failed");
  const [last] = charge.objects("timeline").slice(-1);
  return events(
    create(PaymentFailedSchema, {
      ...about,
      ...paymentOf(scope, charge),
      amount: money(price),
      failureCode: last?.remarkIfAny("context") || last?.remarkIfAny("status") || "",
    }),
  );
}

function isConfirmed(payment: Payload): boolean {
  const status = payment.text("status");
  if (/^(confirmed|completed)$/i.test(status)) return true;
  if (/^(new|pending|failed)$/i.test(status)) return false;
  throw malformed(`${payment.pathOf("status")} is not documented: ${shown(status)}`);
}

function arrivedOf(payment: Payload): Money {
  return money(payment.object("value").object("local"));
}

function plus(sum: Money, { amountMinor, currencyCode }: Money, charge: Payload): Money {
  if (currencyCode !== sum.currencyCode) {
    throw refused(`${charge.pathOf("payments")} are in ${sum.currencyCode} and ${currencyCode}`);
  }
  return create(MoneySchema, { amountMinor: sum.amountMinor + amountMinor, currencyCode });
}

function paymentOf(scope: Scope, charge: Payload) {
  return {
    paymentId: scopedId(scope, charge, "id"),
    orderId: charge.objectIfAny("metadata")?.textIfAny("bursar_order_id", 128) ?? "",
  };
}

function money(object: Payload): Money {
  return decimalMoney(object, "amount", object.text("currency"));
}
