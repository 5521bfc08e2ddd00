// Shopify: `X-Shopify-Hmac-SHA256`, or `Shopify-Hmac-SHA256` of its newer events, in base64:
// HMAC-SHA256 over the body, keyed with the app's client secret. Topic, shop and ids stand in
// headers that are not signed, so the desk reads from the body alone what it is about.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { verifyBodyHmac } from "./body-hmac.ts";
import { ackJson, type Provider, rejected, type SignedRequest } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";
import { unsignedIdentity } from "./unsigned-identity.ts";

const webhookHeader = "x-shopify-hmac-sha256";
const eventHeader = "shopify-hmac-sha256";
const unsigned = ["topic", "shop-domain", "api-version", "webhook-id", "event-id", "triggered-at"];

export const shopify: Provider = {
  name: "shopify",
  scheme: "shopify",
  algorithm: "hmac-sha256",
  coverage: Coverage.BODY,
  signatureHeaders: [webhookHeader, eventHeader],
  unsignedHeaders: unsigned.flatMap((name) => [`x-shopify-${name}`, `shopify-${name}`]),
  contentType: "json",
  ack: ackJson,
  // 8 retries over 4 hours; a subscription that failed them all is deleted.
  patience: {
    timeoutMs: 5_000,
    retryHorizonMs: 4 * 3_600_000,
    disablesAfter: { failures: 8 },
  },

  parseKey: (secret) => textKey(secret),

  sign({ key, body, eventId }) {
    const mac = signature.hmac("sha256", key, [body]).toString("base64");
    return { headers: { [webhookHeader]: mac, "x-shopify-event-id": eventId }, body };
  },

  verify(request, trust) {
    const isEvent = request.header(eventHeader) !== undefined;
    // Shopify sends one; of two it would be a guess which one counts.
    if (isEvent && request.header(webhookHeader) !== undefined) return rejected("header-malformed");
    const header = isEvent ? eventHeader : webhookHeader;
    return verifyBodyHmac(request, trust, header, signature.decodeBase64);
  },

  identify: (request) =>
    unsignedIdentity(
      unsignedOf(request, "event-id") ?? unsignedOf(request, "webhook-id"),
      unsignedOf(request, "topic"),
    ),
};

function unsignedOf({ header }: SignedRequest, name: string): string | undefined {
  return header(`x-shopify-${name}`) ?? header(`shopify-${name}`);
}
