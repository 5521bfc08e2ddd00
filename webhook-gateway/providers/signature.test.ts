// What must hold for every scheme: a changed byte, another key or another header
// never verifies, and a body is bytes, never text. A line a provider.

import { createHash, generateKeyPairSync } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type EndpointConfig, EndpointConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { readAdyenItem, signedContents } from "./adyen-items.ts";
import { readForm } from "./form.ts";
import { itemSlices, memberSlice } from "./json-slices.ts";
import type { Provider, Signed } from "./provider.ts";
import { createProvider } from "./registry.ts";
import { fingerprintOf } from "./signature.ts";

const now = new Date(1_700_000_000_000);
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`signature.test.ts: SEED=${seed}`);

type Row = {
  readonly provider: EndpointConfig["provider"];
  /** A key made of random bytes; left out: the bytes. */
  readonly key?: (bytes: Uint8Array) => Uint8Array;
  /** A body made of random bytes; left out: the bytes. */
  readonly body?: (bytes: Uint8Array) => Uint8Array;
  /** What is signed of a body, where that is not every byte. */
  readonly signed?: (body: Uint8Array) => string;
  /** Headers that decide and are not signed. */
  readonly unsigned?: readonly string[];
};

const generic = {
  signatureHeader: "X-Signature",
  algorithm: 1,
  signatureEncoding: 2,
  keyEncoding: 1,
  signedContent: "{id}.{timestamp}.{body}",
  timestampHeader: "X-Time",
  idHeader: "X-Id",
};
const url = "https://example.com/in/1";

const rows: Record<string, Row> = {
  stripe: { provider: of("stripe") },
  "standard v1": { provider: of("standardWebhooks") },
  "standard v1a": { provider: of("standardWebhooks"), key: ed25519 },
  generic: { provider: of("genericHmac", generic) },
  svix: { provider: of("svix") },
  github: { provider: of("github") },
  shopify: { provider: of("shopify") },
  paddle: { provider: of("paddle") },
  "adyen payments": {
    provider: of("adyen", { merchantAccounts: ["Shop"], product: 1 }),
    body: adyenBody,
    signed: adyenContent,
  },
  "adyen platform": { provider: of("adyen", { merchantAccounts: ["Shop"], product: 2 }) },
  square: { provider: of("square", { notificationUrl: url }) },
  "lemon squeezy": { provider: of("lemonSqueezy") },
  razorpay: { provider: of("razorpay") },
  mollie: { provider: of("mollie") },
  // The certificate's address is checked by itself: what is there must be PayPal's.
  paypal: { provider: of("paypal"), unsigned: ["paypal-cert-url"] },
  "mercado pago": { provider: of("mercadoPago"), signed: () => "" },
  coinbase: { provider: of("coinbase") },
  slack: { provider: of("slack") },
  "twilio json": { provider: of("twilio", { notificationUrl: url }), body: jsonOf },
  "twilio form": {
    provider: of("twilio", { notificationUrl: url }),
    body: formOf,
    signed: formContent,
  },
};
const cases = Object.entries(rows).map(([name, row]) => ({
  name,
  row,
  provider: createProvider(row.provider) as Provider,
}));

const bodies = fc.uint8Array({ minLength: 1, maxLength: 200 });
const keys = fc.uint8Array({ minLength: 24, maxLength: 64 });
const example = Buffer.from('{"id":"evt_1","amount":100,"text":"\u00e9\u4e16"}');

test.each(cases)("$name: bytes of any kind verify, invalid UTF-8 too", ({ provider, row }) => {
  const check = (bytes: Uint8Array, random: Uint8Array) => {
    const key = keyOf(row, random);
    return accepts(provider, signedBy(provider, row, bytes, key), key);
  };
  fc.assert(fc.property(bodies, keys, check), { seed, numRuns: 100 });
});

test.each(cases)("$name: no signed byte can be changed, left out or added", ({ provider, row }) => {
  const key = keyOf(row, Buffer.alloc(32, 7));
  const sent = signedBy(provider, row, example, key);
  const { body } = sent;
  const meant = row.signed?.(body);
  const refuses = (changed: Uint8Array, what: string) => {
    // What may still verify says the same in another way.
    const verified = accepts(provider, { ...sent, body: changed }, key);
    if (verified) expect(meant && row.signed?.(changed), what).toBe(meant ?? "nothing");
  };
  for (let at = 0; at < body.length; at++) {
    for (const bit of [1, 0x80]) {
      const changed = Buffer.from(body);
      changed[at]! ^= bit;
      refuses(changed, `byte ${at}`);
    }
    refuses(Buffer.concat([body.subarray(0, at), body.subarray(at + 1)]), `without byte ${at}`);
  }
  refuses(Buffer.concat([body, Buffer.from("\n")]), "with a line feed");
});

