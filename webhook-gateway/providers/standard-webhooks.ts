// Standard Webhooks: a signature over `<id>.<unix seconds>.<body>`, all three signed. Version `v1`
// is HMAC-SHA256, keyed with the bytes behind `whsec_` in base64; `v1a` is Ed25519. The kind of the
// configured key decides which version counts, never the request.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  ed25519SignatureBytes,
  pairOf,
  parseEd25519Key,
  signEd25519,
  verifiesEd25519,
} from "./ed25519-key.ts";
import { identifyJson } from "./identify.ts";
import {
  ackJson,
  type Key,
  type Patience,
  type Provider,
  rejected,
  type SignedRequest,
  type Unusable,
} from "./provider.ts";
import * as signature from "./signature.ts";

const secretPrefix = "whsec_";
const keyBytesMin = 24;
const keyBytesMax = 64;
/**
 * Ed25519 signatures cost more to refuse than HMACs; a sender writes one, and two while it
 * rotates.
 */
const asymmetricMax = 4;

/** Without `.`, which ends the id in the signed content: the border could be moved otherwise. */
const eventId = /^[!-\-/-~]{1,255}$/;

/** What the three headers are called. */
export type HeaderNames = {
  readonly id: string;
  readonly time: string;
  readonly signature: string;
};

export const webhookHeaders: HeaderNames = {
  id: "webhook-id",
  time: "webhook-timestamp",
  signature: "webhook-signature",
};

export const standardWebhooks: Provider = createStandard({
  name: "standard",
  scheme: "standard-webhooks",
  headers: [webhookHeaders],
  // The specification's schedule ends some three days after the first try.
  patience: { timeoutMs: 15_000, retryHorizonMs: 3 * 86_400_000 },
});

type Standard = {
  readonly name: string;
  readonly scheme: string;
  /** The first names are those to sign under; a request has the headers of one row of names. */
  readonly headers: readonly [HeaderNames, ...HeaderNames[]];
  readonly patience: Patience;
};

export function createStandard({ name, scheme, headers, patience }: Standard): Provider {
  /** A request that holds a header of one row is read by that row alone. */
  const namesIn = (request: SignedRequest): HeaderNames =>
    headers.find((row) => Object.values(row).some((each) => request.header(each))) ?? headers[0];

  return {
    name,
    scheme,
    algorithm: "hmac-sha256",
    coverage: Coverage.ID_TIME_BODY,
    signatureHeaders: headers.flatMap((row) => [row.id, row.time, row.signature]),
    contentType: "json",
    ack: ackJson,
    patience,
    parseKey: (secret) => parseEd25519Key(secret) ?? parseHmacKey(secret),

    sign({ key, body, now, eventId: id }) {
      const names = headers[0];
      const time = signature.unixSecondsOf(now);
      const content = [`${id}.${time}.`, body];
      const pair = pairOf(key);
      if (pair && !pair.privateKey) return undefined;
      const written = pair?.privateKey
        ? `v1a,${signEd25519(pair.privateKey, content).toString("base64")}`
        : `v1,${signature.hmac("sha256", key, content).toString("base64")}`;
      return { headers: { [names.id]: id, [names.time]: time, [names.signature]: written }, body };
    },

    verify(request, trust) {
      const names = namesIn(request);
      const id = request.header(names.id);
      const timeText = request.header(names.time);
      const signatureText = request.header(names.signature);
      if (!id || !timeText || !signatureText) return rejected("header-missing");
      if (!eventId.test(id)) return rejected("header-malformed");
      const time = signature.freshTime(timeText, trust);
      if (!(time instanceof Date)) return time;
      const signatures = parseSignatures(signatureText);
      if (!signatures) return rejected("header-malformed");

      const content = [`${id}.${timeText}.`, request.body];
      const [asymmetric, symmetric] = partition(trust.keys);
      const { v1, v1a } = signatures;
      const matched = signature.matchSignatures("sha256", symmetric, content, v1);
      if (matched) return signature.verdict(matched, time);
      const verifying = asymmetric.find(({ bytes }) => {
        const pair = pairOf(bytes);
        return pair !== undefined && verifiesEd25519(pair, content, v1a);
      });
      const verdict = signature.verdict(verifying, time);
      return verdict.verified ? { ...verdict, algorithm: "ed25519" } : verdict;
    },

    identify(request) {
      return {
        eventId: request.header(namesIn(request).id) ?? "",
        eventType: identifyJson(request.body).eventType,
      };
    },
  };
}

function parseHmacKey(secret: string): Uint8Array | Unusable {
  if (!secret.startsWith(secretPrefix)) {
    return { unusable: "does not begin with whsec_, nor with whpk_ of a public key" };
  }
  const key = signature.decodeBase64(secret.slice(secretPrefix.length));
  if (!key) return { unusable: "is not base64 with padding after whsec_" };
  if (key.byteLength < keyBytesMin || key.byteLength > keyBytesMax) {
    return { unusable: `holds ${key.byteLength} bytes, must be ${keyBytesMin} to ${keyBytesMax}` };
  }
  // Whoever reads the sender's public key could sign with it.
  if (pairOf(key)) return { unusable: "is an Ed25519 key, which is no secret: write it as whpk_" };
  return key;
}

function partition(keys: readonly Key[]): [asymmetric: Key[], symmetric: Key[]] {
  const asymmetric = keys.filter(({ bytes }) => pairOf(bytes) !== undefined);
  return [asymmetric, keys.filter((key) => !asymmetric.includes(key))];
}

type Signatures = { readonly v1: readonly Buffer[]; readonly v1a: readonly Buffer[] };

/** Versions that are unknown are passed over; undefined when nothing known is left. */
function parseSignatures(text: string): Signatures | undefined {
  const versioned = text.split(" ", signature.signaturesMax + 1);
  if (versioned.length > signature.signaturesMax) return undefined;
  const v1 = decoded(versioned, "v1,", 32);
  const v1a = decoded(versioned, "v1a,", ed25519SignatureBytes);
  if (v1.length + v1a.length === 0 || v1a.length > asymmetricMax) return undefined;
  return { v1, v1a };
}

function decoded(versioned: readonly string[], version: string, length: number): Buffer[] {
  return versioned.flatMap((value) => {
    if (!value.startsWith(version)) return [];
    const bytes = signature.decodeBase64(value.slice(version.length));
    return bytes?.byteLength === length ? [bytes] : [];
  });
}
