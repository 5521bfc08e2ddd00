// What the ledger can keep: texts that a Postgres column holds unchanged, and times that both
// protobuf and Postgres know. The schema's rules do not say so, hence it is asked here.

import type { Time } from "./rules/books.ts";

export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

/** Years 1 to 9999, as google.protobuf.Timestamp allows. */
export function isTime({ seconds, nanos }: Time): boolean {
  return seconds >= secondsMin && seconds <= secondsMax && nanos >= 0 && nanos <= 999_999_999;
}
