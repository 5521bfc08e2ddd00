// Refusals as errors on the wire: one code and one message each, and the detail that clients read.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  Refusal,
  type RefusalDetail,
  RefusalDetailSchema,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import { refusalMessage } from "./refusal-message.ts";

/** A request that is well formed, but the books say no, fails a precondition. */
const codes = {
  [Refusal.UNSPECIFIED]: Code.FailedPrecondition,
  [Refusal.IDEMPOTENCY_CONFLICT]: Code.AlreadyExists,
  [Refusal.LEDGER_NOT_FOUND]: Code.NotFound,
  [Refusal.LEDGER_EXISTS]: Code.AlreadyExists,
  [Refusal.ASSET_NOT_FOUND]: Code.FailedPrecondition,
  [Refusal.ASSET_EXISTS]: Code.AlreadyExists,
  [Refusal.ACCOUNT_NOT_FOUND]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_EXISTS]: Code.AlreadyExists,
  [Refusal.UNBALANCED]: Code.FailedPrecondition,
  [Refusal.AMOUNT_OUT_OF_RANGE]: Code.FailedPrecondition,
  [Refusal.TRANSACTION_NOT_FOUND]: Code.NotFound,
  [Refusal.ALREADY_REVERSED]: Code.FailedPrecondition,
  [Refusal.METADATA_DUPLICATE]: Code.FailedPrecondition,
  [Refusal.ASSET_SCALE]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_KIND]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_FROZEN]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_CLOSED]: Code.FailedPrecondition,
  [Refusal.EFFECTIVE_TIME_TOO_LATE]: Code.FailedPrecondition,
  [Refusal.PERIOD_CLOSED]: Code.FailedPrecondition,
  [Refusal.PRECONDITION_FAILED]: Code.FailedPrecondition,
  [Refusal.BELOW_FLOOR]: Code.FailedPrecondition,
  [Refusal.ABOVE_CEILING]: Code.FailedPrecondition,
  [Refusal.REVERSAL_EXCEEDED]: Code.FailedPrecondition,
  [Refusal.LINKED_REFUSED]: Code.FailedPrecondition,
  [Refusal.HOLD_NOT_FOUND]: Code.NotFound,
  [Refusal.HOLD_ENDED]: Code.FailedPrecondition,
  [Refusal.HOLD_EXPIRED]: Code.FailedPrecondition,
  [Refusal.HOLD_EXCEEDED]: Code.FailedPrecondition,
  [Refusal.ASSET_MISMATCH]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_NOT_EMPTY]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_NOT_FROZEN]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_CHANGED]: Code.FailedPrecondition,
  [Refusal.ACCOUNT_RESERVED]: Code.FailedPrecondition,
  [Refusal.PERIOD_ORDER]: Code.FailedPrecondition,
  [Refusal.SUSPENSE_NOT_FOUND]: Code.NotFound,
  [Refusal.SUSPENSE_RELEASED]: Code.FailedPrecondition,
  [Refusal.SEQUENCE_NOT_REACHED]: Code.FailedPrecondition,
  [Refusal.EXPIRE_TIME_PAST]: Code.FailedPrecondition,
  [Refusal.LIMITS_VIOLATED]: Code.FailedPrecondition,
} satisfies Record<(typeof Refusal)[keyof typeof Refusal], Code>;

export function refusalError(detail: RefusalDetail): ConnectError {
  const code = codes[detail.refusal as keyof typeof codes] ?? Code.FailedPrecondition;
  const advice = keepsItsKey(detail) ? "; this key stays refused, ask again under another" : "";
  const message = `${refusalMessage(detail)}${advice}`;
  return refuse(code, message, { desc: RefusalDetailSchema, value: detail });
}

/** A key that stands for something else, or names no ledger to stand in, is not used up. */
function keepsItsKey({ refusal, idempotencyKey }: RefusalDetail): boolean {
  const free: readonly number[] = [Refusal.IDEMPOTENCY_CONFLICT, Refusal.LEDGER_NOT_FOUND];
  return idempotencyKey !== "" && !free.includes(refusal);
}

/** A read of something that is not there. */
export function notFound(value: MessageInitShape<typeof RefusalDetailSchema>): ConnectError {
  return refuseRead(Code.NotFound, value);
}

/** A key that names no transaction, and what it was used for, if it was. */
export function nothingPosted(
  idempotencyKey: string,
  used: { readonly sequence: bigint; readonly refused: boolean } | undefined,
): ConnectError {
  const refusal = Refusal.TRANSACTION_NOT_FOUND;
  if (!used) return notFound({ refusal, idempotencyKey });
  const { sequence: ledgerSequence, refused } = used;
  const value = create(RefusalDetailSchema, { refusal, idempotencyKey, ledgerSequence });
  const use = refused ? "its request was refused" : "it was used for another kind of request";
  const message = `no transaction was posted under key ${JSON.stringify(idempotencyKey)}: ${use}, see sequence ${ledgerSequence}`;
  return refuse(Code.NotFound, message, { desc: RefusalDetailSchema, value });
}

/** A read that the books cannot answer. */
export function refusedRead(value: MessageInitShape<typeof RefusalDetailSchema>): ConnectError {
  const code = codes[value.refusal as keyof typeof codes] ?? Code.FailedPrecondition;
  return refuseRead(code, value);
}

function refuseRead(code: Code, value: MessageInitShape<typeof RefusalDetailSchema>) {
  const detail = create(RefusalDetailSchema, value);
  const shown = { desc: RefusalDetailSchema, value: detail };
  return refuse(code, refusalMessage(detail), shown);
}
