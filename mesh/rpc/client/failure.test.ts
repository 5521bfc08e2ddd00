import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "../errors.ts";
import { asCallError, type Failure, failureOf, neverSent, pushbackOf } from "./failure.ts";

const rows: readonly [string, ConnectError, Failure, Code][] = [
  ["no connection", neverSent("refused", undefined), "never-sent", Code.Unavailable],
  [
    "a server that is somebody else",
    neverSent("wrong identity", undefined, Code.Unauthenticated),
    "not-trusted",
    Code.Unauthenticated,
  ],
  [
    "a stream that node says was refused",
    fromNode("Stream closed with error code NGHTTP2_REFUSED_STREAM", "ERR_HTTP2_STREAM_ERROR"),
    "not-begun",
    Code.Unavailable,
  ],
  [
    "a stream that connect-node says was refused",
    new ConnectError("http/2 stream closed with error code REFUSED_STREAM (0x7)", Code.Unavailable),
    "not-begun",
    Code.Unavailable,
  ],
  ["a server that stops", refused(RequestRefusal.STOPPING), "not-begun", Code.Unavailable],
  ["too much to do", refused(RequestRefusal.OVERLOADED), "overloaded", Code.Unavailable],
  [
    "a connection that broke",
    fromNode("socket hang up", "ECONNRESET"),
    "unavailable",
    Code.Unavailable,
  ],
  [
    "a stream that was closed",
    fromNode("Stream closed with error code NGHTTP2_INTERNAL_ERROR", "ERR_HTTP2_STREAM_ERROR"),
    "unavailable",
    Code.Unavailable,
  ],
  ["a fault of the server", new ConnectError("no database", Code.Unavailable), "unavailable", 14],
  ["a deadline", new ConnectError("timed out", Code.DeadlineExceeded), "late", 4],
  ["a call given up", new ConnectError("no more", Code.Canceled), "canceled", Code.Canceled],
  ["a rate limit", refused(RequestRefusal.RATE_LIMITED), "answer", Code.ResourceExhausted],
  ["a bug", new ConnectError("internal error", Code.Internal), "answer", Code.Internal],
  ["a refusal", new ConnectError("no such order", Code.NotFound), "answer", Code.NotFound],
  [
    "an answer that breaks off",
    new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument),
    "answer",
    Code.Internal,
  ],
];

test.each(rows)("%s", (_name, error, failure, code) => {
  expect(failureOf(error)).toBe(failure);
  expect(asCallError(error).code).toBe(code);
});

test.each([
  [{}, undefined],
  [{ "grpc-retry-pushback-ms": "250" }, 250],
  [{ "grpc-retry-pushback-ms": "0" }, 0],
  [{ "grpc-retry-pushback-ms": "-1" }, "never"],
  [{ "grpc-retry-pushback-ms": "soon" }, "never"],
  [{ "grpc-retry-pushback-ms": "1.5" }, "never"],
  [{ "grpc-retry-pushback-ms": "99999999999999999999" }, "never"],
  [{ "retry-after": "2" }, 2_000],
  [{ "retry-after": "0.25" }, 250],
  [{ "retry-after": "-2" }, "never"],
  [{ "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }, "never"],
  [{ "grpc-retry-pushback-ms": "10", "retry-after": "-1" }, 10],
] as const)("%j says to wait %s", (metadata, pushback) => {
  expect(pushbackOf(new ConnectError("", Code.Unavailable, { ...metadata }))).toBe(pushback);
});

/** As it arrives from the wire: the detail is still bytes. */
function refused(refusal: RequestRefusal): ConnectError {
  const { code, details, rawMessage } = refuseRequest(refusal, "refused");
  return new ConnectError(rawMessage, code, undefined, details as never);
}

function fromNode(message: string, code: string): ConnectError {
  return ConnectError.from(Object.assign(new Error(message), { code }), Code.Internal);
}
