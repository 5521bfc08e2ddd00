import { Webhook } from "standardwebhooks";
import { expect, test, vi } from "vitest";
import type { Trust } from "./provider.ts";
import { fingerprintOf } from "./signature.ts";
import { standardWebhooks } from "./standard-webhooks.ts";

// The specification's own vector.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const body = Buffer.from('{"test": 2432232314}');
const time = 1_614_265_330;
const vector = {
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": String(time),
  "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
type Headers = Partial<typeof vector>;

test("the specification's vector verifies", () => {
  expect(verify(vector)).toMatchObject({ verified: true, signedTime: new Date(time * 1000) });
  expect(sign("msg_p5jXN8AQM9LWM0D4loKWxJek")).toEqual(vector);
});

test("what the library signs verifies here, and what is signed here verifies there", () => {
  const library = new Webhook(secret);
  const theirs = library.sign("msg_1", new Date(time * 1000), body.toString());
  expect(verify({ ...vector, "webhook-id": "msg_1", "webhook-signature": theirs })).toMatchObject({
    verified: true,
  });
  vi.setSystemTime(time * 1000);
  try {
    expect(library.verify(body.toString(), sign("msg_2"))).toEqual(JSON.parse(body.toString()));
  } finally {
    vi.useRealTimers();
  }
});

test("any of several signatures is enough, and other versions are passed over", () => {
  const right = vector["webhook-signature"];
  const wrong = `v1,${Buffer.alloc(32).toString("base64")}`;
  expect(verify({ ...vector, "webhook-signature": `v1a,AAAA ${wrong} ${right}` })).toMatchObject({
    verified: true,
  });
});

test.each<[string, Headers, string]>([
  ["no id", { "webhook-id": "" }, "header-missing"],
  ["no time", { "webhook-timestamp": "" }, "header-missing"],
  ["no signature", { "webhook-signature": "" }, "header-missing"],
  ["an id with a dot", { "webhook-id": "msg.1" }, "header-malformed"],
  ["an id with a space", { "webhook-id": "msg 1" }, "header-malformed"],
  ["an id of 256 characters", { "webhook-id": "m".repeat(256) }, "header-malformed"],
  ["a signature of no version", { "webhook-signature": "g0hM9SsE" }, "header-malformed"],
  [
    "another version only",
    { "webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" },
    "header-malformed",
  ],
  [
    "no padding",
    { "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE" },
    "header-malformed",
  ],
  [
    "base64 for URLs",
    { "webhook-signature": "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=" },
    "header-malformed",
  ],
  [
    "seventeen signatures",
    { "webhook-signature": Array(17).fill(vector["webhook-signature"]).join(" ") },
    "header-malformed",
  ],
  ["a time with letters", { "webhook-timestamp": `${time}abc` }, "timestamp-malformed"],
  ["a time with a fraction", { "webhook-timestamp": `${time}.5` }, "timestamp-malformed"],
  ["another id", { "webhook-id": "msg_other" }, "signature-mismatch"],
  ["another time", { "webhook-timestamp": String(time + 1) }, "signature-mismatch"],
])("refuses: %s", (_, over, rejection) => {
  expect(verify({ ...vector, ...over })).toEqual({ verified: false, rejection });
});

test("a time is accepted up to the tolerance, before and after now", () => {
  const at = (ageMs: number) => verify(vector, { now: new Date(time * 1000 + ageMs) });
  expect(at(300_000)).toMatchObject({ verified: true });
  expect(at(300_001)).toEqual({ verified: false, rejection: "timestamp-too-old" });
  expect(at(-300_000)).toMatchObject({ verified: true });
  expect(at(-300_001)).toEqual({ verified: false, rejection: "timestamp-too-new" });
});

test("the library is laxer: it reads a time with letters behind it", () => {
  const letters = { ...vector, "webhook-timestamp": `${time}abc` };
  vi.setSystemTime(time * 1000);
  try {
    expect(() => new Webhook(secret).verify(body.toString(), letters)).not.toThrow();
  } finally {
    vi.useRealTimers();
  }
  expect(verify(letters)).toEqual({ verified: false, rejection: "timestamp-malformed" });
});

test("the library is laxer: a dot lets bytes move between id and time, keeping the signature", () => {
  const library = new Webhook(secret);
  const moved = library.sign("msg_1.5", new Date(time * 1000), "{}");
  const headers = {
    "webhook-id": "msg_1.5",
    "webhook-timestamp": String(time),
    "webhook-signature": moved,
  };
  expect(verify(headers, {}, Buffer.from("{}"))).toEqual({
    verified: false,
    rejection: "header-malformed",
  });
});

test.each([
  [
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "does not begin with whsec_, nor with whpk_ of a public key",
  ],
  ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "is not base64 with padding after whsec_"],
  ["whsec_not/base64!", "is not base64 with padding after whsec_"],
  [`whsec_${Buffer.alloc(23).toString("base64")}`, "holds 23 bytes, must be 24 to 64"],
  [`whsec_${Buffer.alloc(65).toString("base64")}`, "holds 65 bytes, must be 24 to 64"],
  ["whsec_", "holds 0 bytes, must be 24 to 64"],
])("a secret that cannot be right is refused: %s", (unfit, unusable) => {
  expect(standardWebhooks.parseKey(unfit)).toEqual({ unusable });
});

test("the id comes from its signed header, the type from the signed body", () => {
  const request = {
    body: Buffer.from('{"id":"in_body","type":"payment.succeeded"}'),
    header: (name: string) => (vector as Record<string, string>)[name],
  };
  expect(standardWebhooks.identify(request)).toEqual({
    eventId: vector["webhook-id"],
    eventType: "payment.succeeded",
  });
});

function keyBytes(): Uint8Array {
  const key = standardWebhooks.parseKey(secret);
  if ("unusable" in key) throw new Error(key.unusable);
  return key;
}

function sign(eventId: string): Record<string, string> {
  return standardWebhooks.sign({ key: keyBytes(), body, now: new Date(time * 1000), eventId })!
    .headers;
}

function verify(headers: Headers, over: Partial<Trust> = {}, bytes: Uint8Array = body) {
  const key = { bytes: keyBytes(), fingerprint: fingerprintOf(keyBytes()) };
  return standardWebhooks.verify(
    { body: bytes, header: (name) => headers[name as keyof Headers] },
    { keys: [key], now: new Date(time * 1000), toleranceMs: 300_000, ...over },
  );
}
