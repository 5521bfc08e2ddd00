import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { BraintreeConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createBraintree } from "./braintree.ts";
import { writeBraintreeForm } from "./braintree-form.ts";
import { fingerprintOf } from "./signature.ts";

type Sample = { readonly bt_signature: string; readonly bt_payload: string };
const sdk = createRequire(import.meta.url)("braintree");
const privateKey = "0123456789abcdef0123456789abcdef";
const publicKey = "publickey1";
const { webhookNotification, webhookTesting } = new sdk.BraintreeGateway({
  environment: sdk.Environment.Sandbox,
  merchantId: "merchant",
  publicKey,
  privateKey,
}) as {
  webhookNotification: {
    parse(signature: string, payload: string): Promise<{ kind: string }>;
    verify(challenge: string): string;
  };
  webhookTesting: { sampleNotification(kind: string, id: string): Promise<Sample> };
};

const braintree = createBraintree(create(BraintreeConfigSchema, { publicKey }));
const key = braintree.parseKey(privateKey) as Uint8Array;
const sample = await webhookTesting.sampleNotification("dispute_opened", "dp_1");
const payload = Buffer.from("<notification><kind>check</kind></notification>").toString("base64");
const xml = Buffer.from("<notification><kind>check</kind></notification>");

test("a fixed vector verifies", () => {
  // openssl dgst -sha1 -mac HMAC -macopt hexkey:<sha1 of the private key>
  const signature = "070ce0c4069ad54d381cae95e2b44a48d0a56db6";
  expect(verify(form(`${publicKey}|${signature}`, `${payload}\n`))).toMatchObject({
    verified: true,
    key: { fingerprint: fingerprintOf(key) },
    signedTime: undefined,
  });
});

test("the SDK's sample verifies here, and what is signed here verifies there", async () => {
  expect(verify(form(sample.bt_signature, sample.bt_payload))).toMatchObject({ verified: true });
  const check = "<notification><kind>check</kind><subject><check/></subject></notification>";
  const fields = new URLSearchParams(Buffer.from(signed(Buffer.from(check))).toString());
  const parsed = await webhookNotification.parse(
    fields.get("bt_signature")!,
    fields.get("bt_payload")!,
  );
  expect(parsed.kind).toBe("check");
});

test("the last line feed may be lost on the way, and names the same event", () => {
  const whole = form(sample.bt_signature, sample.bt_payload);
  const cut = form(sample.bt_signature, sample.bt_payload.trimEnd());
  expect(verify(cut)).toMatchObject({ verified: true });
  expect(identify(cut)).toEqual(identify(whole));
  expect(identify(whole)).toMatchObject({ eventType: "dispute_opened" });
  expect(identify(whole).eventId).toMatch(/^[0-9a-f]{64}$/);
});

test("another way of writing the form names the same event", () => {
  const whole = form(sample.bt_signature, sample.bt_payload).toString();
  const lower = Buffer.from(whole.replaceAll("%3D", "%3d").replaceAll("%0A", "%0a"));
  expect(verify(lower)).toMatchObject({ verified: true });
  expect(identify(lower)).toEqual(identify(Buffer.from(whole)));
});

test("one of several signatures is by our key", () => {
  const others = `other|${"0".repeat(40)}&${sample.bt_signature}`;
  expect(verify(form(others, sample.bt_payload))).toMatchObject({ verified: true });
});

test("a challenge is answered as the SDK answers it, and nothing else is", () => {
  const challenge = "20f9f8ed05f77439fe955c977e4c8a53";
  expect(answer(`bt_challenge=${challenge}`)).toEqual({
    status: 200,
    body: webhookNotification.verify(challenge),
    contentType: "text/plain",
  });
  for (const query of [
    "",
    "bt_challenge=",
    `bt_challenge=${challenge.toUpperCase()}`,
    `bt_challenge=${challenge}0`,
    `bt_challenge=${challenge}%0A`,
    `bt_challenge=${challenge}&bt_challenge=${challenge}`,
    "other=1",
  ]) {
    expect(answer(query), query).toBeUndefined();
  }
  expect(answer(`bt_challenge=${challenge}`, "POST")).toBeUndefined();
});

test("an answered challenge signs no payload here, though the SDK takes it", async () => {
  // 32 hexadecimal digits are base64 too, and anybody may ask for their signature.
  const challenge = "20f9f8ed05f77439fe955c977e4c8a53";
  const { body } = answer(`bt_challenge=${challenge}`)!;
  const parsed = webhookNotification.parse(body, challenge).catch((error: Error) => error.name);
  // It is past its signature there, and stumbles over the XML.
  expect(await parsed).not.toBe("invalidSignatureError");
  expect(verify(form(body, challenge))).toEqual({
    verified: false,
    rejection: "signature-mismatch",
  });
});

test.each<[string, Uint8Array, string]>([
  ["nothing", Buffer.alloc(0), "body-malformed"],
  ["JSON", Buffer.from("{}"), "body-malformed"],
  ["no signature", Buffer.from(`bt_payload=${encodeURIComponent(payload)}`), "body-malformed"],
  ["another field", Buffer.concat([signed(xml), Buffer.from("&x=1")]), "body-malformed"],
  ["a field twice", Buffer.concat([signed(xml), signed(xml)]), "body-malformed"],
  ["characters beyond base64", form("a|b", "PG5vdGk-"), "body-malformed"],
  ["a padding inside", form("a|b", `AAA=${payload}`), "body-malformed"],
  ["a broken escape", Buffer.from("bt_signature=%zz&bt_payload=AAAA"), "body-malformed"],
  ["no public key", form("0".repeat(40), payload), "header-malformed"],
  ["another public key", form(`other|${"0".repeat(40)}`, payload), "header-malformed"],
  ["a truncated signature", form(`${publicKey}|${"0".repeat(39)}`, payload), "header-malformed"],
  ["SHA-256", form(`${publicKey}|${sha256()}`, payload), "header-malformed"],
  ["another signature", form(`${publicKey}|${"0".repeat(40)}`, payload), "signature-mismatch"],
])("refuses: %s", (_, body, rejection) => {
  expect(verify(body)).toEqual({ verified: false, rejection });
});

test("a private key that cannot be right is refused, and the key is its SHA-1", () => {
  expect(braintree.parseKey("")).toEqual({ unusable: "is shorter than 16 characters" });
  expect(key.byteLength).toBe(20);
});

test("a type that stands in the subject names nothing", () => {
  const inSubject = "<notification><subject><kind>chargeback</kind></subject></notification>";
  expect(identify(signed(Buffer.from(inSubject))).eventType).toBe("");
  const twice = "<notification><kind>a</kind><kind>b</kind><subject/></notification>";
  expect(identify(signed(Buffer.from(twice))).eventType).toBe("");
});

function signed(bytes: Uint8Array): Uint8Array {
  return braintree.sign({ key, body: bytes, now: new Date(0), eventId: "" })!.body;
}

function sha256(): string {
  return createHmac("sha256", key).update(`${payload}\n`).digest("hex");
}

function form(signature: string, written: string): Buffer {
  return writeBraintreeForm(signature, written);
}

function answer(query: string, method = "GET") {
  const request = { method, query: new URLSearchParams(query), body: Buffer.alloc(0) };
  return braintree.challenge!({ ...request, header: () => undefined }, trust());
}

function identify(body: Uint8Array) {
  return braintree.identify({ body, header: () => undefined });
}

function verify(body: Uint8Array) {
  return braintree.verify({ body, header: () => undefined }, trust());
}

function trust() {
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  return { keys, now: new Date(0), toleranceMs: 300_000 };
}
