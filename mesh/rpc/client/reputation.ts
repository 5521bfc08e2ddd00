// What a client holds of one endpoint: how fast it answers, whether it is left alone for its
// failures, and what it says of its own health. The rules stand in balance.ts and ejection.ts.

import { Code, type ConnectError } from "@connectrpc/connect";
import { observeLatency } from "./balance.ts";
import type { EndpointState } from "./choice.ts";
import {
  afterCall,
  comeBack,
  type EjectionCause,
  type EjectionPolicy,
  eject,
  isOutlier,
  isProbeDue,
  newStanding,
} from "./ejection.ts";
import { type Failure, failureOf } from "./failure.ts";

export type ReputationOptions = {
  readonly ejection: EjectionPolicy;
  /** A call that found no answer for so long counts against the endpoint. */
  readonly patienceMs: number;
  /** False when too many others are left alone already, or there is nobody else. */
  readonly mayEject: (cause: EjectionCause) => boolean;
  readonly random: () => number;
  /** The state is another one, or the endpoint is left alone once more. */
  readonly onState: (from: EndpointState, cause: ConnectError | undefined) => void;
};

export type Reputation = {
  readonly state: EndpointState;
  readonly latencyMs: number | undefined;
  readonly observedAt: number;
  /** It was left alone for long enough: somebody may look whether it does well again. */
  readonly isProbeDue: () => boolean;
  /** What became of a call: `error` undefined for success. */
  readonly judge: (call: JudgedCall) => void;
  /** No connection could be made. */
  readonly unreachable: (error: ConnectError, wasProbe: boolean) => void;
  /** A connection was made: who was left alone for want of one comes back. */
  readonly reachable: () => void;
  /** What the server says of itself. */
  readonly says: (serving: boolean) => void;
};

export type JudgedCall = {
  readonly error: ConnectError | undefined;
  readonly elapsedMs: number;
  /** False for a stream, whose length says nothing about the server. */
  readonly isTimed: boolean;
  /** It was the call that looks whether an endpoint does well again. */
  readonly wasProbe: boolean;
};

/** A failure seems slower than any answer, or failing fast would be attractive. */
const failureMsMin = 20;
const failureFactor = 4;

export function createReputation(options: ReputationOptions): Reputation {
  const { ejection, patienceMs, mayEject, random, onState } = options;
  const now = () => performance.now();
  let latencyMs: number | undefined;
  let observedAt = now();
  let standing = newStanding(observedAt);
  let isServing = true;
  let state: EndpointState = "healthy";

  function observe(observedMs: number): void {
    const at = now();
    latencyMs = observeLatency({ inFlight: 0, latencyMs, observedAt }, observedMs, at);
    observedAt = at;
  }

  function leaveAlone(cause: EjectionCause, error: ConnectError | undefined): void {
    standing = eject(standing, cause, now(), ejection, random);
    const from = state;
    state = "ejected";
    onState(from, error);
  }

  function letBack(): void {
    standing = comeBack(standing, now());
    setState();
  }

  function setState(): void {
    const from = state;
    const isEjected = standing.ejectedUntil !== undefined;
    state = isEjected ? "ejected" : isServing ? "healthy" : "not_serving";
    if (state !== from) onState(from, undefined);
  }

  return {
    get state() {
      return state;
    },
    get latencyMs() {
      return latencyMs;
    },
    get observedAt() {
      return observedAt;
    },
    isProbeDue: () => isProbeDue(standing, now()),
    judge({ error, elapsedMs, isTimed, wasProbe }) {
      const { outcome, seemsMs } = read(error, elapsedMs, patienceMs, latencyMs ?? 0);
      const failed = outcome === "failed";
      // What it was before is over: an endpoint that comes back is known by the call that did.
      if (wasProbe && outcome === "answered") latencyMs = undefined;
      if (isTimed && seemsMs !== undefined) observe(seemsMs);
      if (outcome === "neither") return;
      if (wasProbe) return failed ? leaveAlone("failing", error) : letBack();
      // What began before it was left alone says nothing about the time after.
      if (standing.ejectedUntil !== undefined) return;
      standing = afterCall(standing, failed, now(), ejection);
      const isOut = failed && isOutlier(standing, ejection);
      if (isOut && mayEject("failing")) leaveAlone("failing", error);
    },
    unreachable(error, wasProbe) {
      observe(Math.max(failureMsMin, (latencyMs ?? 0) * failureFactor));
      // Nothing can be asked there, so there is nothing to count first.
      const isNew = standing.ejectedUntil === undefined && mayEject("unreachable");
      if (wasProbe || isNew) leaveAlone("unreachable", error);
    },
    reachable() {
      if (standing.ejectedFor !== "unreachable") return;
      // Its calls tell how fast it is, not what it was like to find nobody there.
      latencyMs = undefined;
      letBack();
    },
    says(serving) {
      isServing = serving;
      setState();
    },
  };
}

type Reading = {
  readonly outcome: "failed" | "answered" | "neither";
  /** How slow the endpoint seems by it; undefined: it says nothing. */
  readonly seemsMs: number | undefined;
};

/**
 * Only failures of the way or of the server count. A refusal is an answer, and so is a bug: the
 * same request finds it everywhere. A server that asks to be spared is spared, not left alone.
 */
function read(
  error: ConnectError | undefined,
  elapsedMs: number,
  patienceMs: number,
  latencyMs: number,
): Reading {
  const failure: Failure = error === undefined ? "answer" : failureOf(error);
  const penaltyMs = Math.max(failureMsMin, elapsedMs, latencyMs * failureFactor);
  const ifSlowerMs = elapsedMs > latencyMs ? elapsedMs : undefined;
  switch (failure) {
    case "answer":
      if (error?.code === Code.ResourceExhausted) {
        return { outcome: "answered", seemsMs: undefined };
      }
      return { outcome: "answered", seemsMs: elapsedMs };
    case "unavailable":
      return { outcome: "failed", seemsMs: penaltyMs };
    case "late":
      return { outcome: elapsedMs >= patienceMs ? "failed" : "neither", seemsMs: ifSlowerMs };
    case "overloaded":
    case "not-begun":
      return { outcome: "neither", seemsMs: penaltyMs };
    case "canceled":
      return { outcome: "neither", seemsMs: ifSlowerMs };
    case "never-sent":
    case "not-trusted":
      // Judged once for all calls that waited for the connection.
      return { outcome: "neither", seemsMs: undefined };
  }
}
