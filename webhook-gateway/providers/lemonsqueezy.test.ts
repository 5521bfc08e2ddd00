import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { requestOf, verifyWith } from "../testing/requests.ts";
import { lemonSqueezy } from "./lemonsqueezy.ts";

const secret = "0123456789abcdef";
const body = '{"meta":{"event_name":"order_created"},"data":{"type":"orders","id":"1"}}';
const mac = createHmac("sha256", secret).update(body).digest("hex");
const check = (written?: string) =>
  verifyWith(lemonSqueezy, secret, body, { "x-signature": written });

test("a signature made from the documentation verifies; the answer is exactly 200", () => {
  expect(check(mac)).toMatchObject({ verified: true, signedTime: undefined });
  expect(lemonSqueezy.ack.status).toBe(200);
});

test.each([
  ["no header", undefined, "header-missing"],
  ["a truncated signature", mac.slice(0, -2), "header-malformed"],
  ["capitals", mac.toUpperCase(), "header-malformed"],
  ["two joined headers", `${mac}, ${mac}`, "header-malformed"],
  ["zeros", "0".repeat(64), "signature-mismatch"],
])("refuses: %s", (_, written, rejection) => {
  expect(check(written)).toEqual({ verified: false, rejection });
});

test("the type is the signed one, whatever the header says", () => {
  const headers = { "x-event-name": "order_refunded" };
  expect(lemonSqueezy.identify(requestOf(body, headers))).toEqual({
    eventId: "",
    eventType: "order_created",
    unsignedEventType: "order_refunded",
  });
});

test.each(["", "short"])("an unfit secret is refused: %j", (unfit) => {
  expect(lemonSqueezy.parseKey(unfit)).toHaveProperty("unusable");
});
