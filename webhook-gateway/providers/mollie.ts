// Mollie: next-generation webhooks are signed, `X-Mollie-Signature: sha256=<hex>`, HMAC-SHA256 over
// the body, and carry two such headers while a secret rolls. Classic ones say `id=tr_…` and are
// not signed: whatever they point at is asked of Mollie.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { MollieConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { identifyJson } from "./identify.ts";
import { type AckProfile, type Patience, type Provider, rejected } from "./provider.ts";
import type { Problems } from "./registry.ts";
import * as signature from "./signature.ts";

const header = "x-mollie-signature";
const prefix = "sha256=";

/** Exactly 200, for unknown ids too: another answer would tell strangers which ids there are. */
const ack: AckProfile = { status: 200, body: "", contentType: "text/plain" };
/** Ten tries within 26 hours. */
const patience: Patience = { timeoutMs: 15_000, retryHorizonMs: 26 * 3_600_000 };

export function createMollie({ classic, fetchBack }: MollieConfig): Provider | Problems {
  if (!classic) return signedMollie;
  if (!fetchBack) return { problems: ["fetch_back is missing: classic webhooks only point at it"] };
  return classicMollie;
}

const signedMollie: Provider = {
  name: "mollie",
  scheme: "mollie",
  algorithm: "hmac-sha256",
  coverage: Coverage.BODY,
  signatureHeaders: [header],
  repeatedHeaders: [header],
  contentType: "json",
  ack,
  patience,

  parseKey(secret) {
    if (!/^[!-~]*$/.test(secret)) return { unusable: "holds spaces or characters beyond ASCII" };
    if (secret.length < signature.keyBytesMin) {
      return { unusable: `is shorter than ${signature.keyBytesMin} characters` };
    }
    return Buffer.from(secret);
  },

  sign({ key, body }) {
    const mac = signature.hmac("sha256", key, [body]).toString("hex");
    return { headers: { [header]: prefix + mac }, body };
  },

  verify(request, trust) {
    const value = request.header(header);
    if (!value) return rejected("header-missing");
    const signatures = parseSignatures(value);
    if (signatures.length === 0) return rejected("header-malformed");
    const key = signature.matchSignatures("sha256", trust.keys, [request.body], signatures);
    return signature.verdict(key, undefined);
  },

  identify: (request) => identifyJson(request.body),
};

/** Of several headers, joined by `, `. One that is no signature spoils them all. */
function parseSignatures(value: string): Buffer[] {
  const written = value.split(", ", signature.signaturesMax + 1);
  const signatures = written.map((one) =>
    /^sha256=[0-9a-f]{64}$/.test(one) ? Buffer.from(one.slice(prefix.length), "hex") : undefined,
  );
  const known = signatures.filter((one) => one !== undefined);
  return known.length === written.length && known.length <= signature.signaturesMax ? known : [];
}

/** Ids of Mollie's payments and of what else its classic webhooks point at. */
const classicBody = /^id=([a-z]{2,10}_[A-Za-z0-9]{1,60})$/;

/** What a classic webhook points at; undefined when it points at nothing. */
export function mollieReference(body: Uint8Array): string | undefined {
  if (body.byteLength > 100) return undefined;
  return classicBody.exec(Buffer.from(body).toString("latin1"))?.[1];
}

const classicMollie: Provider = {
  name: "mollie",
  scheme: "mollie-classic",
  algorithm: "none",
  coverage: Coverage.NOTHING,
  signatureHeaders: [],
  contentType: "form",
  ack,
  patience,
  apiOrigin: "https://api.mollie.com",
  parseKey: () => ({ unusable: "is not needed: classic webhooks are not signed, leave it out" }),
  sign: () => undefined,

  verify(request) {
    if (mollieReference(request.body) === undefined) return rejected("body-malformed");
    return { verified: true, key: undefined, signedTime: undefined };
  },

  identify(request) {
    const reference = mollieReference(request.body);
    return { eventId: "", eventType: "", ...(reference && { unsignedEventId: reference }) };
  },
};
