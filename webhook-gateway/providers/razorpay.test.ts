import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { razorpay } from "./razorpay.ts";
import { fingerprintOf } from "./signature.ts";

// The SDK is CommonJS, and its function a static member.
const { validateWebhookSignature } = createRequire(import.meta.url)("razorpay") as {
  validateWebhookSignature(body: string, signature: string, secret: string): boolean;
};

const secret = "razorpay-webhook-secret";
const key = Buffer.from(secret);
const body = Buffer.from('{"event":"payment.captured","created_at":1700000000}');
const right = "7ff30a5b6ba107e014892b180d3a47a6088d672bfc9989e0ee3e466678dae3c7";

test("a fixed vector verifies, is what is signed here, and verifies in the SDK", () => {
  expect(verify(right)).toMatchObject({ verified: true, signedTime: undefined });
  expect(sign().headers["x-razorpay-signature"]).toBe(right);
  expect(validateWebhookSignature(body.toString(), right, secret)).toBe(true);
});

test("the SDK decodes first: two bodies of other bytes share a signature there, not here", () => {
  const [written, changed] = [Buffer.from([0x22, 0xff, 0x22]), Buffer.from([0x22, 0xfe, 0x22])];
  const signature = sign(Buffer.from(written.toString())).headers["x-razorpay-signature"]!;
  for (const bytes of [written, changed]) {
    expect(validateWebhookSignature(bytes.toString(), signature, secret)).toBe(true);
    expect(verify(signature, bytes)).toMatchObject({ rejection: "signature-mismatch" });
  }
});

test.each([
  ["no header", undefined, "header-missing"],
  ["an empty header", "", "header-missing"],
  ["a truncated signature", right.slice(1), "header-malformed"],
  ["two headers, joined", `${right}, ${right}`, "header-malformed"],
  ["capitals", right.toUpperCase(), "header-malformed"],
  ["base64", Buffer.from(right, "hex").toString("base64"), "header-malformed"],
  ["an algorithm before it", `sha256=${right}`, "header-malformed"],
  ["a SHA-1 signature", "0".repeat(40), "header-malformed"],
  ["another signature", "0".repeat(64), "signature-mismatch"],
] as const)("refuses: %s", (_, header, rejection) => {
  expect(verify(header)).toEqual({ verified: false, rejection });
});

test("the id in the header is shown and never identifies", () => {
  const named = (id: string) => razorpay.identify({ body, header: () => id });
  expect(named("evt_1")).toEqual({
    eventId: "",
    eventType: "payment.captured",
    unsignedEventId: "evt_1",
  });
  expect(verify(right, body, "evt_1")).toEqual(verify(right, body, "evt_2"));
  // An id inside the body is of the subject.
  const about = Buffer.from('{"id":"x","type":"y","event":"refund.processed"}');
  expect(razorpay.identify({ body: about, header: () => undefined })).toEqual({
    eventId: "",
    eventType: "refund.processed",
  });
});

test.each([
  ["", "is shorter than 16 characters"],
  ["short", "is shorter than 16 characters"],
  ["a secret with spaces in it", "holds spaces or characters beyond ASCII"],
])("a secret that cannot be right is refused: %s", (unfit, unusable) => {
  expect(razorpay.parseKey(unfit)).toEqual({ unusable });
});

function sign(bytes: Uint8Array = body) {
  return razorpay.sign({ key, body: bytes, now: new Date(0), eventId: "evt_1" })!;
}

function verify(header: string | undefined, bytes: Uint8Array = body, id = "") {
  const headers: Record<string, string | undefined> = {
    "x-razorpay-signature": header,
    "x-razorpay-event-id": id,
  };
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  const request = { body: bytes, header: (name: string) => headers[name] };
  return razorpay.verify(request, { keys, now: new Date(0), toleranceMs: 300_000 });
}
