// Stripe: `Stripe-Signature: t=<unix seconds>,v1=<hex>`, HMAC-SHA256 over
// `<t>.<body>`, keyed with the secret's own characters, `whsec_` included.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider, rejected } from "./provider.ts";
import * as signature from "./signature.ts";

const header = "stripe-signature";
const secretPrefix = "whsec_";

export const stripe: Provider = {
  name: "stripe",
  scheme: "stripe",
  algorithm: "hmac-sha256",
  coverage: Coverage.TIME_BODY,
  signatureHeaders: [header],
  contentType: "json",
  ack: ackJson,
  // Three days of retries in live mode; the timeout is unpublished, about 20 s are reported.
  patience: { timeoutMs: 20_000, retryHorizonMs: 3 * 86_400_000 },

  parseKey(secret) {
    if (!secret.startsWith(secretPrefix)) return { unusable: "does not begin with whsec_" };
    if (!/^[!-~]*$/.test(secret)) return { unusable: "holds spaces or characters beyond ASCII" };
    if (secret.length - secretPrefix.length < signature.keyBytesMin) {
      return { unusable: `is shorter than ${signature.keyBytesMin} characters after whsec_` };
    }
    return Buffer.from(secret);
  },

  sign({ key, body, now }) {
    const time = signature.unixSecondsOf(now);
    const mac = signature.hmac("sha256", key, [`${time}.`, body]);
    return { headers: { [header]: `t=${time},v1=${mac.toString("hex")}` }, body };
  },

  verify(request, trust) {
    const value = request.header(header);
    if (!value) return rejected("header-missing");
    const parsed = parseHeader(value);
    if (!parsed) return rejected("header-malformed");
    const time = signature.freshTime(parsed.time, trust);
    if (!(time instanceof Date)) return time;
    const content = [`${parsed.time}.`, request.body];
    const key = signature.matchSignatures("sha256", trust.keys, content, parsed.signatures);
    return signature.verdict(key, time);
  },

  identify: (request) => identifyJson(request.body),
};

/** One `t`, at least one `v1`; other schemes (`v0` is a test scheme) are passed over. */
function parseHeader(value: string): { time: string; signatures: Buffer[] } | undefined {
  let time: string | undefined;
  const signatures: Buffer[] = [];
  const elements = value.split(",", signature.signaturesMax + 2);
  if (elements.length > signature.signaturesMax + 1) return undefined;
  for (const element of elements) {
    const [name, text] = split(element);
    if (name === "t") {
      if (time !== undefined) return undefined;
      time = text;
    } else if (name === "v1" && /^[0-9a-f]{64}$/.test(text)) {
      signatures.push(Buffer.from(text, "hex"));
    }
  }
  return time === undefined || signatures.length === 0 ? undefined : { time, signatures };
}

function split(element: string): [name: string, text: string] {
  const at = element.indexOf("=");
  return at < 0 ? [element, ""] : [element.slice(0, at), element.slice(at + 1)];
}
