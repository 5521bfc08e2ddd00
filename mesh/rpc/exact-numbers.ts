// Whether a number in JSON is written exactly. The decoder takes 9007199254740993, "0x10" and 1e2
// for an int64 without a word, and what it then holds is not what was written.

import { ScalarType } from "@bufbuild/protobuf";

/** What is wrong with a 64-bit number; undefined for an exact one, and for any other scalar. */
export function inexactness(
  scalar: ScalarType,
  text: string,
  kind: "number" | "string",
): string | undefined {
  const range = ranges.get(scalar);
  if (range === undefined) return undefined;
  if (!wholeNumber.test(text)) {
    return `must be a whole number in plain digits, got ${shortened(text)}`;
  }
  const value = text.length <= digitsMax ? BigInt(text) : undefined;
  if (value === undefined || value < range.min || value > range.max) {
    return `must be from ${range.min} to ${range.max}, got ${shortened(text)}`;
  }
  const isSafe = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
  if (kind === "number" && !isSafe) {
    return `must be written as a string beyond 2^53-1, got the number ${text}`;
  }
  return undefined;
}

const wholeNumber = /^-?(0|[1-9][0-9]*)$/;
/** Longest whole number of 64 bits: -9223372036854775808. */
const digitsMax = 20;

function shortened(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

type Range = { readonly min: bigint; readonly max: bigint };
const signed: Range = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const unsigned: Range = { min: 0n, max: 2n ** 64n - 1n };

const ranges: ReadonlyMap<ScalarType, Range> = new Map([
  [ScalarType.INT64, signed],
  [ScalarType.SINT64, signed],
  [ScalarType.SFIXED64, signed],
  [ScalarType.UINT64, unsigned],
  [ScalarType.FIXED64, unsigned],
]);
