// Refusals as bursar.ledger.v1.RefusalDetail.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type RefusalDetailSchema,
  Refusal as WireRefusal,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { int64Max } from "./rules/posting.ts";
import type { Refusal } from "./rules/refusals.ts";

export const refusalReasons = {
  "idempotency-conflict": WireRefusal.IDEMPOTENCY_CONFLICT,
  "ledger-not-found": WireRefusal.LEDGER_NOT_FOUND,
  "ledger-exists": WireRefusal.LEDGER_EXISTS,
  "asset-not-found": WireRefusal.ASSET_NOT_FOUND,
  "asset-exists": WireRefusal.ASSET_EXISTS,
  "account-not-found": WireRefusal.ACCOUNT_NOT_FOUND,
  "account-exists": WireRefusal.ACCOUNT_EXISTS,
  unbalanced: WireRefusal.UNBALANCED,
  "amount-out-of-range": WireRefusal.AMOUNT_OUT_OF_RANGE,
  "transaction-not-found": WireRefusal.TRANSACTION_NOT_FOUND,
  "already-reversed": WireRefusal.ALREADY_REVERSED,
  "metadata-duplicate": WireRefusal.METADATA_DUPLICATE,
  "asset-scale": WireRefusal.ASSET_SCALE,
  "account-kind": WireRefusal.ACCOUNT_KIND,
  "account-frozen": WireRefusal.ACCOUNT_FROZEN,
  "account-closed": WireRefusal.ACCOUNT_CLOSED,
  "effective-time-too-late": WireRefusal.EFFECTIVE_TIME_TOO_LATE,
  "period-closed": WireRefusal.PERIOD_CLOSED,
  "precondition-failed": WireRefusal.PRECONDITION_FAILED,
  "below-floor": WireRefusal.BELOW_FLOOR,
  "above-ceiling": WireRefusal.ABOVE_CEILING,
  "reversal-exceeded": WireRefusal.REVERSAL_EXCEEDED,
  "linked-refused": WireRefusal.LINKED_REFUSED,
  "hold-not-found": WireRefusal.HOLD_NOT_FOUND,
  "hold-ended": WireRefusal.HOLD_ENDED,
  "hold-expired": WireRefusal.HOLD_EXPIRED,
  "hold-exceeded": WireRefusal.HOLD_EXCEEDED,
  "asset-mismatch": WireRefusal.ASSET_MISMATCH,
  "account-not-empty": WireRefusal.ACCOUNT_NOT_EMPTY,
  "account-not-frozen": WireRefusal.ACCOUNT_NOT_FROZEN,
  "account-changed": WireRefusal.ACCOUNT_CHANGED,
  "account-reserved": WireRefusal.ACCOUNT_RESERVED,
  "period-order": WireRefusal.PERIOD_ORDER,
  "suspense-not-found": WireRefusal.SUSPENSE_NOT_FOUND,
  "suspense-released": WireRefusal.SUSPENSE_RELEASED,
  "sequence-not-reached": WireRefusal.SEQUENCE_NOT_REACHED,
  "expire-time-past": WireRefusal.EXPIRE_TIME_PAST,
  "limits-violated": WireRefusal.LIMITS_VIOLATED,
} satisfies Record<Refusal["reason"], WireRefusal>;

export function refusalToWire(
  refusal: Refusal,
  idempotencyKey: string,
): MessageInitShape<typeof RefusalDetailSchema> {
  const account = "account" in refusal ? refusal.account : undefined;
  const assetCode = "assetCode" in refusal ? refusal.assetCode : account?.assetCode;
  return {
    refusal: refusalReasons[refusal.reason],
    idempotencyKey,
    ...(account && { account }),
    ...(assetCode && { assetCode }),
    ...("sequence" in refusal && { ledgerSequence: refusal.sequence }),
    ...("limitMinor" in refusal && { limitMinor: within(refusal.limitMinor) }),
    ...("actualMinor" in refusal && { actualMinor: within(refusal.actualMinor) }),
    ...("limitTime" in refusal && { limitTime: refusal.limitTime }),
    ...("index" in refusal && { index: refusal.index }),
    ...("key" in refusal && { metadataKey: refusal.key }),
    ...(refusal.reason === "unbalanced" && differenceOf(refusal)),
  };
}

/** Sums of a thousand entries may leave int64, in which they are told; then they stay out. */
function differenceOf({
  debitsMinor,
  creditsMinor,
}: {
  debitsMinor: bigint;
  creditsMinor: bigint;
}) {
  return debitsMinor <= int64Max && creditsMinor <= int64Max ? { debitsMinor, creditsMinor } : {};
}

/** A balance that was refused may lie beyond int64, in which it is told; then its edge is told. */
function within(amountMinor: bigint): bigint {
  const min = -int64Max - 1n;
  return amountMinor > int64Max ? int64Max : amountMinor < min ? min : amountMinor;
}
