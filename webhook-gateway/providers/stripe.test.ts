import Stripe from "stripe";
import { expect, test } from "vitest";
import type { SignedRequest, Trust } from "./provider.ts";
import { fingerprintOf } from "./signature.ts";
import { stripe } from "./stripe.ts";

const secret = "whsec_0123456789abcdef0123456789abcdef";
const body = Buffer.from('{"id":"evt_1","type":"payment_intent.succeeded"}');
const time = 1_700_000_000;
const { webhooks } = new Stripe("sk_test_unused");

test("a fixed vector verifies", () => {
  const header = `t=1700000000,v1=974c66ccea6d49906ec432333fd47ff67c47a6686c4ed6e3ae4cad57ea5cb914`;
  expect(verify(header)).toMatchObject({
    verified: true,
    signedTime: new Date(time * 1000),
    key: { fingerprint: fingerprintOf(Buffer.from(secret)) },
  });
});

test("what the SDK signs verifies here, and what is signed here verifies there", () => {
  const payload = body.toString();
  const theirs = webhooks.generateTestHeaderString({ payload, secret, timestamp: time });
  expect(verify(theirs)).toMatchObject({ verified: true });
  const ours = sign();
  expect(webhooks.constructEvent(payload, ours, secret, 300, undefined, time * 1000)).toEqual(
    JSON.parse(payload),
  );
});

test("any of several v1 signatures is enough while a secret is rotated", () => {
  const [, right] = sign().split(",v1=");
  expect(verify(`t=${time},v1=${"0".repeat(64)},v1=${right},v0=${right}`)).toMatchObject({
    verified: true,
  });
});

test("the key is the secret's own characters, whsec_ included", () => {
  expect(stripe.parseKey(secret)).toEqual(Buffer.from(secret));
});

// Every row keeps a signature that is right for the time in it.
test.each([
  ["no header", undefined, "header-missing"],
  ["an empty header", "", "header-missing"],
  ["no time", sign().replace(/^t=\d+,/, ""), "header-malformed"],
  ["no signature", `t=${time}`, "header-malformed"],
  ["v0 only", sign().replace("v1=", "v0="), "header-malformed"],
  ["two times", `t=${time},${sign()}`, "header-malformed"],
  ["a truncated signature", sign().slice(0, -1), "header-malformed"],
  ["a signature that goes on", `${sign()}00`, "header-malformed"],
  [
    "a signature in capitals",
    sign().toUpperCase().replace("T=", "t=").replace("V1=", "v1="),
    "header-malformed",
  ],
  ["spaces", sign().replace(",", ", "), "header-malformed"],
  ["a hundred signatures", `t=${time}${`,v1=${"0".repeat(64)}`.repeat(100)}`, "header-malformed"],
  ["a time with letters", sign().replace(/t=\d+/, `t=${time}abc`), "timestamp-malformed"],
  ["a time with a sign", sign().replace(/t=/, "t=+"), "timestamp-malformed"],
  ["an empty time", sign().replace(/t=\d+/, "t="), "timestamp-malformed"],
  ["another time", sign().replace(/t=\d+/, `t=${time + 1}`), "signature-mismatch"],
] as const)("refuses: %s", (_, header, rejection) => {
  expect(verify(header)).toEqual({ verified: false, rejection });
});

test("a time is accepted up to the tolerance, before and after now", () => {
  const accepted = (ageMs: number) => verify(sign(), { now: new Date(time * 1000 + ageMs) });
  expect(accepted(300_000)).toMatchObject({ verified: true });
  expect(accepted(300_001)).toEqual({ verified: false, rejection: "timestamp-too-old" });
  expect(accepted(-300_000)).toMatchObject({ verified: true });
  expect(accepted(-300_001)).toEqual({ verified: false, rejection: "timestamp-too-new" });
});

test("the SDK is laxer: a time a year ahead and letters behind the digits pass it", () => {
  const payload = body.toString();
  const receivedAt = time * 1000;
  const ahead = time + 365 * 86_400;
  const future = webhooks.generateTestHeaderString({ payload, secret, timestamp: ahead });
  expect(() =>
    webhooks.constructEvent(payload, future, secret, 300, undefined, receivedAt),
  ).not.toThrow();
  expect(verify(future)).toEqual({ verified: false, rejection: "timestamp-too-new" });

  const letters = sign().replace(`t=${time}`, `t=${time}abc`);
  expect(() =>
    webhooks.constructEvent(payload, letters, secret, 300, undefined, receivedAt),
  ).not.toThrow();
  expect(verify(letters)).toEqual({ verified: false, rejection: "timestamp-malformed" });
});

test("the SDK verifies text: two bodies of other bytes share a signature there, not here", () => {
  const written = Buffer.from([0x22, 0xff, 0x22]);
  const changed = Buffer.from([0x22, 0xfe, 0x22]);
  // Both decode to a quoted replacement character.
  const payload = written.toString();
  const header = webhooks.generateTestHeaderString({ payload, secret, timestamp: time });
  for (const bytes of [written, changed]) {
    expect(() =>
      webhooks.constructEvent(bytes, header, secret, 300, undefined, time * 1000),
    ).not.toThrow();
    expect(verify(header, {}, bytes)).toMatchObject({ verified: false });
  }
});

test.each([
  ["sk_live_0123456789abcdef0123456789", "does not begin with whsec_"],
  ["whsec_short", "is shorter than 16 characters after whsec_"],
  ["whsec_0123456789 abcdef0123456789", "holds spaces or characters beyond ASCII"],
  ["", "does not begin with whsec_"],
])("a secret that cannot be right is refused without repeating it: %s", (unfit, unusable) => {
  expect(stripe.parseKey(unfit)).toEqual({ unusable });
});

function sign(bytes: Uint8Array = body): string {
  const key = Buffer.from(secret);
  const signed = stripe.sign({
    key,
    body: bytes,
    now: new Date(time * 1000),
    eventId: "",
  })!.headers;
  return signed["stripe-signature"]!;
}

function verify(header: string | undefined, over: Partial<Trust> = {}, bytes: Uint8Array = body) {
  const request: SignedRequest = {
    body: bytes,
    header: (name) => (name === "stripe-signature" ? header : undefined),
  };
  const key = { bytes: Buffer.from(secret), fingerprint: fingerprintOf(Buffer.from(secret)) };
  return stripe.verify(request, {
    keys: [key],
    now: new Date(time * 1000),
    toleranceMs: 300_000,
    ...over,
  });
}
