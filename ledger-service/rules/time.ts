// Moments that both protobuf and Postgres know. The schema's rules do not say so, hence it is asked
// wherever a time comes in.

import type { Time } from "./records.ts";

const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

/** Years 1 to 9999, as google.protobuf.Timestamp allows. */
export function isTime({ seconds, nanos }: Time): boolean {
  return seconds >= secondsMin && seconds <= secondsMax && nanos >= 0 && nanos <= 999_999_999;
}

/** As Postgres keeps it. */
export function wholeMicros({ seconds, nanos }: Time): Time {
  return { seconds, nanos: nanos - (nanos % 1_000) };
}

export function isBefore(a: Time, b: Time): boolean {
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos);
}

/** Microseconds are the least that Postgres can tell apart. */
export function microsLater({ seconds, nanos }: Time, micros: number): Time {
  const later = nanos + micros * 1_000;
  if (later < 1_000_000_000) return { seconds, nanos: later };
  return { seconds: seconds + 1n, nanos: later - 1_000_000_000 };
}
