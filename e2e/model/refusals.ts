// Every way in which the books say no, and what of it is told: in the model's own words, and in the
// order in which the reasons are looked for.
//
//   every keyed request   idempotency-conflict, or the answer that stands; ledger-not-found
//   post                  asset-not-found, account-not-found, account-frozen | account-closed,
//                         unbalanced, amount-out-of-range, metadata-duplicate,
//                         effective-time-too-late, period-closed, precondition-failed,
//                         below-floor | above-ceiling; of a link group: linked-refused
//   reverse               transaction-not-found, already-reversed, reversal-exceeded,
//                         suspense-released, then as post
//   release               suspense-not-found, suspense-released, asset-not-found,
//                         account-not-found, asset-mismatch, account-reserved, then as post
//   capture-hold          hold-not-found, hold-ended | hold-expired, hold-exceeded, then as post
//   increase-hold         hold-not-found, hold-ended | hold-expired, account-frozen | -closed,
//                         amount-out-of-range, below-floor | above-ceiling
//   void-hold             hold-not-found, hold-ended | hold-expired, hold-exceeded
//   create-hold           asset-not-found, account-not-found, asset-mismatch, account-frozen |
//                         -closed, amount-out-of-range, metadata-duplicate, expire-time-past,
//                         below-floor | above-ceiling
//   update-account        account-not-found, account-changed, account-closed, account-reserved,
//                         then metadata-duplicate, limits-violated, account-frozen,
//                         account-not-frozen, account-not-empty
//   close-period          period-order
//   register-asset        ledger-not-found, asset-scale, asset-exists
//   create-account        ledger-not-found, asset-not-found, account-exists, account-kind,
//                         metadata-duplicate, limits-violated

import type { Key, Time } from "./operations.ts";

export type Reason =
  | "idempotency-conflict"
  | "ledger-not-found"
  | "ledger-exists"
  | "asset-not-found"
  | "asset-exists"
  | "account-not-found"
  | "account-exists"
  | "unbalanced"
  | "amount-out-of-range"
  | "transaction-not-found"
  | "already-reversed"
  | "metadata-duplicate"
  | "asset-scale"
  | "account-kind"
  | "account-frozen"
  | "account-closed"
  | "effective-time-too-late"
  | "period-closed"
  | "precondition-failed"
  | "below-floor"
  | "above-ceiling"
  | "reversal-exceeded"
  | "linked-refused"
  | "hold-not-found"
  | "hold-ended"
  | "hold-expired"
  | "hold-exceeded"
  | "asset-mismatch"
  | "account-not-empty"
  | "account-not-frozen"
  | "account-changed"
  | "account-reserved"
  | "period-order"
  | "suspense-not-found"
  | "suspense-released"
  | "sequence-not-reached"
  | "expire-time-past"
  | "limits-violated";

export type Refusal = {
  readonly refused: Reason;
  readonly account?: Key;
  readonly asset?: string;
  readonly sequence?: bigint;
  readonly debits?: bigint;
  readonly credits?: bigint;
  readonly limit?: bigint;
  readonly actual?: bigint;
  readonly limitTime?: Time;
  readonly index?: number;
  readonly noteKey?: string;
};

export function isRefusal(value: object | undefined): value is Refusal {
  return value !== undefined && "refused" in value;
}

const most = 2n ** 63n - 1n;

/** Values beyond int64 are told as its edge. */
export function within(amount: bigint): bigint {
  return amount > most ? most : amount < -most - 1n ? -most - 1n : amount;
}