test.each(cases)("$name: no character of its headers can be changed", ({ provider, row }) => {
  const key = keyOf(row, Buffer.alloc(32, 7));
  const sent = signedBy(provider, row, example, key);
  for (const name of provider.signatureHeaders.filter((each) => !row.unsigned?.includes(each))) {
    const value = sent.headers[name] ?? "";
    for (let at = 0; at < value.length; at++) {
      for (const other of ["0", "a", ".", ",", " ", "="]) {
        if (value[at] === other) continue;
        const changed = `${value.slice(0, at)}${other}${value.slice(at + 1)}`;
        const headers = { ...sent.headers, [name]: changed };
        expect(accepts(provider, { ...sent, headers }, key), `${name}: ${changed}`).toBe(false);
      }
    }
  }
});

test.each(cases)("$name: another key never verifies, nor does none", ({ provider, row }) => {
  const check = (bytes: Uint8Array, random: Uint8Array, otherRandom: Uint8Array) => {
    fc.pre(Buffer.compare(random, otherRandom) !== 0);
    const [key, other] = [keyOf(row, random), keyOf(row, otherRandom)];
    const sent = signedBy(provider, row, bytes, key);
    return !accepts(provider, sent, other) && !accepts(provider, sent);
  };
  fc.assert(fc.property(bodies, keys, keys, check), { seed, numRuns: 100 });
});

test.each(cases)("$name: the key that verified is named among several", ({ provider, row }) => {
  const [first, second] = [keyOf(row, Buffer.alloc(32, 1)), keyOf(row, Buffer.alloc(32, 2))];
  const sent = signedBy(provider, row, example, second);
  expect(verify(provider, sent, [first, second])).toMatchObject({
    verified: true,
    key: { fingerprint: fingerprintOf(second) },
  });
});

function keyOf(row: Row, bytes: Uint8Array): Uint8Array {
  return row.key?.(bytes) ?? bytes;
}

function signedBy(provider: Provider, row: Row, bytes: Uint8Array, key: Uint8Array): Signed {
  return provider.sign({ key, body: row.body?.(bytes) ?? bytes, now, eventId: "evt_1" })!;
}

function accepts(provider: Provider, sent: Signed, ...trusted: Uint8Array[]): boolean {
  return verify(provider, sent, trusted).verified;
}

function verify(provider: Provider, sent: Signed, trusted: readonly Uint8Array[]) {
  const { headers, body, query, certificate } = sent;
  const asked = query === undefined ? {} : { query: new URLSearchParams(query) };
  const trust = {
    keys: trusted.map((bytes) => ({ bytes, fingerprint: fingerprintOf(bytes) })),
    now,
    toleranceMs: 300_000,
    certificate,
  };
  return provider.verify({ body, header: (name) => headers[name], ...asked }, trust);
}

function of(name: string, value: object = {}): EndpointConfig["provider"] {
  return create(EndpointConfigSchema, { provider: { case: name, value } as never }).provider;
}

function ed25519(bytes: Uint8Array): Uint8Array {
  const { privateKey } = generateKeyPairSync("ed25519");
  const der = privateKey.export({ format: "der", type: "pkcs8" });
  return Buffer.concat([der.subarray(0, 16), createHash("sha256").update(bytes).digest()]);
}

function jsonOf(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("{"), bytes]);
}

function formOf(bytes: Uint8Array): Uint8Array {
  return Buffer.from(`Body=${encodeURIComponent(Buffer.from(bytes).toString())}&MessageSid=SM1`);
}

function formContent(body: Uint8Array): string {
  const fields = readForm(body)!.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return fields.map(({ name, value }) => name + value).join("");
}

function adyenBody(bytes: Uint8Array): Uint8Array {
  const item = {
    additionalData: { shopper: "one" },
    amount: { currency: "EUR", value: 4900 },
    pspReference: "7914073381342284",
    eventCode: "AUTHORISATION",
    merchantAccountCode: "Shop",
    merchantReference: `${Buffer.from(bytes).toString("base64url").slice(0, 80)}:1`,
    success: "true",
  };
  return Buffer.from(JSON.stringify({ notificationItems: [{ NotificationRequestItem: item }] }));
}

function adyenContent(body: Uint8Array): string {
  const [item] = itemSlices(memberSlice(body, "notificationItems")!)!;
  return signedContents(readAdyenItem(memberSlice(item!, "NotificationRequestItem")!)!)[0]!;
}
