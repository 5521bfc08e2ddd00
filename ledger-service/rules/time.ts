// Moments that both protobuf and Postgres know. The schema's rules do not say so, hence it is asked
// wherever a time comes in.

import type { Time } from "./books.ts";

const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

/** Years 1 to 9999, as google.protobuf.Timestamp allows. */
export function isTime({ seconds, nanos }: Time): boolean {
  return seconds >= secondsMin && seconds <= secondsMax && nanos >= 0 && nanos <= 999_999_999;
}
