// Paddle Billing: `Paddle-Signature: ts=<unix seconds>;h1=<hex>`, HMAC-SHA256 over `<ts>:<body>`,
// keyed with the secret's own characters, `pdl_ntfset_` included.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider, rejected } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";

const header = "paddle-signature";

export const paddle: Provider = {
  name: "paddle",
  scheme: "paddle",
  algorithm: "hmac-sha256",
  coverage: Coverage.TIME_BODY,
  signatureHeaders: [header],
  contentType: "json",
  // Exactly 200: any other status counts as a failure.
  ack: ackJson,
  // 60 tries over three days in live mode, 3 in a quarter of an hour in the sandbox.
  patience: { timeoutMs: 5_000, retryHorizonMs: 3 * 86_400_000 },

  parseKey: (secret) => textKey(secret, "pdl_ntfset_"),

  sign({ key, body, now }) {
    const time = signature.unixSecondsOf(now);
    const mac = signature.hmac("sha256", key, [`${time}:`, body]);
    return { headers: { [header]: `ts=${time};h1=${mac.toString("hex")}` }, body };
  },

  verify(request, trust) {
    const value = request.header(header);
    if (!value) return rejected("header-missing");
    const parsed = parseHeader(value);
    if (!parsed) return rejected("header-malformed");
    const time = signature.freshTime(parsed.time, trust);
    if (!(time instanceof Date)) return time;
    const content = [`${parsed.time}:`, request.body];
    const key = signature.matchSignatures("sha256", trust.keys, content, parsed.signatures);
    return signature.verdict(key, time);
  },

  // `notification_id` is one for each destination; the event's own id is the same for all.
  identify: (request) => identifyJson(request.body, { id: ["event_id"], type: ["event_type"] }),
};

/** One `ts`, and an `h1` for each secret while one is rotated; other schemes are passed over. */
function parseHeader(value: string): { time: string; signatures: Buffer[] } | undefined {
  let time: string | undefined;
  const signatures: Buffer[] = [];
  const elements = value.split(";", signature.signaturesMax + 2);
  if (elements.length > signature.signaturesMax + 1) return undefined;
  for (const element of elements) {
    const [, name, text = ""] = /^([a-z][a-z0-9]*)=([^=,\s]*)$/.exec(element) ?? [];
    if (name === undefined) return undefined;
    if (name === "ts") {
      if (time !== undefined) return undefined;
      time = text;
    } else if (name === "h1" && /^[0-9a-f]{64}$/.test(text)) {
      signatures.push(Buffer.from(text, "hex"));
    }
  }
  return time === undefined || signatures.length === 0 ? undefined : { time, signatures };
}
