// Columns as array literals for `unnest`. One literal a column is cheaper to send and to parse than
// a parameter a value, and than the driver's own arrays.

import type { Time } from "../rules/records.ts";

/** Many columns hold one number in every row: it is written out once. */
export function bigints(values: Iterable<bigint | undefined>): string {
  let list = "";
  let last: bigint | undefined;
  let text = "NULL";
  for (const value of values) {
    if (value !== last) {
      last = value;
      text = value === undefined ? "NULL" : value.toString();
    }
    list += list === "" ? text : `,${text}`;
  }
  return `{${list}}`;
}

export function integers(values: Iterable<number>): string {
  return `{${Array.from(values).join(",")}}`;
}

export function texts(values: Iterable<string | undefined>): string {
  const written = Array.from(values, (value) => (value === undefined ? "NULL" : quoted(value)));
  return `{${written.join(",")}}`;
}

export function bytes(values: Iterable<Uint8Array>): string {
  return `{${Array.from(values, (value) => `"\\\\x${hex(value)}"`).join(",")}}`;
}

export function times(values: Iterable<Time | undefined>): string {
  return `{${Array.from(values, (value) => (value ? timeText(value) : "NULL")).join(",")}}`;
}

/** Postgres keeps microseconds; the journal keeps what was said. */
export function timeText({ seconds, nanos }: Time): string {
  const micros = String(Math.trunc(nanos / 1_000)).padStart(6, "0");
  return `${secondText(seconds)}${micros}Z`;
}

/** The rows of a batch share their seconds. */
const latest = { seconds: 0n, text: "1970-01-01T00:00:00." };

function secondText(seconds: bigint): string {
  if (latest.seconds !== seconds) {
    latest.text = new Date(Number(seconds) * 1_000).toISOString().slice(0, -4);
    latest.seconds = seconds;
  }
  return latest.text;
}

export function timeOfMicros(micros: bigint): Time {
  // Before 1970 too, the part behind the second counts forwards.
  const within = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return { seconds: (micros - within) / 1_000_000n, nanos: Number(within) * 1_000 };
}

function quoted(text: string): string {
  return /["\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, "\\$&")}"` : `"${text}"`;
}

function hex(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
}
