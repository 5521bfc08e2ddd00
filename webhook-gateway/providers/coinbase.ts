// Coinbase Commerce: `X-CC-Webhook-Signature: <hex>`, HMAC-SHA256 over the body, keyed with the
// shared secret. The event stands in the body's `event`, beside a counter of attempts.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { decodeLowerHex, verifyBodyHmac } from "./body-hmac.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider } from "./provider.ts";
import { hmac } from "./signature.ts";
import { textKey } from "./text-key.ts";

const header = "x-cc-webhook-signature";

export const coinbase: Provider = {
  name: "coinbase",
  scheme: "coinbase",
  algorithm: "hmac-sha256",
  coverage: Coverage.BODY,
  signatureHeaders: [header],
  contentType: "json",
  ack: ackJson,
  // Up to three days of retries; the timeout is unpublished.
  patience: { timeoutMs: 10_000, retryHorizonMs: 3 * 86_400_000 },

  parseKey: (secret) => textKey(secret),

  sign({ key, body }) {
    const mac = hmac("sha256", key, [body]).toString("hex");
    return { headers: { [header]: mac }, body };
  },

  verify: (request, trust) => verifyBodyHmac(request, trust, header, decodeLowerHex),

  // The root has an `id` too: of the delivery, another for each attempt.
  identify: ({ body }) => identifyJson(body, { id: ["event", "id"], type: ["event", "type"] }),
};
