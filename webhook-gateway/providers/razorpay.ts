// Razorpay: `X-Razorpay-Signature: <hex>`, HMAC-SHA256 over the body, keyed with the webhook's
// secret. The body names no event, and `x-razorpay-event-id` is not signed: it is kept to be shown.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { decodeLowerHex, verifyBodyHmac } from "./body-hmac.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider } from "./provider.ts";
import { hmac } from "./signature.ts";
import { textKey } from "./text-key.ts";

const header = "x-razorpay-signature";
const eventIdHeader = "x-razorpay-event-id";

export const razorpay: Provider = {
  name: "razorpay",
  scheme: "razorpay",
  algorithm: "hmac-sha256",
  coverage: Coverage.BODY,
  signatureHeaders: [header],
  unsignedHeaders: [eventIdHeader],
  contentType: "json",
  ack: ackJson,
  // Retries grow apart over a day; then the webhook is switched off.
  patience: {
    timeoutMs: 5_000,
    retryHorizonMs: 86_400_000,
    disablesAfter: { failingMs: 86_400_000 },
  },

  parseKey: (secret) => textKey(secret),

  sign({ key, body, eventId }) {
    const mac = hmac("sha256", key, [body]).toString("hex");
    return { headers: { [header]: mac, [eventIdHeader]: eventId }, body };
  },

  verify: (request, trust) => verifyBodyHmac(request, trust, header, decodeLowerHex),

  identify(request) {
    const unsignedEventId = request.header(eventIdHeader);
    const named = identifyJson(request.body, { type: ["event"] });
    return { ...named, ...(unsignedEventId && { unsignedEventId }) };
  },
};
