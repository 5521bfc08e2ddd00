import { Paddle } from "@paddle/paddle-node-sdk";
import { expect, test } from "vitest";
import { paddle } from "./paddle.ts";
import { fingerprintOf } from "./signature.ts";

const secret = "pdl_ntfset_01h0000000000000000000000a_0123456789abcdefghijklmnop";
const key = Buffer.from(secret);
const body = Buffer.from('{"event_id":"evt_01","event_type":"transaction.completed"}');
const time = 1_700_000_000;
const { webhooks } = new Paddle("api-key-that-is-not-used");
// Made with openssl.
const right = "7a2423f2dd2391df3276728c50ceb65c33301a81488a327ed17deb78ad73b3ea";
const wrong = "0".repeat(64);

test("a fixed vector verifies, and is what is signed here", () => {
  expect(verify(`ts=${time};h1=${right}`)).toMatchObject({
    verified: true,
    key: { fingerprint: fingerprintOf(key) },
    signedTime: new Date(time * 1000),
  });
  expect(sign(new Date(time * 1000))).toBe(`ts=${time};h1=${right}`);
});

test("what is signed here verifies in the SDK", async () => {
  // The SDK looks at its own clock, and allows five seconds.
  const header = sign(new Date());
  expect(await webhooks.isSignatureValid(body.toString(), secret, header)).toBe(true);
});

test("any h1 is enough while a secret is rotated; the SDK takes the last one only", async () => {
  for (const header of [`h1=${right};h1=${wrong}`, `h1=${wrong};h1=${right}`]) {
    expect(verify(`ts=${time};${header}`)).toMatchObject({ verified: true });
  }
  const header = `${sign(new Date())};h1=${wrong}`;
  expect(await webhooks.isSignatureValid(body.toString(), secret, header)).toBe(false);
});

test("a time that is far ahead is refused; in the SDK a time only grows old", async () => {
  const ahead = new Date(Date.now() + 365 * 86_400_000);
  expect(await webhooks.isSignatureValid(body.toString(), secret, sign(ahead))).toBe(true);
  expect(verify(sign(ahead))).toEqual({ verified: false, rejection: "timestamp-too-new" });
  expect(verify(sign(new Date((time - 301) * 1000)))).toMatchObject({
    rejection: "timestamp-too-old",
  });
});

test.each([
  ["no header", undefined, "header-missing"],
  ["no time", `h1=${right}`, "header-malformed"],
  ["no signature", `ts=${time}`, "header-malformed"],
  ["two times", `ts=${time};ts=${time};h1=${right}`, "header-malformed"],
  ["two headers, joined", `ts=${time};h1=${right}, ts=${time};h1=${right}`, "header-malformed"],
  ["a truncated signature", `ts=${time};h1=${right.slice(1)}`, "header-malformed"],
  ["a signature in capitals", `ts=${time};h1=${right.toUpperCase()}`, "header-malformed"],
  ["another scheme's name", `ts=${time};h2=${right}`, "header-malformed"],
  ["a hundred signatures", `ts=${time}${`;h1=${right}`.repeat(100)}`, "header-malformed"],
  ["a time as text", `ts=2023-11-14T22:13:20Z;h1=${right}`, "timestamp-malformed"],
  ["a time with letters behind it", `ts=${time}abc;h1=${right}`, "timestamp-malformed"],
  ["milliseconds", `ts=${time}000;h1=${right}`, "timestamp-malformed"],
  ["another time", `ts=${time + 1};h1=${right}`, "signature-mismatch"],
] as const)("refuses: %s", (_, header, rejection) => {
  expect(verify(header)).toEqual({ verified: false, rejection });
});

test.each([
  ["", "does not begin with pdl_ntfset_"],
  ["whsec_0123456789abcdef", "does not begin with pdl_ntfset_"],
  ["pdl_ntfset_short", "is shorter than 16 characters after pdl_ntfset_"],
  ["pdl_ntfset_0123456789 abcdefg", "holds spaces or characters beyond ASCII"],
])("a secret that cannot be right is refused: %s", (unfit, unusable) => {
  expect(paddle.parseKey(unfit)).toEqual({ unusable });
});

test("the event is named by its own id, not by the notification's, and answered with 200", () => {
  const event = { event_id: "evt_1", event_type: "payout.paid", notification_id: "ntf_1", id: "x" };
  const named = paddle.identify({ body: Buffer.from(JSON.stringify(event)), header: () => "" });
  expect(named).toEqual({ eventId: "evt_1", eventType: "payout.paid" });
  expect(paddle.ack.status).toBe(200);
});

function sign(now: Date): string {
  return paddle.sign({ key, body, now, eventId: "" })!.headers["paddle-signature"]!;
}

function verify(header: string | undefined) {
  const request = { body, header: () => header };
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  return paddle.verify(request, { keys, now: new Date(time * 1000), toleranceMs: 300_000 });
}
