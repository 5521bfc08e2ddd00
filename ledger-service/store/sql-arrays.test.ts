import { expect, test } from "vitest";
import { bigints, bytes, integers, texts, timeOfMicros, times, timeText } from "./sql-arrays.ts";

test("columns become array literals", () => {
  expect(bigints([1n, undefined, -(2n ** 63n)])).toBe("{1,NULL,-9223372036854775808}");
  expect(integers([1, 0])).toBe("{1,0}");
  expect(texts(["a", 'b"c', "d\\e", "NULL", ""])).toBe('{"a","b\\"c","d\\\\e","NULL",""}');
  expect(bytes([Uint8Array.of(0, 255), new Uint8Array()])).toBe('{"\\\\x00ff","\\\\x"}');
  expect(bigints([])).toBe("{}");
});

test.each([
  [{ seconds: 0n, nanos: 0 }, "1970-01-01T00:00:00.000000Z"],
  [{ seconds: 1_700_000_000n, nanos: 123_456_789 }, "2023-11-14T22:13:20.123456Z"],
  [{ seconds: -62_135_596_800n, nanos: 1_000 }, "0001-01-01T00:00:00.000001Z"],
  [{ seconds: 253_402_300_799n, nanos: 999_999_999 }, "9999-12-31T23:59:59.999999Z"],
])("%o is %s", (time, text) => {
  expect(timeText(time)).toBe(text);
  expect(times([time])).toBe(`{${text}}`);
});

test.each([0n, 1n, 1_700_000_000_123_456n, -1n, -1_000_001n])("%d µs survive", (micros) => {
  const { seconds, nanos } = timeOfMicros(micros);
  expect(nanos).toBeGreaterThanOrEqual(0);
  expect(seconds * 1_000_000n + BigInt(nanos / 1_000)).toBe(micros);
});
