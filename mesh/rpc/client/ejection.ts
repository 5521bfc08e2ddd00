// The circuit breaker, one an endpoint: who fails while others answer is left alone for a while,
// each time longer, and comes back with a single call. Without clock, random or network.
//
// Never more than a share of the endpoints is ejected for what became of their calls, so one
// endpoint alone never is: failing fast would turn half an outage into a whole one, for as long as
// our judgement lasts. What protects a lone server is its own load shedding, the retry budget, and
// that a connection which failed is not tried again at once.

export type EjectionPolicy = {
  /** So many failures without an answer between them. */
  readonly failuresInRow: number;
  /** Or this share of at least so many calls within the window. */
  readonly failedShare: number;
  readonly callsMin: number;
  readonly windowMs: number;
  /** How long the first time; doubled each time until the endpoint did well for `ejectMsMax`. */
  readonly ejectMsMin: number;
  readonly ejectMsMax: number;
  /** Most endpoints ejected at once, as a share of all, rounded down. */
  readonly shareMax: number;
  /**
   * How long one to which no connection can be made, whatever share that is: there is no judgement
   * to err in, no caller waits for the next try, and in a rollout the next server stops as soon as
   * this one is back.
   */
  readonly unreachableMsMin: number;
  readonly unreachableMsMax: number;
};

export const ejectionDefaults: EjectionPolicy = {
  failuresInRow: 5,
  failedShare: 0.5,
  callsMin: 20,
  windowMs: 10_000,
  ejectMsMin: 1_000,
  ejectMsMax: 60_000,
  shareMax: 0.5,
  unreachableMsMin: 50,
  unreachableMsMax: 200,
};

export type EjectionCause = "failing" | "unreachable";

/** What is remembered of an endpoint. */
export type Standing = {
  readonly failuresInRow: number;
  readonly windowStartedAt: number;
  readonly calls: number;
  readonly failures: number;
  /** Undefined: it is not ejected. */
  readonly ejectedUntil: number | undefined;
  readonly ejectedFor: EjectionCause | undefined;
  /** Ejections without a good while between them. */
  readonly ejections: number;
  readonly returnedAt: number;
};

export function newStanding(now: number): Standing {
  return {
    failuresInRow: 0,
    windowStartedAt: now,
    calls: 0,
    failures: 0,
    ejectedUntil: undefined,
    ejectedFor: undefined,
    ejections: 0,
    returnedAt: now,
  };
}

export function afterCall(
  standing: Standing,
  failed: boolean,
  now: number,
  { windowMs }: EjectionPolicy,
): Standing {
  const isOver = now - standing.windowStartedAt >= windowMs;
  const { calls, failures } = isOver ? { calls: 0, failures: 0 } : standing;
  return {
    ...standing,
    failuresInRow: failed ? standing.failuresInRow + 1 : 0,
    windowStartedAt: isOver ? now : standing.windowStartedAt,
    calls: calls + 1,
    failures: failures + (failed ? 1 : 0),
  };
}

export function isOutlier(standing: Standing, policy: EjectionPolicy): boolean {
  const { failuresInRow, calls, failures } = standing;
  if (failuresInRow >= policy.failuresInRow) return true;
  return calls >= policy.callsMin && failures >= calls * policy.failedShare;
}

export function mayEject(
  ejected: number,
  endpoints: number,
  { shareMax }: EjectionPolicy,
): boolean {
  return ejected + 1 <= Math.floor(endpoints * shareMax);
}

/** Clients that judged together do not come back together: up to a quarter longer. */
export function eject(
  standing: Standing,
  cause: EjectionCause,
  now: number,
  policy: EjectionPolicy,
  random: () => number,
): Standing {
  const { ejectMsMin, ejectMsMax, unreachableMsMin, unreachableMsMax } = policy;
  const isWell = standing.ejectedUntil === undefined;
  const isForgotten = isWell && now - standing.returnedAt > ejectMsMax;
  const ejections = isForgotten ? 0 : standing.ejections;
  const [msMin, msMax] =
    cause === "failing" ? [ejectMsMin, ejectMsMax] : [unreachableMsMin, unreachableMsMax];
  const ejectedUntil = now + Math.min(msMax, msMin * 2 ** ejections) * (1 + random() / 4);
  return { ...newStanding(now), ejectedUntil, ejectedFor: cause, ejections: ejections + 1 };
}

/** Its time is over: one call may look whether it does well again. */
export function isProbeDue({ ejectedUntil }: Standing, now: number): boolean {
  return ejectedUntil !== undefined && now >= ejectedUntil;
}

export function comeBack({ ejections }: Standing, now: number): Standing {
  return { ...newStanding(now), ejections };
}
