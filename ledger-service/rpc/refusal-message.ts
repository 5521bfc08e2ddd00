// What a refusal says to people: the thing, the values at fault, what to do next.

import { toJson } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Refusal, type RefusalDetail } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { currencyScale } from "#mesh/money/currency.ts";
import { chartKind } from "../rules/chart.ts";

export function refusalMessage(detail: RefusalDetail): string {
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
      return `note ${JSON.stringify(detail.metadataKey)} appears twice`;
    case Refusal.ASSET_SCALE:
      return `asset ${assetCode} is a currency, register it with scale ${currencyScale(assetCode)}, that of ISO 4217`;
    case Refusal.ACCOUNT_KIND:
      return `${accountText} is of kind ${chartKind(account?.accountCode ?? "")} in the chart of accounts, open it as that`;
    case Refusal.ACCOUNT_FROZEN:
      return `${accountText} is frozen: it can be written to once it is unfrozen`;
    case Refusal.ACCOUNT_CLOSED:
      return `${accountText} is closed for ever, use another`;
    case Refusal.EFFECTIVE_TIME_TOO_LATE:
      return `effective_time must not be later than ${timeTextOf(detail)}`;
    case Refusal.PERIOD_CLOSED:
      return `all time before ${timeTextOf(detail)} is closed, choose a later effective_time`;
    case Refusal.PRECONDITION_FAILED:
      return `preconditions[${detail.index}] does not hold: what it bounds is ${detail.actualMinor} on ${accountText}`;
    case Refusal.BELOW_FLOOR:
      return `${accountText} would have ${detail.actualMinor} available, its floor is ${detail.limitMinor}`;
    case Refusal.ABOVE_CEILING:
      return `${accountText} could rise to ${detail.actualMinor}, its ceiling is ${detail.limitMinor}`;
    case Refusal.REVERSAL_EXCEEDED:
      return `entry ${detail.index} has ${detail.limitMinor} left to reverse, asked for ${detail.actualMinor}`;
    case Refusal.LINKED_REFUSED:
      return `requests[${detail.index}] of the same link group was refused`;
    case Refusal.HOLD_NOT_FOUND:
      return `no hold has sequence ${ledgerSequence}`;
    case Refusal.HOLD_ENDED:
      return `hold ${ledgerSequence} has ended, make another`;
    case Refusal.HOLD_EXPIRED:
      return `hold ${ledgerSequence} expired at ${timeTextOf(detail)}, make another`;
    case Refusal.HOLD_EXCEEDED:
      return `hold ${ledgerSequence} allows ${detail.limitMinor} more, asked for ${detail.actualMinor}`;
    case Refusal.ASSET_MISMATCH:
      return `${accountText} is not of the other account's asset`;
    case Refusal.ACCOUNT_NOT_EMPTY:
      return `${accountText} holds ${detail.actualMinor} or has holds, empty it first`;
    case Refusal.ACCOUNT_NOT_FROZEN:
      return `${accountText} is not frozen`;
    case Refusal.ACCOUNT_CHANGED:
      return `${accountText} was changed at sequence ${ledgerSequence}, read it again`;
    case Refusal.ACCOUNT_RESERVED:
      return `${accountText} takes what fits nowhere else: it stays open, without limits, and nothing is released to it`;
    case Refusal.PERIOD_ORDER:
      return `end_time must be later than the end of the last closed period and not in the future: it is on the wrong side of ${timeTextOf(detail)}`;
    case Refusal.SUSPENSE_NOT_FOUND:
      return `entry ${detail.index} of sequence ${ledgerSequence} was not put in suspense`;
    case Refusal.SUSPENSE_RELEASED:
      return `the entry left suspense before, by sequence ${ledgerSequence}`;
    case Refusal.SEQUENCE_NOT_REACHED:
      return `the ledger has not come to sequence ${ledgerSequence}, ask again`;
    case Refusal.EXPIRE_TIME_PAST:
      return `the hold would have expired already: it is ${timeTextOf(detail)}`;
    case Refusal.LIMITS_VIOLATED:
      return `${accountText} stands at ${detail.actualMinor}, the limit would be ${detail.limitMinor}`;
    default:
      return "the books refuse the request";
  }
}

function differenceOf({ debitsMinor, creditsMinor }: RefusalDetail): string {
  if (debitsMinor === 0n && creditsMinor === 0n) return "";
  return `: ${debitsMinor} and ${creditsMinor}`;
}

/** Exact, so that it can be sent back. */
function timeTextOf({ limitTime }: RefusalDetail): string {
  return limitTime ? String(toJson(TimestampSchema, limitTime)) : "a time";
}
