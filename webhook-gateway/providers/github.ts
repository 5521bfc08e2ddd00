// GitHub: `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 over the body, keyed with the secret's
// own characters. Event and delivery stand in headers that are not signed, so they identify
// nothing; the older SHA-1 header is never looked at.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { decodeLowerHex, verifyBodyHmac } from "./body-hmac.ts";
import { ackJson, type Provider } from "./provider.ts";
import * as signature from "./signature.ts";
import { unsignedIdentity } from "./unsigned-identity.ts";

const header = "x-hub-signature-256";
const prefix = "sha256=";
const deliveryHeader = "x-github-delivery";
const eventHeader = "x-github-event";

export const github: Provider = {
  name: "github",
  scheme: "github",
  algorithm: "hmac-sha256",
  coverage: Coverage.BODY,
  signatureHeaders: [header],
  unsignedHeaders: [deliveryHeader, eventHeader, "x-github-hook-id"],
  contentType: "json",
  ack: ackJson,
  // Nothing is sent again by itself; for three days a person can have it sent again.
  patience: { timeoutMs: 10_000, retryHorizonMs: 0 },

  parseKey(secret) {
    if (!/^\P{Cc}*$/u.test(secret) || secret !== secret.trim()) {
      return { unusable: "holds control characters, or spaces around it" };
    }
    const key = Buffer.from(secret);
    if (key.byteLength >= signature.keyBytesMin) return key;
    return { unusable: `is shorter than ${signature.keyBytesMin} bytes` };
  },

  sign({ key, body, eventId }) {
    const mac = signature.hmac("sha256", key, [body]);
    return { headers: { [header]: prefix + mac.toString("hex"), [deliveryHeader]: eventId }, body };
  },

  verify: (request, trust) =>
    verifyBodyHmac(request, trust, header, (written) => decodeLowerHex(written, prefix)),

  identify: ({ header: read }) => unsignedIdentity(read(deliveryHeader), read(eventHeader)),
};
