// What must hold for every scheme: a changed byte, another key or another header
// never verifies, and a body is bytes, never text.

import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  GenericHmacConfigSchema,
  HmacAlgorithm,
  KeyEncoding,
  SignatureEncoding,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createGenericHmac } from "./generic-hmac.ts";
import type { Provider } from "./provider.ts";
import { fingerprintOf } from "./signature.ts";
import { standardWebhooks } from "./standard-webhooks.ts";
import { stripe } from "./stripe.ts";

const now = new Date(1_700_000_000_000);
const trustFor = (bytes: Uint8Array) => ({
  keys: [{ bytes, fingerprint: fingerprintOf(bytes) }],
  now,
  toleranceMs: 300_000,
});

const generic = createGenericHmac(
  create(GenericHmacConfigSchema, {
    signatureHeader: "X-Signature",
    algorithm: HmacAlgorithm.SHA256,
    signatureEncoding: SignatureEncoding.BASE64,
    keyEncoding: KeyEncoding.UTF8,
    signedContent: "{id}.{timestamp}.{body}",
    timestampHeader: "X-Time",
    idHeader: "X-Id",
  }),
) as Provider;

const providers = [stripe, standardWebhooks, generic] as const;
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`signature.test.ts: SEED=${seed}`);

const bodies = fc.uint8Array({ minLength: 1, maxLength: 200 });
const keys = fc.uint8Array({ minLength: 24, maxLength: 64 });

test.each(providers)("$scheme: bytes of any kind verify, invalid UTF-8 too", (provider) => {
  fc.assert(
    fc.property(bodies, keys, (body, key) => {
      const { headers } = provider.sign({ key, body, now, eventId: "evt_1" })!;
      return accepts(provider, body, headers, key);
    }),
    { seed, numRuns: 200 },
  );
});

test.each(providers)(
  "$scheme: no byte of the body can be changed, left out or added",
  (provider) => {
    const body = Buffer.from('{"id":"evt_1","amount":100,"text":"\u00e9\u4e16"}');
    const key = Buffer.alloc(32, 7);
    const { headers } = provider.sign({ key, body, now, eventId: "evt_1" })!;
    for (let at = 0; at < body.length; at++) {
      for (const bit of [1, 0x80]) {
        const changed = Buffer.from(body);
        changed[at]! ^= bit;
        expect(accepts(provider, changed, headers, key), `byte ${at}`).toBe(false);
      }
      const shorter = Buffer.concat([body.subarray(0, at), body.subarray(at + 1)]);
      expect(accepts(provider, shorter, headers, key), `without byte ${at}`).toBe(false);
    }
    expect(accepts(provider, Buffer.concat([body, Buffer.from("\n")]), headers, key)).toBe(false);
  },
);

test.each(providers)("$scheme: no character of its headers can be changed", (provider) => {
  const body = Buffer.from("{}");
  const key = Buffer.alloc(32, 7);
  const { headers } = provider.sign({ key, body, now, eventId: "evt_1" })!;
  for (const [name, value] of Object.entries(headers)) {
    for (let at = 0; at < value.length; at++) {
      for (const other of ["0", "a", ".", ",", " ", "="]) {
        if (value[at] === other) continue;
        const changed = `${value.slice(0, at)}${other}${value.slice(at + 1)}`;
        const accepted = accepts(provider, body, { ...headers, [name]: changed }, key);
        expect(accepted, `${name}: ${changed}`).toBe(false);
      }
    }
  }
});

test.each(providers)("$scheme: another key never verifies", (provider) => {
  fc.assert(
    fc.property(bodies, keys, keys, (body, key, other) => {
      fc.pre(Buffer.compare(key, other) !== 0);
      const { headers } = provider.sign({ key, body, now, eventId: "evt_1" })!;
      return !accepts(provider, body, headers, other);
    }),
    { seed, numRuns: 200 },
  );
});

test.each(providers)("$scheme: the key that verified is named among several", (provider) => {
  const body = Buffer.from("{}");
  const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const { headers } = provider.sign({ key: second, body, now, eventId: "evt_1" })!;
  const trust = {
    ...trustFor(first),
    keys: [first, second].map((bytes) => trustFor(bytes).keys[0]!),
  };
  expect(provider.verify({ body, header: (name) => headers[name] }, trust)).toMatchObject({
    verified: true,
    key: { fingerprint: fingerprintOf(second) },
  });
  expect(
    provider.verify({ body, header: (name) => headers[name] }, { ...trust, keys: [] }),
  ).toEqual({ verified: false, rejection: "signature-mismatch" });
});

function accepts(
  provider: Provider,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  key: Uint8Array,
): boolean {
  return provider.verify({ body, header: (name) => headers[name] }, trustFor(key)).verified;
}
