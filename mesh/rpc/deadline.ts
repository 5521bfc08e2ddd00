// How long a call may take. The server bounds the deadline that a caller asks for by the method's
// policy, and keeps it beside the running handler, so that every call made from there inherits it.

import { AsyncLocalStorage } from "node:async_hooks";

/** The call that is being served. */
export type Call = {
  /** On the clock of `performance.now()`; undefined for a call without an end (health Watch). */
  readonly deadlineAt: number | undefined;
};

const calls = new AsyncLocalStorage<Call>();

export function currentCall(): Call | undefined {
  return calls.getStore();
}

export function withCall<T>(call: Call, work: () => T): T {
  return calls.run(call, work);
}

export type DeadlinePolicy = {
  /** Undefined for methods that may last. */
  readonly deadlineDefaultMs: number | undefined;
  readonly deadlineMaxMs: number;
};

const grpcUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

export type BoundDeadline = {
  /** Undefined: the call may last. */
  readonly timeoutMs: number | undefined;
  /** The header's value for it. */
  readonly text: string | undefined;
};

export function deadlineHeader(isGrpc: boolean): "grpc-timeout" | "connect-timeout-ms" {
  return isGrpc ? "grpc-timeout" : "connect-timeout-ms";
}

/**
 * The deadline that the policy allows: the default where none is asked for, the longest where more
 * is. Undefined when what is asked for cannot be read.
 */
export function boundDeadline(
  asked: string | undefined,
  isGrpc: boolean,
  policy: DeadlinePolicy,
): BoundDeadline | undefined {
  const { deadlineDefaultMs, deadlineMaxMs } = policy;
  const askedMs = asked === undefined ? deadlineDefaultMs : readTimeout(asked, isGrpc);
  if (askedMs === undefined) return asked === undefined ? noDeadline : undefined;
  if (asked !== undefined && askedMs <= deadlineMaxMs) return { timeoutMs: askedMs, text: asked };
  const timeoutMs = Math.min(askedMs, deadlineMaxMs);
  return { timeoutMs, text: isGrpc ? `${timeoutMs}m` : `${timeoutMs}` };
}

const noDeadline: BoundDeadline = { timeoutMs: undefined, text: undefined };

function readTimeout(text: string, isGrpc: boolean): number | undefined {
  if (!isGrpc) return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
  const [, amount, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = grpcUnitMs[unit];
  return amount === undefined || unitMs === undefined ? undefined : Number(amount) * unitMs;
}
