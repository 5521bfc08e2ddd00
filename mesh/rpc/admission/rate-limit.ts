// A token bucket: so many calls a second in the long run, so many at once.

import type { Rate } from "../../identity/access.ts";

/** What is left of a rate. The rate itself may change from call to call. */
export type Bucket = { readonly tokens: number; readonly atMs: number };

export type Taken =
  | { readonly allowed: true; readonly bucket: Bucket }
  /** How long until a call is allowed again. */
  | { readonly allowed: false; readonly bucket: Bucket; readonly waitMs: number };

/** What is earned in fractions adds up to a little less than it should. */
const whole = 1 - 1e-9;

/** A caller that was never seen has its whole burst. */
export function takeToken(bucket: Bucket | undefined, rate: Rate, nowMs: number): Taken {
  const { perSecond, burst } = rate;
  const { tokens, atMs } = bucket ?? { tokens: burst, atMs: nowMs };
  const earned = (Math.max(0, nowMs - atMs) * perSecond) / 1_000;
  const filled = Math.min(burst, tokens + earned);
  if (filled >= whole) {
    return { allowed: true, bucket: { tokens: Math.max(0, filled - 1), atMs: nowMs } };
  }
  const waitMs = ((1 - filled) * 1_000) / perSecond;
  return { allowed: false, bucket: { tokens: filled, atMs: nowMs }, waitMs };
}
