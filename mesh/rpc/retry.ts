// When a call that failed is made again. Only where a second one cannot do harm:
// a method without side effects, a request that carries its idempotency key, or
// a stream that the server says it never looked at.

import { Code, ConnectError } from "@connectrpc/connect";

export const attemptsMax = 3;
const delayMsMin = 25;
const delayMsMax = 1_000;

/** The server refused the stream unprocessed (RFC 9113 §8.7): safe for any method, once. */
export function wasNotProcessed(error: ConnectError): boolean {
  return /NGHTTP2_REFUSED_STREAM|error code REFUSED_STREAM/.test(error.rawMessage);
}

/** The server or the way to it failed: the call may or may not have been processed. */
export function isUnavailable(error: ConnectError): boolean {
  return error.code === Code.Unavailable || isConnectionLoss(error);
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
export function isConnectionLoss(error: ConnectError): boolean {
  if (error.isWireError || error.code === Code.Canceled) return false;
  for (let cause: unknown = error.cause, depth = 0; depth < 8; depth++) {
    if (!(cause instanceof Error)) break;
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== undefined && connectionCodes.has(code)) return true;
    cause = cause.cause;
  }
  return /^http\/2 stream closed with error code|^expected open session/.test(error.rawMessage);
}

/** Full jitter over a doubling bound: who failed together does not return together. */
export function retryDelayMs(attempt: number, random: number = Math.random()): number {
  const bound = Math.min(delayMsMax, delayMsMin * 2 ** attempt * 2);
  return delayMsMin + random * (bound - delayMsMin);
}

export type RetryBudget = {
  readonly succeeded: () => void;
  /** False when too many calls fail for retries to help: they would only add to the load. */
  readonly spend: () => boolean;
};

const tokensMax = 10;
const tokensPerSuccess = 0.1;

/** The token bucket of gRFC A6: retries stop while more than half of it is spent. */
export function createRetryBudget(): RetryBudget {
  let tokens = tokensMax;
  return {
    succeeded() {
      tokens = Math.min(tokensMax, tokens + tokensPerSuccess);
    },
    spend() {
      tokens = Math.max(0, tokens - 1);
      return tokens > tokensMax / 2;
    },
  };
}

export function asConnectError(error: unknown): ConnectError {
  const connectError = ConnectError.from(error);
  if (!isConnectionLoss(connectError)) return connectError;
  // One code for every way a connection can break.
  const { rawMessage, cause } = connectError;
  return new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, cause ?? error);
}
