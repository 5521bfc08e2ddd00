// What must hold for whatever a provider signs, in headers or in the body: what came is either what
// was signed, with the right key, or refused.

import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BraintreeConfigSchema, SquareConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { selfTest } from "../self-test.ts";
import { createBraintree } from "./braintree.ts";
import { coinbase } from "./coinbase.ts";
import { paddle } from "./paddle.ts";
import type { Provider, Signed } from "./provider.ts";
import { razorpay } from "./razorpay.ts";
import { fingerprintOf } from "./signature.ts";
import { createSquare } from "./square.ts";

const now = new Date(1_700_000_000_000);
const notificationUrl = "https://pay.example.com/v1/in/square-endpoint";
const square = createSquare(create(SquareConfigSchema, { notificationUrl })) as Provider;
const braintree = createBraintree(create(BraintreeConfigSchema, { publicKey: "publickey1" }));
const providers: readonly Provider[] = [paddle, square, razorpay, coinbase, braintree];

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`tampering.test.ts: SEED=${seed}`);
const bodies = fc.uint8Array({ minLength: 1, maxLength: 200 });
const keys = fc.uint8Array({ minLength: 20, maxLength: 64 });
const key = Buffer.alloc(32, 7);

test.each(providers)("$name: bytes of any kind verify, with their own key only", (provider) => {
  fc.assert(
    fc.property(bodies, keys, keys, (body, right, other) => {
      fc.pre(Buffer.compare(right, other) !== 0);
      const signed = provider.sign({ key: right, body, now, eventId: "evt_1" })!;
      return accepts(provider, signed, right) && !accepts(provider, signed, other);
    }),
    { seed, numRuns: 200 },
  );
});

test.each(providers)("$name: no byte can be changed, left out or added", (provider) => {
  const written = Buffer.from('{"id":"evt_1","amount":100,"text":"\u00e9\u4e16"}');
  const { headers, body } = provider.sign({ key, body: written, now, eventId: "evt_1" })!;
  for (let at = 0; at <= body.length; at++) {
    for (const bit of [1, 0x80]) {
      const changed = Buffer.from(body);
      if (at < body.length) changed[at]! ^= bit;
      const same = at === body.length;
      expect(accepts(provider, { headers, body: changed }, key), `byte ${at}`).toBe(same);
    }
    const shorter = Buffer.concat([body.subarray(0, at), body.subarray(at + 1)]);
    expect(accepts(provider, { headers, body: shorter }, key)).toBe(at === body.length);
    const longer = Buffer.concat([body.subarray(0, at), Buffer.from("a"), body.subarray(at)]);
    expect(accepts(provider, { headers, body: longer }, key), `before byte ${at}`).toBe(false);
  }
});

test.each(providers)("$name: no character of a deciding header can be changed", (provider) => {
  const { headers, body } = provider.sign({ key, body: Buffer.from("{}"), now, eventId: "e" })!;
  for (const name of provider.signatureHeaders) {
    const value = headers[name]!;
    for (let at = 0; at < value.length; at++) {
      for (const other of ["0", "a", ".", ",", ";", " ", "=", ""]) {
        if (value[at] === other) continue;
        const changed = `${value.slice(0, at)}${other}${value.slice(at + 1)}`;
        const accepted = accepts(provider, { headers: { ...headers, [name]: changed }, body }, key);
        expect(accepted, changed).toBe(false);
      }
    }
  }
});

test.each(providers)("$name: the key that verified is named among several", (provider) => {
  const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const signed = provider.sign({ key: second, body: Buffer.from("{}"), now, eventId: "evt_1" })!;
  expect(verify(provider, signed, [first, second])).toMatchObject({
    verified: true,
    key: { fingerprint: fingerprintOf(second) },
  });
  expect(verify(provider, signed, [])).toEqual({
    verified: false,
    rejection: "signature-mismatch",
  });
});

test.each(providers)("$name: passes its self-test, and is never short of words", (provider) => {
  const own = { bytes: key, fingerprint: fingerprintOf(key) };
  expect(selfTest(provider, own, now)).toBeUndefined();
  fc.assert(
    fc.property(bodies, fc.string(), (body, header) => {
      const request = { body, header: () => header };
      const named = provider.identify(request);
      const verified = provider.verify(request, { keys: [own], now, toleranceMs: 300_000 });
      return typeof named.eventId === "string" && !verified.verified;
    }),
    { seed, numRuns: 300 },
  );
});

function accepts(provider: Provider, signed: Signed, bytes: Uint8Array): boolean {
  return verify(provider, signed, [bytes]).verified;
}

function verify(provider: Provider, { headers, body }: Signed, keyBytes: readonly Uint8Array[]) {
  const trusted = keyBytes.map((bytes) => ({ bytes, fingerprint: fingerprintOf(bytes) }));
  const request = { body, header: (name: string) => headers[name] };
  return provider.verify(request, { keys: trusted, now, toleranceMs: 300_000 });
}
