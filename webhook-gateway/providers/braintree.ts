// Braintree: a form whose `bt_signature` is `<public key>|<hex>` for each of the account's keys, an
// HMAC-SHA1 over `bt_payload`, keyed with the SHA-1 of the private key. It names no event: the
// digest of its XML does.

import { createHash, hash } from "node:crypto";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { BraintreeConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { linesOfBase64, readBraintreeForm, writeBraintreeForm, xmlOf } from "./braintree-form.ts";
import { ackJson, type Provider, rejected } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";

const selfTestXml = "<notification><kind>check</kind><subject/></notification>";

export function createBraintree({ publicKey }: BraintreeConfig): Provider {
  return {
    name: "braintree",
    scheme: "braintree",
    algorithm: "hmac-sha1",
    // The payload, and besides it there is only the signature: other fields are refused.
    coverage: Coverage.BODY,
    signatureHeaders: [],
    contentType: "form",
    ack: ackJson,
    // Hourly: for a day in production, for three hours in the sandbox.
    patience: { timeoutMs: 30_000, retryHorizonMs: 86_400_000 },
    selfTestBody: Buffer.from(selfTestXml),

    parseKey(secret) {
      const key = textKey(secret);
      return "unusable" in key ? key : createHash("sha1").update(key).digest();
    },

    /** The body is the XML; what is sent is the form around it. */
    sign({ key, body }) {
      const payload = linesOfBase64(body);
      const mac = signature.hmac("sha1", key, [payload]).toString("hex");
      return { headers: {}, body: writeBraintreeForm(`${publicKey}|${mac}`, payload) };
    },

    verify(request, trust) {
      const form = readBraintreeForm(request.body);
      if (!form) return rejected("body-malformed");
      const bytes = signaturesOf(form.signature, publicKey);
      if (!bytes) return rejected("header-malformed");
      // Always with its line feed, which no challenge has: what we answer to a challenge is
      // therefore never the signature of a payload.
      const key = signature.matchSignatures("sha1", trust.keys, [form.payload], bytes);
      return signature.verdict(key, undefined);
    },

    identify(request) {
      const form = readBraintreeForm(request.body);
      if (!form) return { eventId: "", eventType: "" };
      const xml = xmlOf(form);
      return { eventId: hash("sha256", xml, "hex"), eventType: kindOf(xml) };
    },

    challenge({ method, query }, { keys: [key] }) {
      const challenge = query.get("bt_challenge") ?? "";
      const asked = method === "GET" && query.getAll("bt_challenge").length === 1;
      if (!asked || !key || !/^[0-9a-f]{20,32}$/.test(challenge)) return undefined;
      const mac = signature.hmac("sha1", key.bytes, [challenge]).toString("hex");
      return { status: 200, body: `${publicKey}|${mac}`, contentType: "text/plain" };
    },
  };
}

/** Signatures by our public key; others are of other keys of the account. */
function signaturesOf(written: string, publicKey: string): Buffer[] | undefined {
  const pairs = written.split("&", signature.signaturesMax + 1);
  if (pairs.length > signature.signaturesMax) return undefined;
  const signatures: Buffer[] = [];
  for (const pair of pairs) {
    const [, by, hex = ""] = /^([A-Za-z0-9_]{1,64})\|([0-9a-f]{40})$/.exec(pair) ?? [];
    if (by === undefined) return undefined;
    if (by === publicKey) signatures.push(Buffer.from(hex, "hex"));
  }
  return signatures.length > 0 ? signatures : undefined;
}

const headBytesMax = 4_096;

/** The notification's own kind, which stands before its subject; a dispute has one too. */
function kindOf(xml: Buffer): string {
  const [head] = xml.subarray(0, headBytesMax).toString("latin1").split("<subject");
  const kinds = [...(head ?? "").matchAll(/<kind>([a-z_]{1,100})<\/kind>/g)];
  return kinds.length === 1 ? kinds[0]![1]! : "";
}
