// What books are made of: accounts, entries, transactions, holds, payments, periods, and the facts
// that tell of them. Values only; what happens to them is in books.ts and the rules.

import type { AccountKind } from "./chart.ts";
import type { Refusal } from "./refusals.ts";

export type Side = "debit" | "credit";
export type Time = { readonly seconds: bigint; readonly nanos: number };
export type AccountKey = { readonly accountCode: string; readonly assetCode: string };
export type Note = { readonly key: string; readonly value: string };

export type Entry = {
  readonly account: AccountKey;
  readonly side: Side;
  readonly amountMinor: bigint;
};

export type Asset = {
  readonly assetCode: string;
  readonly scale: number;
  readonly registeredSequence: bigint;
  /** Debits of all accounts together. */
  postedMinor: bigint;
};

export type AccountStatus = "open" | "frozen" | "closed";

/** In the direction in which the account grows; undefined: no bound. */
export type Limits = {
  readonly floorMinor: bigint | undefined;
  readonly ceilingMinor: bigint | undefined;
};

export const noLimits: Limits = { floorMinor: undefined, ceilingMinor: undefined };

export type Account = AccountKey & {
  readonly kind: AccountKind;
  readonly openedSequence: bigint;
  readonly openTime: Time;
  debitsMinor: bigint;
  creditsMinor: bigint;
  /** What open holds set aside. */
  debitsPendingMinor: bigint;
  creditsPendingMinor: bigint;
  /** Number of its entries. */
  version: bigint;
  /** Of its latest entry, or of its opening. */
  sequence: bigint;
  /** Latest effective time among its entries; undefined: it has none. */
  effectiveTimeMax: Time | undefined;
  status: AccountStatus;
  limits: Limits;
  /** Undefined: not read in this batch. */
  metadata: readonly Note[] | undefined;
  /** Of the latest fact that changed its status, limits or notes. */
  changedSequence: bigint;
};

/** What an account held at one moment. */
export type Balance = Readonly<Account>;

/** Totals of a payment; what is refunded follows from three of them. */
export type PaymentTotals = {
  readonly paymentId: string;
  readonly orderId: string;
  readonly currencyCode: string;
  readonly paidMinor: bigint;
  readonly refundsNamedMinor: bigint;
  readonly refundsStatedMinor: bigint;
  readonly refundsFailedMinor: bigint;
  readonly disputedMinor: bigint;
  readonly lostMinor: bigint;
};

export type Payment = PaymentTotals & {
  readonly firstSequence: bigint;
  readonly sequence: bigint;
};

export type HoldStatus = "open" | "captured" | "voided" | "expired";

export type Hold = {
  /** Of the fact that made it; its name. */
  readonly holdSequence: bigint;
  readonly debitAccount: AccountKey;
  readonly creditAccount: AccountKey;
  readonly heldMinor: bigint;
  readonly capturedMinor: bigint;
  readonly voidedMinor: bigint;
  readonly toleranceMinor: bigint;
  readonly status: HoldStatus;
  /** Undefined: never. */
  readonly expireTime: Time | undefined;
  readonly description: string;
  /** Sorted by key. */
  readonly metadata: readonly Note[];
  readonly createTime: Time;
  /** Of the latest fact that changed it. */
  readonly sequence: bigint;
};

export type Period = {
  readonly endTime: Time;
  readonly closedSequence: bigint;
  readonly closeTime: Time;
  readonly description: string;
};

/** An entry on the suspense account, and where it belongs. */
export type SuspendedEntry = {
  readonly entryIndex: number;
  readonly account: AccountKey;
  readonly reason: Refusal["reason"];
};

/** Names an entry of an earlier transaction. */
export type EntryName = { readonly sequence: bigint; readonly entryIndex: number };

