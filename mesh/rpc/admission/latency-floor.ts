// How long a method takes at best, lately: what a call that has less time left cannot get, and what
// a slow call is measured against.

export type LatencyFloor = {
  readonly add: (latencyMs: number, nowMs: number) => void;
  /** Undefined until enough calls were seen, and again when none were seen for long. */
  readonly bestMs: (nowMs: number) => number | undefined;
};

const periodMs = 10_000;
const callsMin = 20;

/** The smallest of the running period and the one before it: what was long ago is forgotten. */
export function createLatencyFloor(): LatencyFloor {
  let current = emptyPeriod(Number.NEGATIVE_INFINITY);
  let before = current;

  function turn(nowMs: number): void {
    if (nowMs - current.sinceMs < periodMs) return;
    const isNext = nowMs - current.sinceMs < 2 * periodMs;
    before = isNext ? current : emptyPeriod(nowMs);
    current = emptyPeriod(nowMs);
  }

  return {
    add(latencyMs, nowMs) {
      turn(nowMs);
      current.calls += 1;
      if (latencyMs < current.bestMs) current.bestMs = latencyMs;
    },
    bestMs(nowMs) {
      turn(nowMs);
      if (current.calls + before.calls < callsMin) return undefined;
      return Math.min(current.bestMs, before.bestMs);
    },
  };
}

function emptyPeriod(sinceMs: number) {
  return { sinceMs, calls: 0, bestMs: Number.POSITIVE_INFINITY };
}
