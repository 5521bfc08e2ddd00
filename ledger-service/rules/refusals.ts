// Why the books say no, each reason with the values at fault. They are values, not errors: a refusal
// is an answer, and a caller's key keeps it for ever. On the wire they are bursar.ledger.v1.Refusal.

import type { AccountKey, Time } from "./records.ts";

export type Refusal =
  | { readonly reason: "idempotency-conflict"; readonly sequence: bigint }
  | { readonly reason: "ledger-not-found" }
  | { readonly reason: "ledger-exists" }
  | { readonly reason: "asset-not-found"; readonly assetCode: string }
  | { readonly reason: "asset-exists"; readonly assetCode: string; readonly sequence: bigint }
  | { readonly reason: "account-not-found"; readonly account: AccountKey }
  | { readonly reason: "account-exists"; readonly account: AccountKey; readonly sequence: bigint }
  | {
      readonly reason: "unbalanced";
      readonly assetCode: string;
      readonly debitsMinor: bigint;
      readonly creditsMinor: bigint;
    }
  | {
      readonly reason: "amount-out-of-range";
      /** Undefined when it is the total of the asset that has no room. */
      readonly account: AccountKey | undefined;
      readonly assetCode: string;
    }
  | { readonly reason: "transaction-not-found"; readonly sequence: bigint }
  | { readonly reason: "already-reversed"; readonly sequence: bigint }
  | { readonly reason: "metadata-duplicate"; readonly key: string }
  | { readonly reason: "asset-scale"; readonly assetCode: string }
  | { readonly reason: "account-kind"; readonly account: AccountKey }
  | { readonly reason: "account-frozen"; readonly account: AccountKey }
  | { readonly reason: "account-closed"; readonly account: AccountKey }
  | { readonly reason: "effective-time-too-late"; readonly limitTime: Time }
  | { readonly reason: "period-closed"; readonly limitTime: Time }
  | {
      readonly reason: "precondition-failed";
      readonly index: number;
      readonly account: AccountKey;
      /** What the balance or the version is. */
      readonly actualMinor: bigint;
    }
  | ({ readonly reason: "below-floor" } & LimitBroken)
  | ({ readonly reason: "above-ceiling" } & LimitBroken)
  | {
      readonly reason: "reversal-exceeded";
      readonly index: number;
      /** What is left of the entry. */
      readonly limitMinor: bigint;
      readonly actualMinor: bigint;
    }
  /** `index` is the place in the batch of the request that brought the group down. */
  | { readonly reason: "linked-refused"; readonly index: number }
  | { readonly reason: "hold-not-found"; readonly sequence: bigint }
  | { readonly reason: "hold-ended"; readonly sequence: bigint }
  | { readonly reason: "hold-expired"; readonly sequence: bigint; readonly limitTime: Time }
  | {
      readonly reason: "hold-exceeded";
      readonly sequence: bigint;
      /** What may still be captured or voided. */
      readonly limitMinor: bigint;
      readonly actualMinor: bigint;
    }
  | { readonly reason: "asset-mismatch"; readonly account: AccountKey }
  | {
      readonly reason: "account-not-empty";
      readonly account: AccountKey;
      /** Its balance; zero when only holds are in the way. */
      readonly actualMinor: bigint;
    }
  | { readonly reason: "account-not-frozen"; readonly account: AccountKey }
  | {
      readonly reason: "account-changed";
      readonly account: AccountKey;
      /** Of the fact that changed it. */
      readonly sequence: bigint;
    }
  | { readonly reason: "account-reserved"; readonly account: AccountKey }
  /** The time that an end must be later than, or that it must not be later than. */
  | { readonly reason: "period-order"; readonly limitTime: Time }
  | { readonly reason: "suspense-not-found"; readonly sequence: bigint; readonly index: number }
  | { readonly reason: "suspense-released"; readonly sequence: bigint }
  | { readonly reason: "sequence-not-reached"; readonly sequence: bigint }
  | { readonly reason: "expire-time-past"; readonly limitTime: Time }
  | ({ readonly reason: "limits-violated" } & LimitBroken);

type LimitBroken = {
  readonly account: AccountKey;
  readonly limitMinor: bigint;
  /** What the balance is, or would become. */
  readonly actualMinor: bigint;
};
