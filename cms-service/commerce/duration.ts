// Durations of the wire as whole seconds: what an order keeps and the clock is asked with.

import type { Duration } from "@bufbuild/protobuf/wkt";

/** Null: unset. */
export function secondsOf(duration: Duration | undefined): bigint | null {
  return duration?.seconds ?? null;
}

export function durationOf(seconds: bigint) {
  return { seconds };
}
