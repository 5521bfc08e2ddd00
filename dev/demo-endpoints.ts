// An endpoint of the dev house for every provider that anybody here can sign for: its
// account, its part of the configuration, and a secret the way the provider writes them.

import { randomBytes } from "node:crypto";

/** Three whose addresses and secrets are in the environment, for the demo and for clients. */
export type NamedEndpoint = "stripe" | "standard" | "generic";

export type DemoProvider = {
  readonly account: string;
  makeSecret(): string;
  /** What the configuration says of the provider, under the provider's own field. */
  config(endpointId: string): Readonly<Record<string, object>>;
};

const hex = (bytes: number) => () => randomBytes(bytes).toString("hex");
const standardSecret = () => `whsec_${randomBytes(32).toString("base64")}`;

const genericHmac = {
  signatureHeader: "x-bursar-signature",
  signaturePrefix: "sha256=",
  algorithm: "HMAC_ALGORITHM_SHA256",
  signatureEncoding: "SIGNATURE_ENCODING_HEX",
  keyEncoding: "KEY_ENCODING_UTF8",
  signedContent: "{timestamp}.{body}",
  timestampHeader: "x-bursar-timestamp",
};

/** Signed with the body; the house's port may change, what is signed may not. */
const notificationUrl = (endpointId: string) => `https://localhost/v1/in/${endpointId}`;

/**
 * PayPal is not here: it signs with a certificate that only PayPal has. Mercado Pago is asked by
 * nobody, for want of a key, so its webhooks stay unconfirmed.
 */
export const demoProviders: Readonly<Record<string, DemoProvider>> &
  Record<NamedEndpoint, DemoProvider> = {
  stripe: {
    account: "acct_demo",
    makeSecret: () => `whsec_${randomBytes(24).toString("base64url")}`,
    config: () => ({ stripe: {} }),
  },
  standard: {
    account: "shop",
    makeSecret: standardSecret,
    config: () => ({ standardWebhooks: {} }),
  },
  generic: { account: "bank", makeSecret: hex(32), config: () => ({ genericHmac }) },
  svix: { account: "shop", makeSecret: standardSecret, config: () => ({ svix: {} }) },
  paddle: {
    account: "demo",
    makeSecret: () => `pdl_ntfset_${randomBytes(24).toString("hex")}`,
    config: () => ({ paddle: {} }),
  },
  razorpay: { account: "demo", makeSecret: hex(24), config: () => ({ razorpay: {} }) },
  square: {
    account: "demo",
    makeSecret: hex(16),
    config: (endpointId) => ({ square: { notificationUrl: notificationUrl(endpointId) } }),
  },
  coinbase: { account: "demo", makeSecret: hex(24), config: () => ({ coinbase: {} }) },
  braintree: {
    account: "demo",
    makeSecret: hex(16),
    config: () => ({ braintree: { publicKey: "demopublickey" } }),
  },
  shopify: { account: "demo", makeSecret: hex(16), config: () => ({ shopify: {} }) },
  adyen: {
    account: "BursarDemo",
    makeSecret: () => randomBytes(32).toString("hex").toUpperCase(),
    config: () => ({
      adyen: { merchantAccounts: ["BursarDemo"], product: "ADYEN_PRODUCT_PAYMENTS" },
    }),
  },
  lemonsqueezy: { account: "demo", makeSecret: hex(20), config: () => ({ lemonSqueezy: {} }) },
  mollie: { account: "demo", makeSecret: hex(20), config: () => ({ mollie: {} }) },
  mercadopago: { account: "demo", makeSecret: hex(32), config: () => ({ mercadoPago: {} }) },
  github: { account: "demo", makeSecret: hex(20), config: () => ({ github: {} }) },
  slack: { account: "demo", makeSecret: hex(16), config: () => ({ slack: {} }) },
  twilio: {
    account: "demo",
    makeSecret: hex(16),
    config: (endpointId) => ({ twilio: { notificationUrl: notificationUrl(endpointId) } }),
  },
};
