import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { coinbase } from "./coinbase.ts";
import { fingerprintOf } from "./signature.ts";

const { Webhook } = createRequire(import.meta.url)("coinbase-commerce-node") as {
  Webhook: {
    verifySigHeader(body: string, signature: string, secret: string): boolean;
    verifyEventBody(body: string, signature: string, secret: string): unknown;
  };
};

const secret = "30291a20-0bd1-4267-9b0f-e6e7b123c0bf";
const key = Buffer.from(secret);
const body = Buffer.from(
  '{"id":"delivery-1","attempt_number":1,"event":{"id":"evt-1","type":"charge:confirmed"}}',
);
const right = "869e85152d98d81bc7c471abf1911a4485fd557d64d25ade3082ccbbb3916fd1";

test("a fixed vector verifies, is what is signed here, and verifies in the SDK", () => {
  expect(verify(right)).toMatchObject({ verified: true, signedTime: undefined });
  const signed = coinbase.sign({ key, body, now: new Date(0), eventId: "" })!;
  expect(signed.headers).toEqual({ "x-cc-webhook-signature": right });
  expect(Webhook.verifySigHeader(body.toString(), right, secret)).toBe(true);
});

test("nothing is parsed before it is verified, as the SDK does with anybody's bytes", () => {
  const forged = Buffer.from("{not even JSON");
  expect(() => Webhook.verifyEventBody(forged.toString(), right, secret)).toThrow(
    "No JSON object could be decoded",
  );
  expect(verify(right, forged)).toEqual({ verified: false, rejection: "signature-mismatch" });
});

test.each([
  ["no header", undefined, "header-missing"],
  ["a truncated signature", right.slice(1), "header-malformed"],
  ["two headers, joined", `${right}, ${right}`, "header-malformed"],
  ["capitals", right.toUpperCase(), "header-malformed"],
  ["a SHA-1 signature", "0".repeat(40), "header-malformed"],
  ["another signature", "0".repeat(64), "signature-mismatch"],
] as const)("refuses: %s", (_, header, rejection) => {
  expect(verify(header)).toEqual({ verified: false, rejection });
});

test.each<[string, string, string, string]>([
  ["the event, not the delivery", body.toString(), "evt-1", "charge:confirmed"],
  ["no event", '{"id":"delivery-1","type":"x"}', "", ""],
  ["an event that is text", '{"event":"evt-1"}', "", ""],
  ["a name with a dot", '{"event.id":"evt-2","event":{"id":"evt-1"}}', "evt-1", ""],
  ["two events", '{"event":{"id":"evt-1"},"event":{"id":"evt-2"}}', "", ""],
  ["two ids", '{"event":{"id":"evt-1","id":"evt-2"}}', "", ""],
  ["an id that lies deeper", '{"event":{"data":{"id":"x"}}}', "", ""],
  ["an event that does not end", '{"event":{"id":"evt-1"', "", ""],
])("names: %s", (_, written, eventId, eventType) => {
  const named = coinbase.identify({ body: Buffer.from(written), header: () => undefined });
  expect(named).toEqual({ eventId, eventType });
});

test.each([
  ["", "is shorter than 16 characters"],
  ["30291a20 0bd1 4267 9b0f", "holds spaces or characters beyond ASCII"],
])("a secret that cannot be right is refused: %s", (unfit, unusable) => {
  expect(coinbase.parseKey(unfit)).toEqual({ unusable });
});

function verify(header: string | undefined, bytes: Uint8Array = body) {
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  const request = { body: bytes, header: () => header };
  return coinbase.verify(request, { keys, now: new Date(0), toleranceMs: 300_000 });
}
