// Maps whatever a handler throws to what its caller may know. A refusal passes.
// A fault becomes `unavailable`, anything else an opaque `internal error`; both
// are logged with their cause, which never leaves the process.

import { Code, ConnectError, type Interceptor, type StreamRequest } from "@connectrpc/connect";
import { isFault } from "../../database/fault.ts";
import type { Log } from "../../process/log.ts";
import { isRefusal } from "../errors.ts";
import { isProtocolError, readRefusal } from "../read-refusal.ts";

export function errorMapping(log: Log): Interceptor {
  return (next) => async (request) => {
    const answer = (error: unknown): ConnectError => {
      const mapped = mapError(error, request.signal);
      if (mapped.kind !== "refusal") {
        const fields = { method: request.method.toString(), error };
        if (mapped.kind === "fault") log.warn("call failed on a fault", fields);
        else log.error("call failed on a bug", fields);
      }
      return mapped.error;
    };
    try {
      const response = await next(request.stream ? readable(request) : request);
      if (!response.stream) return response;
      return { ...response, message: mapStream(response.message, answer) };
    } catch (error) {
      throw answer(error);
    }
  };
}

/** A message that cannot be read is the caller's mistake, however deep in a stream it stands. */
function readable<R extends StreamRequest>(request: R): R {
  return { ...request, message: mapStream(request.message, readProblem) };
}

function readProblem(error: unknown): unknown {
  return error instanceof ConnectError ? readRefusal(error) : error;
}

async function* mapStream<T>(
  messages: AsyncIterable<T>,
  answer: (error: unknown) => unknown,
): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw answer(error);
  }
}

export type MappedError = {
  readonly kind: "refusal" | "fault" | "bug";
  readonly error: ConnectError;
};

export function mapError(error: unknown, signal?: AbortSignal): MappedError {
  if (isRefusal(error)) return { kind: "refusal", error };
  // Over: the deadline passed, the caller left or the server stops. What the handler makes of
  // the signal does not matter.
  if (signal?.aborted && isAbort(error, signal)) {
    return { kind: "refusal", error: endOf(signal) };
  }
  if (isFault(error) || isRemoteFault(error)) {
    return { kind: "fault", error: new ConnectError("try again later", Code.Unavailable) };
  }
  // The protocol's own refusals, such as an unimplemented method or a missing message.
  if (error instanceof ConnectError && !error.isWireError && !isOpaque(error.code)) {
    return { kind: "refusal", error: isProtocolError(error) ? readRefusal(error) : error };
  }
  return { kind: "bug", error: new ConnectError("internal error", Code.Internal) };
}

/** Why a call is over: its deadline or the server's stop, and for all else that its caller left. */
export function endOf(signal: AbortSignal): ConnectError {
  const { reason } = signal;
  const isOurs = reason instanceof ConnectError && ourEnds.has(reason.code);
  return isOurs ? reason : new ConnectError("the caller left", Code.Canceled);
}

const ourEnds = new Set([Code.DeadlineExceeded, Code.Unavailable]);

function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true;
  return error instanceof Error && (error.name === "AbortError" || error.cause === signal.reason);
}

/** Another service did not answer: for our caller the same as a database that did not. */
function isRemoteFault(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  if (error.code === Code.Unavailable) return true;
  return error.isWireError && faultCodes.has(error.code);
}

const faultCodes = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted]);

function isOpaque(code: Code): boolean {
  return code === Code.Internal || code === Code.Unknown || code === Code.DataLoss;
}
