import { expect, test } from "vitest";
import { readPayload } from "./payload.ts";

test.each<[string, unknown, string]>([
  ["text", "card_declined", "card_declined"],
  ["256 characters long", "c".repeat(256), "c".repeat(255)],
  ["256 pairs of surrogates long", "😀".repeat(256), "😀".repeat(255)],
  ["with a tab and a line feed", " card\t\ndeclined ", "card declined"],
  ["with NUL", "card\u0000", "card"],
  ["half a surrogate", "\ud800", "\ufffd"],
  ["a number", 51, ""],
  ["an object", { code: "x" }, ""],
  ["null", null, ""],
  ["absent", undefined, ""],
])("a remark that is %s can be kept", (_, written, kept) => {
  expect(payloadOf({ code: written }).remarkIfAny("code")).toBe(kept);
});

test.each([
  ["true", '"true"'],
  [1, "1"],
])("a flag is true or false and not %j", (written, shown) => {
  expect(payloadOf({ captured: false }).flag("captured")).toBe(false);
  expect(() => payloadOf({ captured: written }).flag("captured")).toThrow(
    `captured must be true or false, got ${shown}`,
  );
});

function payloadOf(json: object) {
  return readPayload(Buffer.from(JSON.stringify(json)));
}
