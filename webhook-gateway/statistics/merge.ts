// What one process saw of an endpoint since its last flush, and how that goes into the row which
// all processes share. Pure. Processes flush at different times, so an acknowledgement of one may
// be older than failures that another has told already: only failures after the last
// acknowledgement count in a row, and where that falls between the first and the last of them, at
// least the last does. So the count is exact to within one flush.

export type StateDelta = {
  readonly endpointId: string;
  readonly lastAckedAt: Date | null;
  readonly lastFailedAt: Date | null;
  /** Since this process' last acknowledgement, or since the last flush. */
  readonly failures: number;
  /** The first of these. */
  readonly failingSince: Date | null;
};

export type EndpointState = {
  readonly lastAckedAt: Date | null;
  readonly lastFailedAt: Date | null;
  readonly failuresInARow: number;
  readonly failingSince: Date | null;
};

export const stateAtFirst: EndpointState = {
  lastAckedAt: null,
  lastFailedAt: null,
  failuresInARow: 0,
  failingSince: null,
};

export function mergeState(state: EndpointState, delta: StateDelta): EndpointState {
  const lastAckedAt = later(state.lastAckedAt, delta.lastAckedAt);
  const known = after(lastAckedAt, {
    count: state.failuresInARow,
    since: state.failingSince,
    until: state.lastFailedAt,
  });
  const told = after(lastAckedAt, {
    count: delta.failures,
    since: delta.failingSince,
    until: delta.lastFailedAt,
  });
  return {
    lastAckedAt,
    lastFailedAt: later(state.lastFailedAt, delta.lastFailedAt),
    failuresInARow: known.count + told.count,
    failingSince: earlier(known.since, told.since),
  };
}

type Run = { readonly count: number; readonly since: Date | null; readonly until: Date | null };

const none: Run = { count: 0, since: null, until: null };

function after(ackedAt: Date | null, run: Run): Run {
  const { count, since, until } = run;
  if (count === 0 || since === null || until === null) return none;
  if (ackedAt === null || ackedAt < since) return run;
  return ackedAt >= until ? none : { count: 1, since: until, until };
}

function later(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}

function earlier(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
