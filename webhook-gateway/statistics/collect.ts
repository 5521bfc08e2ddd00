// What one process' door took and refused, summed up in memory and told every few seconds. The door
// only adds to numbers; whoever writes them down may be away for as long as it likes, because the
// sums do not grow: endpoints, reasons and hours are bounded.

import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "#mesh/process/log.ts";
import type { StateDelta } from "./merge.ts";

export type HourDelta = {
  readonly endpointId: string;
  /** The beginning of the hour. */
  readonly hour: Date;
  readonly kind: "acked" | "duplicate" | "refused" | "not-durable";
  /** Why it was refused; empty for the other kinds. */
  readonly reason: string;
  readonly count: number;
};

/** Plain data: it may cross to another process before it is written. */
export type StatisticsDeltas = {
  readonly hours: readonly HourDelta[];
  readonly states: readonly StateDelta[];
};

export type StatisticsOptions = {
  /** Writes them down or throws; what it throws for is told again with what has come since. */
  readonly flush: (deltas: StatisticsDeltas) => Promise<void>;
  readonly log: Log;
  readonly flushMs?: number;
  readonly now?: () => Date;
};

export type Observed = {
  acked(endpointId: string, duplicate: boolean): void;
  refused(endpointId: string, reason: string): void;
  notDurable(endpointId: string): void;
};

/** Disposing tells what is left, once. */
export type Statistics = AsyncDisposable & {
  readonly observed: Observed;
  flushNow(): Promise<void>;
};

const flushMsDefault = 5_000;
const hourMs = 3_600_000;
/** As many as a configuration may have, twice. */
const endpointsMax = 2_000;
const reasonsMax = 32;
/** An outage of the database that is longer loses no count, only its hour. */
const hoursMax = 48;

export function createStatistics(options: StatisticsOptions): Statistics {
  const { flush, log, flushMs = flushMsDefault, now = () => new Date() } = options;
  let sums = createSums();
  const closing = new AbortController();

  async function flushNow(): Promise<void> {
    const telling = sums;
    if (telling.empty) return;
    sums = createSums();
    try {
      await flush(telling.deltas());
    } catch (error) {
      telling.absorb(sums);
      sums = telling;
      throw error;
    }
  }
  const keepFlushing = async () => {
    while (!closing.signal.aborted) {
      await sleep(flushMs, undefined, { signal: closing.signal, ref: false }).catch(() => {});
      await flushNow().catch((error: unknown) => {
        log.warn("statistics of endpoints cannot be written yet; they are kept", { error });
      });
    }
  };
  const flushing = keepFlushing();
  return {
    observed: {
      acked: (endpointId, duplicate) => sums.acked(endpointId, duplicate, now()),
      refused: (endpointId, reason) => sums.failed(endpointId, "refused", reason, now()),
      notDurable: (endpointId) => sums.failed(endpointId, "not-durable", "", now()),
    },
    flushNow,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await flushing;
    },
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Sum = {
  readonly state: Mutable<StateDelta>;
  readonly reasons: Set<string>;
  readonly hours: Map<string, Mutable<HourDelta>>;
};

function createSums() {
  const byEndpoint = new Map<string, Sum>();

  function sumOf(endpointId: string): Sum | undefined {
    const known = byEndpoint.get(endpointId);
    if (known || byEndpoint.size >= endpointsMax) return known;
    const nothing = { lastAckedAt: null, lastFailedAt: null, failures: 0, failingSince: null };
    const sum: Sum = { state: { endpointId, ...nothing }, reasons: new Set(), hours: new Map() };
    byEndpoint.set(endpointId, sum);
    return sum;
  }

  function add(sum: Sum, delta: Omit<HourDelta, "endpointId">): void {
    const { kind, count } = delta;
    const known = sum.reasons.has(delta.reason) || sum.reasons.size < reasonsMax;
    const reason = known ? delta.reason : "other";
    sum.reasons.add(reason);
    const keyAt = (hour: Date) => `${hour.getTime()} ${kind} ${reason}`;
    const last = sum.hours.values().toArray().at(-1)?.hour;
    const full = sum.hours.size >= hoursMax * (reasonsMax + 3);
    const hour = full && last && !sum.hours.has(keyAt(delta.hour)) ? last : delta.hour;
    const entry = sum.hours.get(keyAt(hour));
    if (entry) entry.count += count;
    else
      sum.hours.set(keyAt(hour), { endpointId: sum.state.endpointId, hour, kind, reason, count });
  }

  function absorbState(state: Mutable<StateDelta>, next: StateDelta): void {
    const acked = next.lastAckedAt !== null;
    state.lastAckedAt = next.lastAckedAt ?? state.lastAckedAt;
    state.lastFailedAt = next.lastFailedAt ?? state.lastFailedAt;
    state.failures = acked ? next.failures : state.failures + next.failures;
    state.failingSince = acked ? next.failingSince : (state.failingSince ?? next.failingSince);
  }

  return {
    get empty() {
      return byEndpoint.size === 0;
    },
    acked(endpointId: string, duplicate: boolean, at: Date): void {
      const sum = sumOf(endpointId);
      if (!sum) return;
      const hour = hourOf(at);
      add(sum, { hour, kind: "acked", reason: "", count: 1 });
      if (duplicate) add(sum, { hour, kind: "duplicate", reason: "", count: 1 });
      Object.assign(sum.state, { lastAckedAt: at, failures: 0, failingSince: null });
    },
    failed(endpointId: string, kind: "refused" | "not-durable", reason: string, at: Date): void {
      const sum = sumOf(endpointId);
      if (!sum) return;
      add(sum, { hour: hourOf(at), kind, reason, count: 1 });
      sum.state.lastFailedAt = at;
      sum.state.failures += 1;
      sum.state.failingSince ??= at;
    },
    deltas(): StatisticsDeltas {
      const all = [...byEndpoint.values()];
      return {
        hours: all.flatMap(({ hours }) => hours.values().toArray()),
        states: all.map(({ state }) => ({ ...state })),
      };
    },
    /** What has come since. */
    absorb(later: { deltas(): StatisticsDeltas }): void {
      const { hours, states } = later.deltas();
      for (const { endpointId, ...delta } of hours) {
        const sum = sumOf(endpointId);
        if (sum) add(sum, delta);
      }
      for (const state of states) {
        const sum = sumOf(state.endpointId);
        if (sum) absorbState(sum.state, state);
      }
    },
  };
}

function hourOf(at: Date): Date {
  return new Date(Math.floor(at.getTime() / hourMs) * hourMs);
}
