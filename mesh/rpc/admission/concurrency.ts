// How many calls a process serves at once. The limit follows how long they take against how long
// they may: it falls while most take longer, the further the more, and rises again while they do
// not. Under it each rate class has its share, so that what may wait is refused first.

import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";

export type ConcurrencyBounds = { readonly min: number; readonly max: number };

export type Concurrency = {
  /** Calls under way. */
  readonly count: () => number;
  readonly limit: () => number;
  /** Takes a place; false when the class has none left. */
  readonly enter: (rateClass: RateClass) => boolean;
  /** Gives the place back and says how the call went; what was not measured changes no limit. */
  readonly leave: (call: LeavingCall | undefined, nowMs: number) => void;
};

export type LeavingCall = {
  readonly startedAtMs: number;
  /** The time it took as a part of the time it may take: above 1 it was slow. */
  readonly slowness: number;
};

/**
 * Part of the limit that may be in use when a call of the class comes. The limit falls by half at
 * most: what BULK had filled by then still leaves CRITICAL its places.
 */
const shares: Readonly<Record<number, number>> = {
  [RateClass.CRITICAL]: 1,
  [RateClass.INTERACTIVE]: 0.8,
  [RateClass.BULK]: 0.5,
};

const windowMs = 100;
const windowCallsMin = 8;
const slowShareMax = 0.5;
const decreases = { most: 0.5, least: 0.95 } as const;
const increase = 1.1;
/** One call that hung tells no more than one that was a few times too slow. */
const slownessMax = 4;
/** The limit grows only where it was nearly reached: an idle process learns nothing. */
const usedShareMin = 0.5;

/** It starts at the top: whoever is not slow needs no limit. */
export function createConcurrency({ min, max }: ConcurrencyBounds): Concurrency {
  let limit = max;
  let count = 0;
  let window: Window = emptyWindow(0);

  return {
    count: () => count,
    limit: () => limit,
    enter(rateClass) {
      if (!mayEnter(rateClass, count, limit)) {
        window.peak = Math.max(window.peak, limit);
        return false;
      }
      count += 1;
      if (count > window.peak) window.peak = count;
      return true;
    },
    leave(call, nowMs) {
      count -= 1;
      // Calls that began before the limit fell, or while it had yet to take effect, say nothing.
      if (count > limit) window.limitSinceMs = nowMs;
      if (call === undefined || call.startedAtMs < window.limitSinceMs) return;
      window.calls += 1;
      window.slowness += Math.min(slownessMax, call.slowness);
      if (call.slowness > 1) window.slow += 1;
      if (nowMs - window.sinceMs < windowMs || window.calls < windowCallsMin) return;
      const next = nextLimit(limit, window, { min, max });
      window = emptyWindow(nowMs, next < limit ? nowMs : window.limitSinceMs, count);
      limit = next;
    },
  };
}

export function mayEnter(rateClass: RateClass, count: number, limit: number): boolean {
  // At least one of each class: a process that serves nothing never learns that it is well again.
  return count < Math.max(1, Math.floor(limit * (shares[rateClass] ?? 0)));
}

type Window = {
  readonly sinceMs: number;
  limitSinceMs: number;
  calls: number;
  slow: number;
  /** Of all calls together. */
  slowness: number;
  /** Most calls at once. */
  peak: number;
};

function emptyWindow(sinceMs: number, limitSinceMs = 0, peak = 0): Window {
  return { sinceMs, limitSinceMs, calls: 0, slow: 0, slowness: 0, peak };
}

export function nextLimit(
  limit: number,
  { calls, slow, slowness, peak }: Pick<Window, "calls" | "slow" | "slowness" | "peak">,
  { min, max }: ConcurrencyBounds,
): number {
  if (slow / calls > slowShareMax) {
    // What was slow is what was under way, however much more would have been allowed.
    const { most, least } = decreases;
    const decrease = Math.min(least, Math.max(most, calls / slowness));
    return Math.max(min, Math.floor(Math.min(limit, peak) * decrease));
  }
  if (peak < limit * usedShareMin) return limit;
  return Math.min(max, Math.max(limit + 1, Math.floor(limit * increase)));
}
