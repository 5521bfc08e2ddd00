// Providers for tests of the door: their endpoints, and requests signed by the
// providers' own libraries where those can sign what a test needs.

import { createHmac } from "node:crypto";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { parseEndpoints } from "../endpoints.ts";

const stripeSecret = "whsec_0123456789abcdef0123456789abcdef";
const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const genericSecret = "0123456789abcdef0123456789abcdef";
export const bodyBytesMax = 5_000;

export const testEndpoints = parseEndpoints(
  JSON.stringify({
    endpoints: [
      { ...common("stripe-endpoint", "acct_demo", "STRIPE"), stripe: {} },
      { ...common("stripe-second", "acct_demo", "STRIPE"), stripe: {} },
      { ...common("standard-endpoint", "shop", "STANDARD"), standard_webhooks: {} },
      {
        ...common("generic-endpoint", "bank", "GENERIC"),
        generic_hmac: {
          signature_header: "x-signature",
          algorithm: "HMAC_ALGORITHM_SHA256",
          signature_encoding: "SIGNATURE_ENCODING_HEX",
          key_encoding: "KEY_ENCODING_UTF8",
        },
      },
    ],
  }),
  { STRIPE: stripeSecret, STANDARD: standardSecret, GENERIC: genericSecret },
  new Date(),
);

function common(endpointId: string, providerAccount: string, environment: string) {
  return {
    endpoint_id: endpointId,
    provider_account: providerAccount,
    ledger_id: "main",
    secrets: [{ environment }],
    body_bytes_max: bodyBytesMax,
  };
}

/** A body of exactly what the door looks at. */
export function stripeEvent(eventId: string, over: object = {}): string {
  const object = { id: "pi_1", amount_received: 4900, currency: "usd" };
  return JSON.stringify({
    id: eventId,
    type: "payment_intent.succeeded",
    data: { object },
    ...over,
  });
}

type Signing = { secondsAgo?: number; secret?: string };

export function stripeHeaders(
  body: string | Buffer,
  { secondsAgo = 0, secret = stripeSecret }: Signing = {},
): { "Stripe-Signature": string } {
  const timestamp = Math.floor(Date.now() / 1000) - secondsAgo;
  if (typeof body === "string") {
    // The provider's own library, for what it can sign.
    const header = new Stripe("sk_test_unused").webhooks.generateTestHeaderString({
      payload: body,
      secret,
      timestamp,
    });
    return { "Stripe-Signature": header };
  }
  const mac = createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
  return { "Stripe-Signature": `t=${timestamp},v1=${mac}` };
}

export function standardHeaders(eventId: string, body: string): Record<string, string> {
  const now = new Date();
  return {
    "webhook-id": eventId,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
    "webhook-signature": new Webhook(standardSecret).sign(eventId, now, body),
  };
}

export function genericHeaders(body: string): Record<string, string> {
  return { "x-signature": createHmac("sha256", genericSecret).update(body).digest("hex") };
}

/** A secret that is not Stripe's. */
export const otherStripeSecret = `${stripeSecret}x`;
