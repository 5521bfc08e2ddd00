import { create } from "@bufbuild/protobuf";
import { WebhooksHelper } from "square";
import { expect, test } from "vitest";
import { SquareConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import type { Provider } from "./provider.ts";
import { fingerprintOf } from "./signature.ts";
import { createSquare } from "./square.ts";

const notificationUrl = "https://pay.example.com/v1/in/square-endpoint";
const signatureKey = "square-signature-key-0123";
const key = Buffer.from(signatureKey);
const body = Buffer.from('{"event_id":"evt-1","type":"payment.updated"}');
const right = "o+x5ZLfdYu9hOD0vs6hgENUN00CFmxVCjwMshRDagDo=";
const square = squareAt(notificationUrl);

test("a fixed vector verifies, is what is signed here, and verifies in the SDK", async () => {
  expect(verify(right)).toMatchObject({ verified: true, signedTime: undefined });
  const signed = square.sign({ key, body, now: new Date(0), eventId: "" })!;
  expect(signed.headers).toEqual({ "x-square-hmacsha256-signature": right });
  const request = { requestBody: body.toString(), signatureHeader: right, signatureKey };
  expect(await WebhooksHelper.verifySignature({ ...request, notificationUrl })).toBe(true);
});

test.each([
  "https://pay.example.com/v1/in/square-endpoint/",
  "https://PAY.example.com/v1/in/square-endpoint",
  "http://pay.example.com/v1/in/square-endpoint",
  "https://pay.example.com:443/v1/in/square-endpoint",
  "https://pay.example.com/v1/in/square-endpoint?x=1",
])("the address is signed character by character, here as in the SDK: %s", async (url) => {
  expect(verify(right, body, squareAt(url))).toMatchObject({ rejection: "signature-mismatch" });
  const request = { requestBody: body.toString(), signatureHeader: right, signatureKey };
  expect(await WebhooksHelper.verifySignature({ ...request, notificationUrl: url })).toBe(false);
});

test("bytes cannot move between the address and the body", () => {
  const shorter = squareAt(notificationUrl.slice(0, -1));
  const longer = Buffer.concat([Buffer.from("t"), body]);
  // The same bytes are signed, so the key verifies them: what stops it is that the address is ours.
  expect(verify(right, longer, shorter)).toMatchObject({ verified: true });
  expect(verify(right, longer)).toMatchObject({ rejection: "signature-mismatch" });
});

test.each([
  ["no header", undefined, "header-missing"],
  ["hexadecimal", Buffer.from(right, "base64").toString("hex"), "header-malformed"],
  ["no padding", right.slice(0, -1), "header-malformed"],
  ["the other base64 alphabet", right.replace("+", "-"), "header-malformed"],
  ["two headers, joined", `${right}, ${right}`, "header-malformed"],
  ["a SHA-1 signature", Buffer.alloc(20).toString("base64"), "header-malformed"],
  ["another signature", Buffer.alloc(32).toString("base64"), "signature-mismatch"],
] as const)("refuses: %s", (_, header, rejection) => {
  expect(verify(header)).toEqual({ verified: false, rejection });
});

test("an empty key is refused, and an address that is none", () => {
  expect(square.parseKey("")).toEqual({ unusable: "is shorter than 16 characters" });
  expect(createSquare(create(SquareConfigSchema, { notificationUrl: "https://" }))).toEqual({
    problems: ["notification_url must be the address that is entered at Square"],
  });
});

test("the event is named by event_id", () => {
  const named = square.identify({ body, header: () => undefined });
  expect(named).toEqual({ eventId: "evt-1", eventType: "payment.updated" });
});

function squareAt(url: string): Provider {
  return createSquare(create(SquareConfigSchema, { notificationUrl: url })) as Provider;
}

function verify(header: string | undefined, bytes: Uint8Array = body, at: Provider = square) {
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  const request = { body: bytes, header: () => header };
  return at.verify(request, { keys, now: new Date(0), toleranceMs: 300_000 });
}
