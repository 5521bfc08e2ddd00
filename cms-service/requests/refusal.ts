// Every reason for which this service says no, with the code its caller gets.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { CourseState } from "#gen/bursar/cms/v1/course_pb.ts";
import {
  type CourseChangeSchema,
  type DraftProblemSchema,
  Refusal,
  RefusalDetailSchema,
} from "#gen/bursar/cms/v1/refusal_pb.ts";
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
  PREREQUISITES_INCOMPLETE: Code.FailedPrecondition,
  QUERY_INVALID: Code.InvalidArgument,
  DRAFT_INVALID: Code.InvalidArgument,
  COURSE_NOT_DELETED: Code.FailedPrecondition,
  COURSE_VISIBLE: Code.FailedPrecondition,
  PREREQUISITES_CYCLIC: Code.FailedPrecondition,
  PREREQUISITE_UNKNOWN: Code.InvalidArgument,
  LESSON_NEEDED: Code.FailedPrecondition,
  PLACE_UNKNOWN: Code.InvalidArgument,
  COURSE_FULL: Code.FailedPrecondition,
  COURSE_NEEDED: Code.FailedPrecondition,
  COURSE_STATE_ILLEGAL: Code.FailedPrecondition,
  PUBLISH_TIME_INVALID: Code.InvalidArgument,
  NOTHING_SCHEDULED: Code.FailedPrecondition,
  REVISION_NOT_FOUND: Code.NotFound,
  PREVIEW_TOKEN_INVALID: Code.PermissionDenied,
  PREVIEW_TOKEN_EXPIRED: Code.PermissionDenied,
  PRICE_NOT_FOUND: Code.NotFound,
  COUPON_NOT_FOUND: Code.NotFound,
  COUPON_EXISTS: Code.AlreadyExists,
  COUPON_INVALID: Code.InvalidArgument,
  COUPON_LIMIT_LOWERED: Code.FailedPrecondition,
  COUPON_ARCHIVED: Code.FailedPrecondition,
  COUPON_NOT_STARTED: Code.FailedPrecondition,
  COUPON_ENDED: Code.FailedPrecondition,
  COUPON_OFFER_MISMATCH: Code.FailedPrecondition,
  COUPON_CURRENCY_MISMATCH: Code.FailedPrecondition,
  COUPON_USED_UP: Code.FailedPrecondition,
  COUPON_USED_UP_BY_LEARNER: Code.FailedPrecondition,
  PRICE_CHANGED: Code.FailedPrecondition,
  ORDER_STATE_ILLEGAL: Code.FailedPrecondition,
  PRICE_ARCHIVED: Code.FailedPrecondition,
  UPDATE_INVALID: Code.InvalidArgument,
  GRANT_NOT_FOUND: Code.NotFound,
  GRANT_EXISTS: Code.AlreadyExists,
  GRANT_MOVED_BY_MONEY: Code.FailedPrecondition,
  GRANT_REVOKED: Code.FailedPrecondition,
  EXPIRE_TIME_PAST: Code.InvalidArgument,
  SOURCE_ID_MISSING: Code.InvalidArgument,
  LEDGER_NOT_CONFIGURED: Code.FailedPrecondition,
  LEDGER_UNAVAILABLE: Code.Unavailable,
  LEDGER_NOT_FOUND: Code.NotFound,
  POSITION_INVALID: Code.InvalidArgument,
  QUIZ_NOT_FOUND: Code.NotFound,
  QUESTION_UNKNOWN: Code.InvalidArgument,
  CHOICE_UNKNOWN: Code.InvalidArgument,
  ANSWER_INVALID: Code.InvalidArgument,
  ATTEMPTS_EXHAUSTED: Code.FailedPrecondition,
  REVISION_NOT_LIVE: Code.FailedPrecondition,
  ATTEMPT_NOT_FOUND: Code.NotFound,
  CERTIFICATE_NOT_FOUND: Code.NotFound,
  CERTIFICATE_REVOKED: Code.FailedPrecondition,
  COURSE_NOT_COMPLETED: Code.FailedPrecondition,
  CERTIFICATE_NOT_OFFERED: Code.FailedPrecondition,
  CERTIFICATE_KEYS_MISSING: Code.FailedPrecondition,
  ACCESS_WITHDRAWN: Code.FailedPrecondition,
  IMPORT_INVALID: Code.InvalidArgument,
  FILTER_INVALID: Code.InvalidArgument,
} satisfies Record<Reason, Code>;

export type RefusalDetails = {
  /** Id of the thing at fault. */
  readonly resource?: string;
  readonly currentEtag?: string;
  /** Since the etag in the request. */
  readonly changes?: MessageInitShape<typeof CourseChangeSchema>[];
  readonly problems?: MessageInitShape<typeof DraftProblemSchema>[];
  readonly currentState?: CourseState;
  readonly wantedState?: CourseState;
  readonly importProblems?: readonly { path: string; line: number; problem: string }[];
};

export function refused(reason: Reason, message: string, details?: RefusalDetails): ConnectError {
  return refuse(codes[reason], message, {
    desc: RefusalDetailSchema,
    value: {
      refusal: Refusal[reason],
      ...details,
      importProblems: [...(details?.importProblems ?? [])],
    },
  });
}

const nouns = {
  COURSE_NOT_FOUND: "course",
  MODULE_NOT_FOUND: "module",
  LESSON_NOT_FOUND: "lesson",
  OFFER_NOT_FOUND: "offer",
  ORDER_NOT_FOUND: "order",
  PRICE_NOT_FOUND: "price",
  COUPON_NOT_FOUND: "coupon",
  GRANT_NOT_FOUND: "grant",
  ATTEMPT_NOT_FOUND: "quiz attempt",
  CERTIFICATE_NOT_FOUND: "certificate",
} as const;

export function notFound(reason: keyof typeof nouns, id: string): ConnectError {
  return refused(reason, `there is no ${nouns[reason]} ${id}`, { resource: id });
}
