import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliveryFlag } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { outcomeOf, webhookWith } from "../testing/webhooks.ts";
import { judgeBody, losesDigits } from "./judge-body.ts";
import { scannedBytesMax } from "./scan-body.ts";

const { DUPLICATE_KEYS, UNSAFE_NUMBERS, TOO_DEEP, INVALID_UTF8, NOT_JSON } = DeliveryFlag;

test.each<[string, string | Buffer, DeliveryFlag[]]>([
  ["a plain event", '{"id":"evt_1","amount":4900,"rate":0.1}', []],
  ["a name twice", '{"a":1,"b":{"c":1,"c":2}}', [DUPLICATE_KEYS]],
  ["a name twice, once escaped", '{"a":1,"\\u0061":2}', [DUPLICATE_KEYS]],
  ["a number beyond 2^53", '{"a":[9007199254740993]}', [UNSAFE_NUMBERS]],
  ["both", '{"a":1,"a":12345678901234567890}', [DUPLICATE_KEYS, UNSAFE_NUMBERS]],
  ["64 levels", `${"[".repeat(64)}${"]".repeat(64)}`, []],
  ["65 levels", `${"[".repeat(65)}${"]".repeat(65)}`, [TOO_DEEP]],
  ["bytes that are no UTF-8", Buffer.from('{"a":"\xff"}', "latin1"), [INVALID_UTF8]],
  ["a byte order mark", '\ufeff{"a":1}', [NOT_JSON]],
  ["text", "paid!", [NOT_JSON]],
  ["nothing", "", [NOT_JSON]],
  ["half a document", '{"a":', [NOT_JSON]],
])("%s", (_, body, flags) => {
  expect(judgeBody(webhookWith(body))).toEqual(flags);
});

test("a form is not judged as JSON", () => {
  const contentType = "application/x-www-form-urlencoded";
  expect(judgeBody(webhookWith("id=tr_1", { contentType }))).toEqual([]);
});

test.each([
  ["9007199254740992", false],
  ["9007199254740993", true],
  ["-9007199254740993", true],
  ["9007199254740994", false],
  ["1e400", true],
  ["1e-400", true],
  ["0.1", false],
  ["0.10000000000000001", true],
  ["100000000000000000000000", false],
  ["1.50e3", false],
  ["0.000e5", false],
  ["-0", false],
])("%s loses digits: %s", (text, lost) => {
  expect(losesDigits(text)).toBe(lost);
});

test("what a program writes from its own floats loses nothing", () => {
  const floats = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(fc.property(floats, (float) => !losesDigits(String(float))));
});

test("a number of many zeros is judged in one pass", () => {
  const zeros = "0".repeat(500_000);
  expect(losesDigits(`1.${zeros}1`)).toBe(true);
  expect(losesDigits(`1.${zeros}`)).toBe(false);
});

test("a body beyond what is read is flagged and not read, and kept or given up all the same", () => {
  const list = (length: number) => `{"a":"${"x".repeat(length - 8)}"}`;
  expect(judgeBody(webhookWith(list(scannedBytesMax)))).toEqual([]);
  const longer = list(scannedBytesMax + 1);
  expect(judgeBody(webhookWith(longer))).toEqual([DeliveryFlag.TOO_LARGE]);
  expect(outcomeOf(webhookWith(longer, { provider: "github" }))).toMatchObject({ kind: "kept" });
  expect(outcomeOf(webhookWith(longer))).toMatchObject({
    kind: "dead",
    detail: `the body is longer than the ${scannedBytesMax} bytes that are read`,
  });
});
