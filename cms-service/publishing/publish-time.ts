// A publish time from the wire. Years that no clock of ours can say are as far
// away as a time can be, and are refused as that.

import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** The year 9999, and the year 1. */
const msMax = 253_402_300_799_999;
const msMin = -62_135_596_800_000;

/** To the millisecond; what is finer is cut off. */
export function timeOf({ seconds, nanos }: Timestamp): Date {
  const ms = Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000);
  return new Date(Math.min(msMax, Math.max(msMin, ms)));
}
