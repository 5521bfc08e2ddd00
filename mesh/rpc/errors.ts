// The three kinds of error at the edge of a service. A refusal is an expected
// no and reaches the caller as it was made; a fault (the world failed) becomes
// `unavailable`; anything else is a bug and becomes an opaque `internal error`.

import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  RequestRefusal,
  type RequestRefusalDetail,
  RequestRefusalDetailSchema,
} from "#gen/bursar/mesh/v1/refusal_pb.ts";

const refusals = new WeakSet<ConnectError>();

/** An expected no: the caller sees code, message and detail; never logged as an error. */
export function refuse<D extends DescMessage>(
  code: Code,
  message: string,
  detail?: { readonly desc: D; readonly value: MessageInitShape<D> },
): ConnectError {
  const details = detail ? [{ desc: detail.desc, value: detail.value }] : [];
  const error = new ConnectError(message, code, undefined, details);
  refusals.add(error);
  return error;
}

export function isRefusal(error: unknown): error is ConnectError {
  return error instanceof ConnectError && refusals.has(error);
}

export type FieldProblem = { readonly field: string; readonly problem: string };

/** A refusal decided before a service's own rules are reached. */
export function refuseRequest(
  refusal: RequestRefusal,
  message: string,
  problems: readonly FieldProblem[] = [],
): ConnectError {
  return refuse(codes[refusal as keyof typeof codes] ?? Code.InvalidArgument, message, {
    desc: RequestRefusalDetailSchema,
    value: { refusal, problems: [...problems] },
  });
}

const codes = {
  [RequestRefusal.UNSPECIFIED]: Code.InvalidArgument,
  [RequestRefusal.INVALID_FIELD]: Code.InvalidArgument,
  [RequestRefusal.INEXACT_NUMBER]: Code.InvalidArgument,
  [RequestRefusal.MALFORMED]: Code.InvalidArgument,
  [RequestRefusal.DUPLICATE_FIELD]: Code.InvalidArgument,
  [RequestRefusal.UNAUTHENTICATED]: Code.Unauthenticated,
  [RequestRefusal.TOKEN_INVALID]: Code.Unauthenticated,
  [RequestRefusal.SCOPE_MISSING]: Code.PermissionDenied,
  [RequestRefusal.LEDGER_DENIED]: Code.PermissionDenied,
  [RequestRefusal.CALLER_NOT_ADMITTED]: Code.PermissionDenied,
  [RequestRefusal.RATE_LIMITED]: Code.ResourceExhausted,
  [RequestRefusal.OVERLOADED]: Code.Unavailable,
  [RequestRefusal.TOO_LARGE]: Code.ResourceExhausted,
  [RequestRefusal.IMMUTABLE_FIELD]: Code.InvalidArgument,
  [RequestRefusal.UNKNOWN_FIELD]: Code.InvalidArgument,
  [RequestRefusal.UNKNOWN_METHOD]: Code.Unimplemented,
  [RequestRefusal.STOPPING]: Code.Unavailable,
  [RequestRefusal.DEADLINE_TOO_SHORT]: Code.DeadlineExceeded,
  [RequestRefusal.LEARNER_MISMATCH]: Code.PermissionDenied,
} satisfies Record<(typeof RequestRefusal)[keyof typeof RequestRefusal], Code>;

/** The mesh's own refusal detail of an error that a client received. */
export function requestRefusalOf(error: unknown): RequestRefusalDetail | undefined {
  return ConnectError.from(error).findDetails(RequestRefusalDetailSchema)[0];
}
