// How long a call may take, and which trace it belongs to. The server bounds
// the deadline that a caller asks for by the method's policy, and keeps it
// beside the running handler, so that every call made from there inherits it.

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

/** The call that is being served. */
export type Call = {
  /** On the clock of `performance.now()`; undefined for a call without an end (health Watch). */
  readonly deadlineAt: number | undefined;
  /** W3C trace context to send along: the caller's trace, this call's span. */
  readonly traceparent: string;
};

const calls = new AsyncLocalStorage<Call>();

export function currentCall(): Call | undefined {
  return calls.getStore();
}

export function withCall<T>(call: Call, work: () => T): T {
  return calls.run(call, work);
}

/** The smaller of `timeoutMs` and what the call being served has left; at least 1. */
export function boundedTimeoutMs(timeoutMs: number | undefined): number | undefined {
  const deadlineAt = currentCall()?.deadlineAt;
  if (deadlineAt === undefined) return timeoutMs;
  const leftMs = Math.floor(deadlineAt - performance.now());
  return Math.max(1, Math.min(timeoutMs ?? leftMs, leftMs));
}

const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** A span of its own in the caller's trace, or in a new trace when the caller has none. */
export function nextTraceparent(received: string | null | undefined): string {
  const [, trace = randomBytes(16).toString("hex"), flags = "01"] =
    traceparentPattern.exec(received ?? "") ?? [];
  return `00-${trace}-${randomBytes(8).toString("hex")}-${flags}`;
}

export function traceId(traceparent: string): string {
  return traceparent.slice(3, 35);
}

export type DeadlinePolicy = {
  readonly deadlineDefaultMs: number;
  readonly deadlineMaxMs: number;
};

const connectHeader = "connect-timeout-ms";
const grpcHeader = "grpc-timeout";

const grpcUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

export type BoundDeadline = {
  readonly header: Headers;
  /** Undefined when what was asked for cannot be read. */
  readonly timeoutMs: number | undefined;
};

/**
 * The request's headers with the deadline that the policy allows: the default
 * where none is asked for, the longest where more is. What cannot be read is
 * left as it is, for the protocol's own error.
 */
export function boundDeadline(header: Headers, policy: DeadlinePolicy): BoundDeadline {
  const isGrpc = header.get("content-type")?.startsWith("application/grpc") ?? false;
  const name = isGrpc ? grpcHeader : connectHeader;
  const asked = header.get(name);
  const askedMs = asked === null ? policy.deadlineDefaultMs : readTimeout(asked, isGrpc);
  if (askedMs === undefined) return { header, timeoutMs: undefined };
  const timeoutMs = Math.min(askedMs, policy.deadlineMaxMs);
  if (asked !== null && timeoutMs === askedMs) return { header, timeoutMs };
  const bounded = new Headers(header);
  bounded.set(name, isGrpc ? `${timeoutMs}m` : `${timeoutMs}`);
  return { header: bounded, timeoutMs };
}

function readTimeout(text: string, isGrpc: boolean): number | undefined {
  if (!isGrpc) return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
  const [, amount, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = grpcUnitMs[unit];
  return amount === undefined || unitMs === undefined ? undefined : Number(amount) * unitMs;
}
