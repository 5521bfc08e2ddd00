// Sends one signed Stripe event to a house that `make up` started; its addresses
// and secrets come from the sourced `.bursar/env`.
//   node dev/send.ts stripe payment_intent.succeeded --amount 4900 --currency usd --order ord_…

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openSender, signAsStripe } from "./provider.ts";
import {
  chargeRefunded,
  newStripePayment,
  paymentIntentFailed,
  paymentIntentSucceeded,
  type StripeEvent,
  type StripePayment,
} from "./stripe-events.ts";

const usage =
  "usage: node dev/send.ts stripe <type> [--amount 4900] [--currency usd] [--order ord_…] [--payment pi_…]";

const eventOf: Readonly<Record<string, (payment: StripePayment) => StripeEvent>> = {
  "payment_intent.succeeded": paymentIntentSucceeded,
  "payment_intent.payment_failed": paymentIntentFailed,
  "charge.refunded": (payment) => chargeRefunded(payment, payment.amount),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    amount: { type: "string", default: "4900" },
    currency: { type: "string", default: "usd" },
    order: { type: "string" },
    payment: { type: "string" },
  },
});
const [provider, type = ""] = positionals;
const makeEvent = eventOf[type];
if (provider !== "stripe" || makeEvent === undefined || !/^\d+$/.test(values.amount)) {
  console.error(`${usage}\ntypes: ${Object.keys(eventOf).join(", ")}`);
  process.exit(2);
}

const payment = newStripePayment({
  amount: Number(values.amount),
  currency: values.currency,
  orderId: values.order,
});
const event = makeEvent(
  values.payment === undefined ? payment : { ...payment, paymentIntentId: values.payment },
);
using sender = openSender({ ca: readFileSync(fromHouse("BURSAR_CA"), "utf8") });
const signed = signAsStripe(event, fromHouse("BURSAR_STRIPE_SECRET"));
const answer = await sender.post(fromHouse("BURSAR_STRIPE_URL"), signed);
console.log(signed.body);
console.log(`${answer.status} in ${answer.elapsedMs.toFixed(0)} ms ${answer.body}`);
process.exitCode = answer.status === 200 ? 0 : 1;

function fromHouse(name: string): string {
  const value = process.env[name];
  if (value) return value;
  console.error(`${name} is not set: run \`make up\`, then \`source .bursar/env\``);
  process.exit(2);
}
