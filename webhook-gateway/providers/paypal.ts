// PayPal: RSA-SHA256 over `<transmission id>|<time>|<webhook id>|<CRC32 of the body>`, by a
// certificate's key that the request names. Another body of the same CRC is easily made: a valid
// signature attests the transmission and its time; what happened is asked of PayPal afterwards.

import {
  constants,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
  type X509Certificate,
} from "node:crypto";
import { crc32 } from "node:zlib";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { PaypalConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { identifyJson } from "./identify.ts";
import {
  ackJson,
  type Provider,
  type Rejected,
  rejected,
  type SignedRequest,
  type Trust,
} from "./provider.ts";
import type { Problems } from "./registry.ts";
import { createSelfSigned } from "./self-signed.ts";
import * as signature from "./signature.ts";

const idHeader = "paypal-transmission-id";
const timeHeader = "paypal-transmission-time";
const signatureHeader = "paypal-transmission-sig";
const certificateHeader = "paypal-cert-url";
const algorithmHeader = "paypal-auth-algo";

/** Without `|`, which ends the id in the signed content. */
const transmissionId = /^[A-Za-z0-9_.-]{1,64}$/;
const transmissionTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const webhookId = /^[A-Za-z0-9]{16,50}$/;

/** Least modulus of a certificate's key; 2048 is what PayPal has. */
const modulusBitsMin = 2048;
const retryHorizonMs = 3 * 86_400_000;

const certificateUrls = {
  live: /^https:\/\/api(-m)?\.paypal\.com\/v1\/notifications\/certs\/CERT-[A-Za-z0-9-]{1,128}$/,
  sandbox:
    /^https:\/\/api(-m)?\.sandbox\.paypal\.com\/v1\/notifications\/certs\/CERT-[\w-]{1,128}$/,
};

export function createPaypal({ sandbox, fetchBack }: PaypalConfig): Provider | Problems {
  if (fetchBack && !fetchBack.clientId) return { problems: ["fetch_back.client_id is missing"] };
  const urls = sandbox ? certificateUrls.sandbox : certificateUrls.live;
  const certificateUrl = ({ header }: SignedRequest) => {
    const url = header(certificateHeader);
    return url !== undefined && urls.test(url) ? url : undefined;
  };
  const host = sandbox ? "api.sandbox.paypal.com" : "api.paypal.com";

  return {
    name: "paypal",
    scheme: "paypal",
    algorithm: "rsa-sha256",
    coverage: Coverage.ID_TIME_CHECKSUM,
    signatureHeaders: [idHeader, timeHeader, signatureHeader, certificateHeader, algorithmHeader],
    contentType: "json",
    ack: ackJson,
    // 25 tries over three days; how long one may take is unpublished.
    patience: { timeoutMs: 10_000, retryHorizonMs },
    certificateUrl,
    apiOrigin: sandbox ? "https://api-m.sandbox.paypal.com" : "https://api-m.paypal.com",

    parseKey(secret) {
      if (webhookId.test(secret)) return Buffer.from(secret);
      return { unusable: "is not the id of a webhook: 16 to 50 letters and digits" };
    },

    sign({ key, body, now, eventId }) {
      const { privateKey, certificate } = ownSigner();
      const time = now.toISOString().replace(/\.000Z$/, "Z");
      const content = contentOf({ id: eventId, time, body }, key);
      const headers = {
        [idHeader]: eventId,
        [timeHeader]: time,
        [signatureHeader]: signBytes("sha256", content, privateKey).toString("base64"),
        [certificateHeader]: `https://${host}/v1/notifications/certs/CERT-self-test`,
        [algorithmHeader]: "SHA256withRSA",
      };
      return { headers, body, certificate };
    },

    verify(request, trust) {
      const sent = readHeaders(request);
      if ("verified" in sent) return sent;
      if (certificateUrl(request) === undefined) return rejected("certificate-unknown");
      const time = freshTime(sent.time, trust);
      if (!(time instanceof Date)) return time;
      const publicKey = publicKeyOf(trust.certificate);
      if (!publicKey) return rejected("certificate-unknown");
      const key = trust.keys.find(({ bytes }) =>
        verifyBytes(
          "sha256",
          contentOf({ ...sent, body: request.body }, bytes),
          { key: publicKey, padding: constants.RSA_PKCS1_PADDING },
          sent.signature,
        ),
      );
      return signature.verdict(key, time);
    },

    // The transmission is what is signed. The body's own id names what PayPal is asked for.
    identify(request) {
      const { eventId, eventType } = identifyJson(request.body, {
        id: ["id"],
        type: ["event_type"],
      });
      return {
        eventId: request.header(idHeader) ?? "",
        eventType: "",
        ...(eventId && { unsignedEventId: eventId }),
        ...(eventType && { unsignedEventType: eventType }),
      };
    },
  };
}

type Sent = { readonly id: string; readonly time: string; readonly signature: Buffer };

function readHeaders({ header }: SignedRequest): Sent | Rejected {
  const id = header(idHeader);
  const time = header(timeHeader);
  const written = header(signatureHeader);
  const algorithm = header(algorithmHeader);
  if (!id || !time || !written || !algorithm || !header(certificateHeader)) {
    return rejected("header-missing");
  }
  const bytes = signature.decodeBase64(written);
  // The algorithm is ours to choose, never the sender's.
  if (algorithm !== "SHA256withRSA" || !transmissionId.test(id) || !bytes) {
    return rejected("header-malformed");
  }
  if (!transmissionTime.test(time)) return rejected("timestamp-malformed");
  return { id, time, signature: bytes };
}

function contentOf(
  { id, time, body }: { readonly id: string; readonly time: string; readonly body: Uint8Array },
  webhookIdBytes: Uint8Array,
): Buffer {
  return Buffer.concat([
    Buffer.from(`${id}|${time}|`),
    webhookIdBytes,
    Buffer.from(`|${crc32(body)}`),
  ]);
}

/**
 * As old as the last of PayPal's tries may be: its documentation does not say whether a try carries
 * the time of its own or of the first one. A replay in between is known by its transmission, and
 * says what PayPal says.
 */
function freshTime(text: string, { now, toleranceMs }: Trust): Date | Rejected {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return rejected("timestamp-malformed");
  const ageMs = now.getTime() - time.getTime();
  if (ageMs > retryHorizonMs + toleranceMs) return rejected("timestamp-too-old");
  return ageMs < -toleranceMs ? rejected("timestamp-too-new") : time;
}

function publicKeyOf(certificate: X509Certificate | undefined): KeyObject | undefined {
  const publicKey = certificate?.publicKey;
  const bits = publicKey?.asymmetricKeyDetails?.modulusLength ?? 0;
  return publicKey?.asymmetricKeyType === "rsa" && bits >= modulusBitsMin ? publicKey : undefined;
}

type Signer = { readonly privateKey: KeyObject; readonly certificate: X509Certificate };
let signer: Signer | undefined;

/** For the self-test and for tests: a key that PayPal never had, made once a process. */
function ownSigner(): Signer {
  if (signer === undefined) {
    const keys = generateKeyPairSync("rsa", { modulusLength: modulusBitsMin });
    signer = { privateKey: keys.privateKey, certificate: createSelfSigned(keys, "self-test") };
  }
  return signer;
}
