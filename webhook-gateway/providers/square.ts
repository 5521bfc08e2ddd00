// Square: `x-square-hmacsha256-signature: <base64>`, HMAC-SHA256 over the notification address and
// the body, keyed with the signature key's own characters. The address is configuration, never
// taken from the request: a proxy may have changed that one.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { SquareConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider, rejected } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";

const header = "x-square-hmacsha256-signature";

export function createSquare({
  notificationUrl,
}: SquareConfig): Provider | { readonly problems: readonly string[] } {
  if (!URL.canParse(notificationUrl)) {
    return { problems: ["notification_url must be the address that is entered at Square"] };
  }
  return {
    name: "square",
    scheme: "square",
    algorithm: "hmac-sha256",
    coverage: Coverage.URL_BODY,
    signatureHeaders: [header],
    contentType: "json",
    ack: ackJson,
    // A day of retries; after three weeks of failures and three mails it is switched off.
    patience: {
      timeoutMs: 10_000,
      retryHorizonMs: 86_400_000,
      disablesAfter: { failingMs: 21 * 86_400_000 },
    },

    parseKey: (secret) => textKey(secret),

    sign({ key, body }) {
      const mac = signature.hmac("sha256", key, [notificationUrl, body]);
      return { headers: { [header]: mac.toString("base64") }, body };
    },

    verify(request, trust) {
      const value = request.header(header);
      if (!value) return rejected("header-missing");
      const bytes = signature.decodeBase64(value);
      if (bytes?.byteLength !== 32) return rejected("header-malformed");
      const content = [notificationUrl, request.body];
      const key = signature.matchSignatures("sha256", trust.keys, content, [bytes]);
      return signature.verdict(key, undefined);
    },

    identify: (request) => identifyJson(request.body, { id: ["event_id"], type: ["type"] }),
  };
}
