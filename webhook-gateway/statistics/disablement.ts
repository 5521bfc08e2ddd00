// How far an endpoint is from being switched off by its provider. Pure.

import type { Patience } from "../providers/provider.ts";
import type { EndpointState } from "./merge.ts";

export type Distance = {
  /** Zero when the provider does not count failures. */
  readonly failuresMax: number;
  readonly failuresLeft: number;
  /** Undefined when the endpoint does not fail, or the provider does not say. */
  readonly disableTime: Date | undefined;
};

export function distanceTo(
  { disablesAfter }: Patience,
  { failuresInARow, failingSince }: EndpointState,
): Distance {
  const { failures = 0, failingMs } = disablesAfter ?? {};
  const times = failingSince !== null && failingMs !== undefined;
  return {
    failuresMax: failures,
    failuresLeft: Math.max(0, failures - failuresInARow),
    disableTime: times ? new Date(failingSince.getTime() + failingMs) : undefined,
  };
}

/** The part of the way that is gone: 0 when all is well, 1 when the provider switches off. */
export function shareGone({ disablesAfter }: Patience, state: EndpointState, now: Date): number {
  const { failures, failingMs } = disablesAfter ?? {};
  const { failuresInARow, failingSince } = state;
  const byCount = failures ? failuresInARow / failures : 0;
  const failedMs = failingSince ? now.getTime() - failingSince.getTime() : 0;
  const byTime = failingMs ? failedMs / failingMs : 0;
  return Math.min(1, Math.max(0, byCount, byTime));
}
