import { createHmac } from "node:crypto";
import { WebhookSignatureValidator } from "mercadopago";
import { expect, test } from "vitest";
import { mercadoPago } from "./mercadopago.ts";
import { fingerprintOf } from "./signature.ts";

const secret = "mercadopago-secret-0123";
const key = Buffer.from(secret);
const now = new Date(1_700_000_000_000);
const body = Buffer.from('{"id":1,"action":"payment.updated","data":{"id":"123456"}}');
const signed = mercadoPago.sign({ key, body, now, eventId: "req-1" })!;
const signature = signed.headers["x-signature"]!;

test("a fixed vector verifies", () => {
  expect(signature).toBe(
    "ts=1700000000,v1=6fcce87f4291258ac5d252f7c7a6bbd7b015c383cbda16e0a5890ea07df6b0ad",
  );
  expect(verify({})).toMatchObject({ verified: true, signedTime: now });
});

test("what is signed here verifies with the SDK", () => {
  const validate = (dataId: string) =>
    WebhookSignatureValidator.validate({
      xSignature: signature,
      xRequestId: "req-1",
      dataId,
      secret,
    });
  validate("123456");
  expect(() => validate("123457")).toThrow("SignatureMismatch");
});

test("the body is not signed: another one verifies, and identifies nothing", () => {
  const other = Buffer.from('{"id":2,"data":{"id":"999"}}');
  expect(verify({ body: other })).toMatchObject({ verified: true });
  const request = { body: other, header: (name: string) => signed.headers[name] };
  const query = new URLSearchParams(signed.query);
  expect(mercadoPago.identify({ ...request, query })).toMatchObject({ eventId: "123456/req-1" });
});

test("a time in milliseconds is read as one; the SDK takes it for seconds and refuses it", () => {
  const ms = String(now.getTime());
  const ours = signedWith(`id:123456;request-id:req-1;ts:${ms};`, ms);
  expect(verify({ signature: ours })).toMatchObject({ verified: true, signedTime: now });
  const validate = () =>
    WebhookSignatureValidator.validate({
      xSignature: ours,
      xRequestId: "req-1",
      dataId: "123456",
      secret,
      toleranceSeconds: 300,
      now: () => now.getTime(),
    });
  expect(validate).toThrow("TimestampOutOfTolerance");
});

test("an id in capitals may be signed in lower case", () => {
  const ours = signedWith("id:abc;request-id:req-1;ts:1700000000;", "1700000000");
  expect(verify({ signature: ours, query: "data.id=ABC" })).toMatchObject({ verified: true });
});

test.each([
  ["no header", { signature: "" }, "header-missing"],
  ["no id", { query: "" }, "header-malformed"],
  ["two ids", { query: "data.id=123456&data.id=123456" }, "header-malformed"],
  ["an id with a border in it", { query: "data.id=1;request-id:x" }, "header-malformed"],
  ["another id", { query: "data.id=123457" }, "signature-mismatch"],
  ["another request", { requestId: "req-2" }, "signature-mismatch"],
  ["two times", { signature: `ts=1700000000,${signature}` }, "header-malformed"],
  ["two signatures", { signature: `${signature},v1=${"0".repeat(64)}` }, "header-malformed"],
  ["a truncated signature", { signature: signature.slice(0, -1) }, "header-malformed"],
  [
    "a time with letters",
    { signature: signature.replace("1700000000", "17a") },
    "timestamp-malformed",
  ],
  [
    "five days ago",
    { signature: signature.replace("1700000000", "1699500000") },
    "timestamp-too-old",
  ],
  [
    "ahead of time",
    { signature: signature.replace("1700000000", "1700000400") },
    "timestamp-too-new",
  ],
])("refuses: %s", (_, over, rejection) => {
  expect(verify(over)).toEqual({ verified: false, rejection });
});

function signedWith(content: string, ts: string): string {
  return `ts=${ts},v1=${createHmac("sha256", key).update(content).digest("hex")}`;
}

type Over = { signature?: string; requestId?: string; query?: string; body?: Uint8Array };

function verify(over: Over) {
  const headers: Record<string, string> = {
    "x-signature": over.signature ?? signature,
    "x-request-id": over.requestId ?? "req-1",
  };
  const query = new URLSearchParams(over.query ?? signed.query);
  const request = { body: over.body ?? body, header: (name: string) => headers[name], query };
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  return mercadoPago.verify(request, { keys, now, toleranceMs: 300_000 });
}

test("an id in another case is the same event", () => {
  const idsOf = ["pay_a1", "PAY_A1"].map((id) => {
    const query = new URLSearchParams({ "data.id": id });
    const header = (name: string) => (name === "x-request-id" ? "req_1" : undefined);
    return mercadoPago.identify({ body: Buffer.from("{}"), header, query }).eventId;
  });
  expect(idsOf[0]).toBe(idsOf[1]);
});

test("without a request id the signed time tells one telling from another, and nothing else does", () => {
  const ours = signedWith("id:123456;ts:1700000000;", "1700000000");
  const [ts, v1] = ours.split(",");
  const query = new URLSearchParams("data.id=123456");
  const idsOf = [ours, `${v1},${ts}`, `v2=x,${ours}`, `${ts} ,${v1}`].map((written) => {
    expect(verify({ signature: written, requestId: "" })).toMatchObject({ verified: true });
    const header = (name: string) => (name === "x-signature" ? written : undefined);
    return mercadoPago.identify({ body, header, query }).eventId;
  });
  expect(new Set(idsOf)).toEqual(new Set(["123456/1700000000"]));
});