export type Draft = {
  readonly idempotencyKey: string;
  readonly entries: readonly Entry[];
  readonly description: string;
  /** Sorted by key. */
  readonly metadata: readonly Note[];
  /** Undefined: when it is recorded. */
  readonly effectiveTime: Time | undefined;
  /** Zero: reverses none. */
  readonly reversesSequence: bigint;
  /** Of a partial reversal: the original's entry that each entry reverses. */
  readonly reversesEntries?: readonly number[];
  readonly payment: PaymentTotals | undefined;
  /** The hold that it captures, as it stands afterwards. */
  readonly hold?: Hold;
  readonly suspended?: readonly SuspendedEntry[];
  /** Of a provider's fact that could not count then: its period is closed, or it is years ahead. */
  readonly occurredTime?: Time;
  /** What it releases from suspense. */
  readonly releases?: EntryName;
};

export type Transaction = Draft & {
  readonly sequence: bigint;
  readonly effectiveTime: Time;
  readonly payment: Payment | undefined;
};

/** A fact of the ledger's own, as the journal keeps it; a provider's is a `PaymentFact`. */
export type JournalFact =
  | { readonly kind: "ledger-created"; readonly sequence: bigint; readonly displayName: string }
  | { readonly kind: "asset-registered"; readonly sequence: bigint; readonly asset: Asset }
  | { readonly kind: "account-opened"; readonly sequence: bigint; readonly account: Account }
  | {
      readonly kind: "transaction-posted";
      readonly sequence: bigint;
      readonly transaction: Transaction;
    }
  | {
      readonly kind: "transaction-refused" | "request-refused";
      readonly sequence: bigint;
      readonly idempotencyKey: string;
      readonly refusal: Refusal;
    }
  | {
      readonly kind: "account-updated";
      readonly sequence: bigint;
      readonly idempotencyKey: string;
      /** As it is after this fact, notes included. */
      readonly account: Readonly<Account>;
      readonly description: string;
    }
  | {
      readonly kind: "hold-created";
      readonly sequence: bigint;
      readonly idempotencyKey: string;
      readonly hold: Hold;
    }
  | {
      readonly kind: "hold-increased" | "hold-voided";
      readonly sequence: bigint;
      readonly idempotencyKey: string;
      /** As it stands after this fact. */
      readonly hold: Hold;
      readonly amountMinor: bigint;
      readonly description: string;
    }
  | {
      readonly kind: "hold-expired";
      readonly sequence: bigint;
      readonly hold: Hold;
      readonly amountMinor: bigint;
    }
  | {
      readonly kind: "period-closed";
      readonly sequence: bigint;
      readonly idempotencyKey: string;
      readonly period: Period;
    };

export type NumberedEntry = {
  readonly account: Account;
  readonly version: bigint;
  readonly sequence: bigint;
  /** Debits are positive, credits negative. */
  readonly amountMinor: bigint;
  readonly debitsMinorAfter: bigint;
  readonly creditsMinorAfter: bigint;
  readonly effectiveTime: Time;
  /** Latest effective time among the account's entries up to this one. */
  readonly effectiveTimeMax: Time;
};

export type KeyUse = {
  readonly key: string;
  readonly digest: string;
  readonly sequence: bigint;
  readonly refused: boolean;
};

export type ReportedFact = {
  readonly key: string;
  /** What it says, to tell a repetition from a contradiction. */
  readonly content: string;
  /** Of the transaction it caused; undefined when it moved nothing. */
  readonly sequence: bigint | undefined;
};

/** What a reversal needs to know of a transaction. */
export type Reversible = {
  readonly entries: readonly Entry[];
  /** Of the latest of its reversals. */
  readonly reversedBy: bigint | undefined;
  /** How much of each entry is reversed; undefined: nothing. */
  readonly reversedMinor: readonly bigint[] | undefined;
};

export type SuspenseItem = EntryName & {
  /** Where it belongs. */
  readonly account: AccountKey;
  readonly side: Side;
  readonly amountMinor: bigint;
  readonly reason: SuspendedEntry["reason"];
  /** Of its entry on the suspense account. */
  readonly version: bigint;
  readonly releasedSequence: bigint | undefined;
  /** Of the entry on the suspense account that took it away. */
  readonly releasedVersion: bigint | undefined;
};
