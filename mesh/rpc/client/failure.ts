// What a failed call tells: whether the server may have worked on it, whether the server or the way
// to it is to blame, and when the server wants to see it again.

import { Code, ConnectError } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { requestRefusalOf } from "../errors.ts";

export type Failure =
  /** No connection was made: nothing was sent. */
  | "never-sent"
  /** No connection was made, because the server is not who it must be. */
  | "not-trusted"
  /** The server says that it did nothing: it refused the stream, or it is stopping. */
  | "not-begun"
  /** The server did nothing, because it has too much to do. */
  | "overloaded"
  /** The way or the server failed: the call may have been processed, or not. */
  | "unavailable"
  /** The deadline passed first. */
  | "late"
  /** We gave the call up ourselves. */
  | "canceled"
  /** The server's word on the call, refusals included. */
  | "answer";

export function failureOf(error: ConnectError): Failure {
  if (unsent.has(error)) return error.code === Code.Unavailable ? "never-sent" : "not-trusted";
  if (wasRefusedStream(error)) return "not-begun";
  if (error.code === Code.Canceled) return "canceled";
  if (error.code === Code.DeadlineExceeded) return "late";
  if (isConnectionLoss(error)) return "unavailable";
  if (error.code !== Code.Unavailable) return "answer";
  if (saysStopping(error)) return "not-begun";
  return refusalOf(error) === RequestRefusal.OVERLOADED ? "overloaded" : "unavailable";
}

export function saysStopping(error: ConnectError): boolean {
  return refusalOf(error) === RequestRefusal.STOPPING;
}

function refusalOf(error: ConnectError): RequestRefusal | undefined {
  return error.details.length > 0 ? requestRefusalOf(error)?.refusal : undefined;
}

const unsent = new WeakSet<ConnectError>();

/** The error of a call of which nothing left this process. */
export function neverSent(
  message: string,
  cause: unknown,
  code: Code = Code.Unavailable,
): ConnectError {
  const error = new ConnectError(message, code, undefined, undefined, cause);
  unsent.add(error);
  return error;
}

/** Unprocessed by the word of the protocol (RFC 9113 §8.7). */
function wasRefusedStream({ rawMessage, isWireError }: ConnectError): boolean {
  return !isWireError && /NGHTTP2_REFUSED_STREAM|error code REFUSED_STREAM/.test(rawMessage);
}

const connectionCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_INVALID_STREAM",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_HTTP2_STREAM_ERROR",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** Broken on the way, so never something the server said. */
function isConnectionLoss(error: ConnectError): boolean {
  if (error.isWireError) return false;
  for (let cause: unknown = error.cause, depth = 0; depth < 8; depth++) {
    if (!(cause instanceof Error)) break;
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== undefined && connectionCodes.has(code)) return true;
    cause = cause.cause;
  }
  return /^http\/2 stream closed with error code/.test(error.rawMessage);
}

/** As the caller sees it: one code for every way a connection can break. */
export function asCallError(
  error: ConnectError,
  failure: Failure = failureOf(error),
): ConnectError {
  const { rawMessage, cause } = error;
  if (isGarbled(error)) return new ConnectError(rawMessage, Code.Internal, undefined, [], error);
  const isBroken = failure === "unavailable" || failure === "not-begun";
  if (!isBroken || error.code === Code.Unavailable) return error;
  return new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, cause ?? error);
}

/** An answer that breaks off or breaks its protocol; Connect calls that the caller's argument. */
function isGarbled({ isWireError, code, rawMessage }: ConnectError): boolean {
  return !isWireError && code === Code.InvalidArgument && rawMessage.startsWith("protocol error: ");
}

export type Pushback = number | "never" | undefined;

/** How long the server wants to be left alone, in milliseconds, where it says so. */
export function pushbackOf({ metadata }: ConnectError): Pushback {
  const pushback = metadata.get("grpc-retry-pushback-ms");
  if (pushback !== null) return /^\d{1,9}$/.test(pushback) ? Number(pushback) : "never";
  const seconds = metadata.get("retry-after");
  if (seconds === null) return undefined;
  return /^\d{1,6}(\.\d{1,3})?$/.test(seconds) ? Number(seconds) * 1_000 : "never";
}
