// Values on their way out of a row. What Postgres can say more exactly than JavaScript stays exact:
// a bigint is a bigint, a numeric a text. A type that is not named here is left as its text.

import assert from "node:assert/strict";
import { types } from "pg";

type Parse = (text: string) => unknown;

/** By the number that Postgres gives a type, beside that of its array. */
const scalars: readonly (readonly [type: number, arrayType: number, parse: Parse])[] = [
  [16, 1000, (text) => text === "t"],
  [17, 1001, bytesOf],
  [20, 1016, BigInt],
  [21, 1005, Number],
  [23, 1007, Number],
  [19, 1003, textOf],
  [25, 1009, textOf],
  [26, 1028, Number],
  [114, 199, JSON.parse],
  [700, 1021, Number],
  [701, 1022, Number],
  [1042, 1014, textOf],
  [1043, 1015, textOf],
  [1184, 1185, timeOf],
  [1700, 1231, textOf],
  [2950, 2951, textOf],
  [3802, 3807, JSON.parse],
];

const parsers = new Map<number, Parse>(
  scalars.flatMap(([type, arrayType, parse]): [number, Parse][] => [
    [type, (text) => parse(text)],
    [arrayType, (text) => elementsOf(text, parse)],
  ]),
);

export function getTypeParser(type: number): Parse {
  return parsers.get(type) ?? textOf;
}

const textArray: number = 1009;
const parseTexts: Parse = types.getTypeParser(textArray);

function elementsOf(text: string, parse: Parse): unknown {
  const deep = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(deep);
    return value === null ? null : parse(value as string);
  };
  return deep(parseTexts(text));
}

function textOf(text: string): string {
  return text;
}

function bytesOf(text: string): Buffer {
  assert(text.startsWith("\\x"), "bytea is not in hex; set bytea_output = hex");
  return Buffer.from(text.slice(2), "hex");
}

const timePattern =
  /^(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;

/** What is finer than a millisecond is cut off. */
function timeOf(text: string): Date {
  const found = timePattern.exec(text);
  assert(found, `the time ${text} is none that a Date can hold`);
  const part = (place: number) => Number(found[place] ?? 0);
  const millis = Number((found[7] ?? "").slice(0, 3).padEnd(3, "0"));
  const time = new Date(0);
  time.setUTCFullYear(part(1), part(2) - 1, part(3));
  time.setUTCHours(part(4), part(5), part(6), millis);
  const offsetMs = ((part(9) * 60 + part(10)) * 60 + part(11)) * 1_000;
  return new Date(time.getTime() - (found[8] === "-" ? -offsetMs : offsetMs));
}
