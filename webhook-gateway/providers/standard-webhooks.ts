// Standard Webhooks: HMAC-SHA256 over `<id>.<unix seconds>.<body>`, all three
// signed, keyed with the bytes behind `whsec_` in base64. Version `v1` only.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider, rejected } from "./provider.ts";
import * as signature from "./signature.ts";

const idHeader = "webhook-id";
const timeHeader = "webhook-timestamp";
const signatureHeader = "webhook-signature";
const secretPrefix = "whsec_";
const keyBytesMin = 24;
const keyBytesMax = 64;

/** Without `.`, which ends the id in the signed content: the border could be moved otherwise. */
const eventId = /^[!-\-/-~]{1,255}$/;

export const standardWebhooks: Provider = {
  name: "standard",
  scheme: "standard-webhooks",
  algorithm: "hmac-sha256",
  coverage: Coverage.ID_TIME_BODY,
  signatureHeaders: [idHeader, timeHeader, signatureHeader],
  contentType: "json",
  ack: ackJson,
  // The specification's schedule ends some three days after the first try.
  patience: { timeoutMs: 15_000, retryHorizonMs: 3 * 86_400_000 },

  parseKey(secret) {
    if (!secret.startsWith(secretPrefix)) return { unusable: "does not begin with whsec_" };
    const key = signature.decodeBase64(secret.slice(secretPrefix.length));
    if (!key) return { unusable: "is not base64 with padding after whsec_" };
    if (key.byteLength < keyBytesMin || key.byteLength > keyBytesMax) {
      return {
        unusable: `holds ${key.byteLength} bytes, must be ${keyBytesMin} to ${keyBytesMax}`,
      };
    }
    return key;
  },

  sign({ key, body, now, eventId: id }) {
    const time = signature.unixSecondsOf(now);
    const mac = signature.hmac("sha256", key, [`${id}.${time}.`, body]);
    const headers = {
      [idHeader]: id,
      [timeHeader]: time,
      [signatureHeader]: `v1,${mac.toString("base64")}`,
    };
    return { headers, body };
  },

  verify(request, trust) {
    const id = request.header(idHeader);
    const timeText = request.header(timeHeader);
    const signatureText = request.header(signatureHeader);
    if (!id || !timeText || !signatureText) return rejected("header-missing");
    if (!eventId.test(id)) return rejected("header-malformed");
    const time = signature.freshTime(timeText, trust);
    if (!(time instanceof Date)) return time;
    const signatures = parseSignatures(signatureText);
    if (signatures.length === 0) return rejected("header-malformed");
    const content = [`${id}.${timeText}.`, request.body];
    const key = signature.matchSignatures("sha256", trust.keys, content, signatures);
    return signature.verdict(key, time);
  },

  identify(request) {
    return {
      eventId: request.header(idHeader) ?? "",
      eventType: identifyJson(request.body).eventType,
    };
  },
};

/** Other versions (`v1a` is asymmetric) are passed over. */
function parseSignatures(text: string): Buffer[] {
  const versioned = text.split(" ", signature.signaturesMax + 1);
  if (versioned.length > signature.signaturesMax) return [];
  return versioned.flatMap((value) => {
    const bytes = value.startsWith("v1,") ? signature.decodeBase64(value.slice(3)) : undefined;
    return bytes?.byteLength === 32 ? [bytes] : [];
  });
}
