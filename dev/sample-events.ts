// One sample of every event that `bursar send` can send, by provider and type, made of
// what was asked for on the command line.

import { adyen } from "./samples/adyen.ts";
import { braintree } from "./samples/braintree.ts";
import { bursarPayload } from "./samples/bursar-payload.ts";
import { coinbase } from "./samples/coinbase.ts";
import { lemonSqueezy } from "./samples/lemonsqueezy.ts";
import { mercadoPago } from "./samples/mercadopago.ts";
import { mollie, mollieClassic } from "./samples/mollie.ts";
import { paddle } from "./samples/paddle.ts";
import { paypal } from "./samples/paypal.ts";
import { razorpay } from "./samples/razorpay.ts";
import type { Asked, Samples } from "./samples/sample.ts";
import { shopify } from "./samples/shopify.ts";
import { square } from "./samples/square.ts";
import { stripe } from "./samples/stripe.ts";
import { github, slack, twilio } from "./samples/without-money.ts";

/** By the provider's name, or by its scheme where it has another way to tell of events. */
export const samples: ReadonlyMap<string, Samples> = new Map([
  ["stripe", stripe],
  ["standard", bursarPayload],
  ["generic", bursarPayload],
  ["svix", bursarPayload],
  ["paddle", paddle],
  ["razorpay", razorpay],
  ["square", square],
  ["coinbase", coinbase],
  ["braintree", braintree],
  ["shopify", shopify],
  ["adyen", adyen],
  ["lemonsqueezy", lemonSqueezy],
  ["mollie", mollie],
  ["mollie-classic", mollieClassic],
  ["mercadopago", mercadoPago],
  ["paypal", paypal],
  ["github", github],
  ["slack", slack],
  ["twilio", twilio],
]);

/** Headers in which providers name the type, unsigned. */
const typeHeaders: ReadonlyMap<string, string> = new Map([
  ["github", "x-github-event"],
  ["lemonsqueezy", "x-event-name"],
  ["shopify", "x-shopify-topic"],
]);

export type Sample = { readonly body: Buffer; readonly headers: Readonly<Record<string, string>> };

type Provider = { readonly name: string; readonly scheme: string };

export function samplesOf({ name, scheme }: Provider): Samples | undefined {
  return samples.get(scheme) ?? samples.get(name);
}

/** Undefined when there is none of this name. */
export function makeSample(provider: Provider, name: string, asked: Asked): Sample | undefined {
  const ofProvider = samplesOf(provider);
  const make = ofProvider && Object.hasOwn(ofProvider, name) ? ofProvider[name] : undefined;
  if (make === undefined) return undefined;
  const made = make(asked);
  const body = Buffer.from(typeof made === "string" ? made : JSON.stringify(made));
  const header = typeHeaders.get(provider.name);
  return { body, headers: header === undefined ? {} : { [header]: typeOf(name) } };
}

/** The provider's own name of the type, without what tells two samples of it apart. */
export function typeOf(name: string): string {
  return name.split("+", 1)[0] ?? "";
}
