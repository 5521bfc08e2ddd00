// Every reason for which this service says no, with the code its caller gets.

import { Code, type ConnectError } from "@connectrpc/connect";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/cms/v1/refusal_pb.ts";
import { refuse } from "#mesh/rpc/errors.ts";

export type Reason = Exclude<keyof typeof Refusal, "UNSPECIFIED">;

const codes = {
  COURSE_NOT_FOUND: Code.NotFound,
  MODULE_NOT_FOUND: Code.NotFound,
  LESSON_NOT_FOUND: Code.NotFound,
  OFFER_NOT_FOUND: Code.NotFound,
  ORDER_NOT_FOUND: Code.NotFound,
  ENROLLMENT_NOT_FOUND: Code.NotFound,
  SLUG_TAKEN: Code.AlreadyExists,
  ETAG_MISMATCH: Code.Aborted,
  COURSE_EMPTY: Code.FailedPrecondition,
  COURSE_NOT_PUBLISHED: Code.FailedPrecondition,
  OFFER_ARCHIVED: Code.FailedPrecondition,
  CURRENCY_NOT_OFFERED: Code.FailedPrecondition,
  PRICE_INVALID: Code.InvalidArgument,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  LEARNER_MISMATCH: Code.PermissionDenied,
  ACCESS_DENIED: Code.PermissionDenied,
  LEARNER_MISSING: Code.InvalidArgument,
  PAGE_TOKEN_INVALID: Code.InvalidArgument,
} satisfies Record<Reason, Code>;

export type RefusalDetails = {
  /** Id of the thing at fault. */
  readonly resource?: string;
  readonly currentEtag?: string;
};

export function refused(reason: Reason, message: string, details?: RefusalDetails): ConnectError {
  return refuse(codes[reason], message, {
    desc: RefusalDetailSchema,
    value: { refusal: Refusal[reason], ...details },
  });
}

const nouns = {
  COURSE_NOT_FOUND: "course",
  MODULE_NOT_FOUND: "module",
  LESSON_NOT_FOUND: "lesson",
  OFFER_NOT_FOUND: "offer",
  ORDER_NOT_FOUND: "order",
} as const;

export function notFound(reason: keyof typeof nouns, id: string): ConnectError {
  return refused(reason, `there is no ${nouns[reason]} ${id}`, { resource: id });
}
