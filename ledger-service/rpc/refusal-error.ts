// Refusals as errors on the wire: one code and one message each, and the detail that clients read.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  Refusal,
  type RefusalDetail,
  RefusalDetailSchema,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { refuse } from "#mesh/rpc/errors.ts";

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
} satisfies Record<(typeof Refusal)[keyof typeof Refusal], Code>;

export function refusalError(detail: RefusalDetail): ConnectError {
  const code = codes[detail.refusal as keyof typeof codes] ?? Code.FailedPrecondition;
  const advice = keepsItsKey(detail) ? "; this key stays refused, ask again under another" : "";
  const message = `${messageOf(detail)}${advice}`;
  return refuse(code, message, { desc: RefusalDetailSchema, value: detail });
}

/** A key that stands for something else, or names no ledger to stand in, is not used up. */
function keepsItsKey({ refusal, idempotencyKey }: RefusalDetail): boolean {
  const free: readonly number[] = [Refusal.IDEMPOTENCY_CONFLICT, Refusal.LEDGER_NOT_FOUND];
  return idempotencyKey !== "" && !free.includes(refusal);
}

/** A read of something that is not there. */
export function notFound(value: MessageInitShape<typeof RefusalDetailSchema>): ConnectError {
  const detail = create(RefusalDetailSchema, value);
  return refuse(Code.NotFound, messageOf(detail), { desc: RefusalDetailSchema, value: detail });
}

function messageOf(detail: RefusalDetail): string {
  const { account, assetCode, idempotencyKey, ledgerSequence } = detail;
  const accountText = account
    ? `account ${account.accountCode} in ${account.assetCode}`
    : "account";
  switch (detail.refusal) {
    case Refusal.IDEMPOTENCY_CONFLICT:
      return `idempotency key ${JSON.stringify(idempotencyKey)} was used for another request, see sequence ${ledgerSequence}`;
    case Refusal.LEDGER_NOT_FOUND:
      return "the ledger does not exist, create it first";
    case Refusal.LEDGER_EXISTS:
      return "the ledger exists with another display name";
    case Refusal.ASSET_NOT_FOUND:
      return `asset ${assetCode} is not registered, register it first`;
    case Refusal.ASSET_EXISTS:
      return `asset ${assetCode} is registered with another scale`;
    case Refusal.ACCOUNT_NOT_FOUND:
      return `${accountText} does not exist, create it first`;
    case Refusal.ACCOUNT_EXISTS:
      return `${accountText} exists with another kind`;
    case Refusal.UNBALANCED:
      return `debits and credits of ${assetCode} differ${differenceOf(detail)}`;
    case Refusal.AMOUNT_OUT_OF_RANGE:
      return `totals of ${account ? accountText : `asset ${assetCode}`} would leave int64`;
    case Refusal.TRANSACTION_NOT_FOUND:
      return ledgerSequence > 0n
        ? `no transaction has sequence ${ledgerSequence}`
        : `no transaction was posted under key ${JSON.stringify(idempotencyKey)}`;
    case Refusal.ALREADY_REVERSED:
      return `the transaction was reversed before, by sequence ${ledgerSequence}`;
    case Refusal.METADATA_DUPLICATE:
      return "a note's key appears twice";
    case Refusal.ASSET_SCALE:
      return `asset ${assetCode} is a currency, register it with the scale of ISO 4217`;
    case Refusal.ACCOUNT_KIND:
      return `${accountText} is in the chart of accounts with another kind, open it with that`;
    default:
      return "the books refuse the request";
  }
}

function differenceOf({ debitsMinor, creditsMinor }: RefusalDetail): string {
  if (debitsMinor === 0n && creditsMinor === 0n) return "";
  return `: ${debitsMinor} and ${creditsMinor}`;
}
