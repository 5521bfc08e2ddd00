// Lemon Squeezy: `X-Signature: <hex>`, HMAC-SHA256 over the body, keyed with the secret's own
// characters. The event's name is in the body too, where it is signed; an id it has none.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { decodeLowerHex, verifyBodyHmac } from "./body-hmac.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";

const header = "x-signature";
const eventHeader = "x-event-name";

export const lemonSqueezy: Provider = {
  name: "lemonsqueezy",
  scheme: "lemonsqueezy",
  algorithm: "hmac-sha256",
  coverage: Coverage.BODY,
  signatureHeaders: [header],
  unsignedHeaders: [eventHeader],
  contentType: "json",
  // Exactly 200: any other status counts as a failure.
  ack: ackJson,
  // Three retries, after 5, 25 and 125 seconds; then the event is lost. The timeout is unpublished.
  patience: { timeoutMs: 5_000, retryHorizonMs: 155_000 },

  parseKey: (secret) => textKey(secret),

  sign({ key, body }) {
    return { headers: { [header]: signature.hmac("sha256", key, [body]).toString("hex") }, body };
  },

  verify: (request, trust) =>
    verifyBodyHmac(request, trust, header, (written) => decodeLowerHex(written)),

  identify(request) {
    const unsignedEventType = request.header(eventHeader);
    const named = identifyJson(request.body, { type: ["meta", "event_name"] });
    return { ...named, ...(unsignedEventType && { unsignedEventType }) };
  },
};
