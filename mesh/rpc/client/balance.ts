// Which of two endpoints gets a call: the one whose calls take less time, times the calls it
// already has (Peak EWMA, power of two choices). Two chosen at random are compared, because the
// best of all would be everybody's best at the same moment. Without clock, random or network.

export type Load = {
  /** Calls under way. */
  readonly inFlight: number;
  /** How long a call takes there; undefined: nobody knows yet. */
  readonly latencyMs: number | undefined;
  /** When that was last observed. */
  readonly observedAt: number;
};

/** How fast the past is forgotten. */
const decayMs = 5_000;

/** A slower call counts at once, a faster one by and by: what became slow is left alone first. */
export function observeLatency(
  { latencyMs, observedAt }: Load,
  observedMs: number,
  now: number,
): number {
  if (latencyMs === undefined) return observedMs;
  const kept = keptShare(now - observedAt);
  return Math.max(observedMs, latencyMs * kept + observedMs * (1 - kept));
}

/**
 * With time an endpoint seems faster than it was, until somebody looks again: one that was slow
 * once must not be left alone for good. Unknown ones are taken to be as fast as the other.
 */
export function isLighter(one: Load, other: Load, now: number): boolean {
  const oneMs = expectedMs(one, now) ?? expectedMs(other, now) ?? 1;
  const otherMs = expectedMs(other, now) ?? oneMs;
  return oneMs * (one.inFlight + 1) < otherMs * (other.inFlight + 1);
}

export function lighterOfTwo<L extends Load>(
  loads: readonly L[],
  now: number,
  random: () => number,
): L | undefined {
  if (loads.length < 2) return loads[0];
  const first = Math.floor(random() * loads.length);
  const second = (first + 1 + Math.floor(random() * (loads.length - 1))) % loads.length;
  const [one, other] = [loads[first], loads[second]];
  if (one === undefined || other === undefined) return one ?? other;
  return isLighter(other, one, now) ? other : one;
}

function expectedMs({ latencyMs, observedAt }: Load, now: number): number | undefined {
  return latencyMs === undefined ? undefined : latencyMs * keptShare(now - observedAt);
}

function keptShare(sinceMs: number): number {
  return Math.exp(-Math.max(0, sinceMs) / decayMs);
}
