import { expect, test } from "vitest";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { webhookWith } from "../testing/webhooks.ts";
import { normalise } from "./normalise.ts";
import { readPayload } from "./payload.ts";

test.each<[string, string, string]>([
  ["invalid UTF-8", '{"id":"\xff"}', "the body is not JSON: not valid UTF-8 at offset 0"],
  ["no JSON", "paid!", "the body is not JSON: expected a value at offset 0"],
  ["an array", "[]", "the body is not a JSON object"],
  ["a duplicate name", '{"type":"a","type":"b"}', 'the body names "type" twice'],
  [
    "a duplicate name inside",
    '{"type":"a","data":{"object":{"id":"1","id":"2"}}}',
    'the body names "data.object.id" twice',
  ],
  ["no type", "{}", "type is missing"],
  ["a type that is a number", '{"type":1}', "type must be text of up to 255 characters, got 1"],
])("a body with %s is malformed", (_, body, detail) => {
  const bytes = Buffer.from(body, "latin1");
  expect(normalise(webhookWith(bytes))).toEqual({
    kind: "dead",
    reason: DeadLetterReason.PAYLOAD_MALFORMED,
    detail,
  });
});

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
