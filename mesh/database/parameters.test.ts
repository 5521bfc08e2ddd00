import { expect, test } from "vitest";
import { parameterOf } from "./parameters.ts";

test.each<[unknown, unknown]>([
  [null, null],
  ["text", "text"],
  [1.5, "1.5"],
  [-(2n ** 63n), "-9223372036854775808"],
  [false, "false"],
  [new Date(1), "1970-01-01T00:00:00.001Z"],
  [Uint8Array.of(0, 255), Buffer.of(0, 255)],
  [{ a: [1] }, '{"a":[1]}'],
  [[], "{}"],
  [[1n, null, 2n], "{1,NULL,2}"],
  [["a", 'b"c', "d\\e", "NULL", "", "{,}", null], '{"a","b\\"c","d\\\\e","NULL","","{,}",NULL}'],
  [[true, new Date(0)], '{"true","1970-01-01T00:00:00.000Z"}'],
  [[Buffer.of(1), null, new Uint8Array()], '{"\\\\x01",NULL,"\\\\x"}'],
  [[[1, 2], [3]], "{{1,2},{3}}"],
  [[{ a: '"' }], '{"{\\"a\\":\\"\\\\\\"\\"}"}'],
])("%o is sent as %o", (value, parameter) => {
  expect(parameterOf(value)).toEqual(parameter);
});

test("a view of a buffer is sent as what it shows", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  expect(parameterOf(bytes.subarray(1, 3))).toEqual(Buffer.of(2, 3));
});

test.each([
  [undefined, /is undefined/],
  [["a", undefined], /is undefined/],
  [new Array(1), /is undefined/],
  [Symbol("s"), /is a symbol/],
  [() => 1, /is a function/],
  [new Date(Number.NaN), /invalid time/i],
])("%o is refused", (value, message) => {
  expect(() => parameterOf(value)).toThrow(message);
});
