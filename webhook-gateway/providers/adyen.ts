// Adyen: webhooks of payments carry several items, each with a signature over eight of its fields;
// platform webhooks have one over the body, in `HmacSignature`. Both are HMAC-SHA256 in base64,
// keyed with the bytes of a key in hexadecimal.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { type AdyenConfig, AdyenProduct } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { adyenItemSlices, readAdyenItem, signedContents } from "./adyen-items.ts";
import { verifyBodyHmac } from "./body-hmac.ts";
import { identifyJson } from "./identify.ts";
import { type Key, type Provider, rejected, type Trust } from "./provider.ts";
import * as signature from "./signature.ts";

const header = "hmacsignature";
const keyBytes = 32;

/**
 * How payments are read, which the merchant's own setting decides: the desk sees it by the
 * scheme.
 */
export const adyenSchemes = {
  payments: "adyen-payments",
  manualCapture: "adyen-payments-manual-capture",
  platform: "adyen-platform",
} as const;

const shared = {
  name: "adyen",
  algorithm: "hmac-sha256",
  contentType: "json",
  // What older integrations must answer, and newer ones may.
  ack: { status: 200, body: "[accepted]", contentType: "text/plain" },
  // Three retries at once, then ever rarer for a week; meanwhile later webhooks wait behind it.
  patience: { timeoutMs: 10_000, retryHorizonMs: 7 * 86_400_000 },

  parseKey(secret: string) {
    // Adyen's own library takes what is no hexadecimal for an empty key, which anybody has.
    const key = signature.decodeHex(secret);
    if (!key) return { unusable: "is not hexadecimal" };
    if (key.byteLength === keyBytes) return key;
    return { unusable: `holds ${key.byteLength} bytes, must be ${keyBytes}` };
  },
} satisfies Partial<Provider>;

export function createAdyen(
  config: AdyenConfig,
): Provider | { readonly problems: readonly string[] } {
  if (config.product === AdyenProduct.PAYMENTS) return adyenPayments(config);
  if (!config.manualCapture) return adyenPlatform;
  return { problems: ["manual_capture is about payments only: leave it out"] };
}

const adyenPlatform: Provider = {
  ...shared,
  scheme: adyenSchemes.platform,
  coverage: Coverage.BODY,
  signatureHeaders: [header],
  unsignedHeaders: ["protocol"],

  sign({ key, body }) {
    const mac = signature.hmac("sha256", key, [body]).toString("base64");
    return { headers: { [header]: mac, protocol: "HmacSHA256" }, body };
  },

  verify: (request, trust) => verifyBodyHmac(request, trust, header, signature.decodeBase64),
  identify: (request) => identifyJson(request.body, { type: ["type"] }),
};

function adyenPayments({ merchantAccounts, manualCapture }: AdyenConfig): Provider {
  return {
    ...shared,
    scheme: manualCapture ? adyenSchemes.manualCapture : adyenSchemes.payments,
    coverage: Coverage.LISTED_FIELDS,
    signatureHeaders: [],
    signedFields: [
      "amount.currency",
      "amount.value",
      "eventCode",
      "merchantAccountCode",
      "merchantReference",
      "originalReference",
      "pspReference",
      "success",
    ],
    selfTestBody: Buffer.from(selfTestBody(merchantAccounts[0] ?? "")),

    /** Writes a signature into every item of a body that is shaped like Adyen's. */
    sign: ({ key, body }) => ({ headers: {}, body: signItems(key, body) }),

    /** One item that is not authentic refuses them all: they came together. */
    verify({ body }, trust) {
      const slices = adyenItemSlices(body);
      if (!slices) return rejected("body-malformed");
      let first: Key | undefined;
      let matches = true;
      for (const slice of slices) {
        const item = readAdyenItem(slice);
        if (!item) return rejected("body-malformed");
        // Checked before the signature: the key of one account signs for all that share it.
        if (!merchantAccounts.includes(item.merchantAccountCode)) {
          return rejected("account-unknown");
        }
        const key = matchItem(trust, signedContents(item), item.signature);
        first ??= key;
        matches &&= key !== undefined;
      }
      return signature.verdict(matches ? first : undefined, undefined);
    },

    split: ({ body }) => adyenItemSlices(body) ?? [],

    /** Adyen sends each outcome of a reference once; sent again, it has the same three. */
    identify({ body }) {
      const item = readAdyenItem(body);
      if (!item) return { eventId: "", eventType: "" };
      const { pspReference, eventCode, success } = item;
      return { eventId: `${pspReference}/${eventCode}/${success}`, eventType: eventCode };
    },
  };
}

function matchItem(trust: Trust, contents: readonly string[], mac: Buffer): Key | undefined {
  return contents
    .map((content) => signature.matchSignatures("sha256", trust.keys, [content], [mac]))
    .find((key) => key !== undefined);
}

type Loose = { [name: string]: unknown };

function signItems(key: Uint8Array, body: Uint8Array): Uint8Array {
  const root = JSON.parse(Buffer.from(body).toString()) as Loose;
  const items = (root["notificationItems"] ?? []) as Loose[];
  for (const wrapped of items) {
    const item = wrapped["NotificationRequestItem"] as Loose;
    const amount = item["amount"] as Loose;
    const [content = ""] = signedContents({
      pspReference: textIn(item, "pspReference"),
      originalReference: textIn(item, "originalReference"),
      merchantAccountCode: textIn(item, "merchantAccountCode"),
      merchantReference: textIn(item, "merchantReference"),
      value: textIn(amount, "value"),
      currency: textIn(amount, "currency"),
      eventCode: textIn(item, "eventCode"),
      success: textIn(item, "success"),
    });
    const hmacSignature = signature.hmac("sha256", key, [content]).toString("base64");
    item["additionalData"] = { ...(item["additionalData"] as Loose | undefined), hmacSignature };
  }
  return Buffer.from(JSON.stringify(root));
}

function textIn(object: Loose, name: string): string {
  return String(object[name] ?? "");
}

function selfTestBody(merchantAccountCode: string): string {
  const item = {
    amount: { currency: "EUR", value: 0 },
    eventCode: "REPORT_AVAILABLE",
    merchantAccountCode,
    merchantReference: "",
    pspReference: "bursar-self-test",
    success: "true",
  };
  return JSON.stringify({ live: "false", notificationItems: [{ NotificationRequestItem: item }] });
}
