// What facts must have left behind in the tables, in the words of the replay.

import type { Metadata } from "#gen/bursar/ledger/v1/metadata_pb.ts";
import type { PaymentState } from "#gen/bursar/ledger/v1/transaction_pb.ts";

export type ReplayedAccount = {
  /** As in `assets:cash USD`. */
  readonly name: string;
  readonly accountCode: string;
  readonly assetCode: string;
  readonly kind: string;
  readonly growsByDebits: boolean;
  readonly openedSequence: bigint;
  readonly openMicros: bigint;
  /** What its table calls it; undefined: it is not there. */
  accountId: bigint | undefined;
  debitsMinor: bigint;
  creditsMinor: bigint;
  debitsPendingMinor: bigint;
  creditsPendingMinor: bigint;
  version: bigint;
  sequence: bigint;
  effectiveMicrosMax: bigint | null;
  status: string;
  floorMinor: bigint | null;
  ceilingMinor: bigint | null;
  changedSequence: bigint;
  /** How many notes it has, and of which fact. */
  noteCount: number;
  notedSequence: bigint;
  /** Entries that count before an earlier one, and their totals. */
  lateEntries: bigint;
  lateDebitsMinor: bigint;
  lateCreditsMinor: bigint;
};

export type ReplayedAsset = {
  readonly scale: number;
  readonly registeredSequence: bigint;
  postedMinor: bigint;
};

export type ExpectedEntry = {
  readonly account: ReplayedAccount;
  readonly version: bigint;
  readonly sequence: bigint;
  readonly amountMinor: bigint;
  readonly debitsMinorAfter: bigint;
  readonly creditsMinorAfter: bigint;
  readonly effectiveMicros: bigint;
  readonly effectiveMicrosMax: bigint;
};

export type ExpectedTransaction = {
  readonly sequence: bigint;
  readonly key: string;
  readonly effectiveMicros: bigint;
  readonly recordedMicros: bigint;
  /** Zero: reverses none. */
  readonly reverses: bigint;
  /** Of a partial reversal: the original's entry that each entry reverses. */
  readonly reversesEntries: readonly number[];
  readonly amountsMinor: readonly bigint[];
  readonly payment: PaymentState | undefined;
  readonly notes: readonly Metadata[];
};

export type ExpectedKey = {
  readonly sequence: bigint;
  readonly key: string;
  readonly refused: boolean;
};

export type ExpectedHold = {
  readonly holdSequence: bigint;
  readonly sequence: bigint;
  readonly debit: ReplayedAccount;
  readonly credit: ReplayedAccount;
  readonly heldMinor: bigint;
  readonly capturedMinor: bigint;
  readonly voidedMinor: bigint;
  readonly toleranceMinor: bigint;
  readonly remainingMinor: bigint;
  readonly status: string;
  readonly expireMicros: bigint | null;
};

export type ExpectedPeriod = {
  readonly closedSequence: bigint;
  readonly endMicros: bigint | null;
  readonly closeMicros: bigint | null;
  readonly description: string;
};

export type ExpectedSuspense = {
  readonly sequence: bigint;
  readonly entryIndex: number;
  /** Where it belongs. */
  readonly account: ReplayedAccount;
  readonly suspense: ReplayedAccount;
  readonly version: bigint;
  readonly reason: string;
};

export type ExpectedRelease = {
  readonly sequence: bigint;
  readonly version: bigint;
  /** The entry that it releases. */
  readonly ofSequence: bigint;
  readonly ofEntryIndex: number;
};

/** The end of a full run of late entries; see migration 7. */
export type ExpectedMark = {
  readonly account: ReplayedAccount;
  readonly number: bigint;
  readonly version: bigint;
  readonly debitsMinor: bigint;
  readonly creditsMinor: bigint;
};

export type Expected = {
  readonly opened: ReplayedAccount[];
  readonly entries: ExpectedEntry[];
  readonly transactions: ExpectedTransaction[];
  /** Of all facts but transactions. */
  readonly keys: ExpectedKey[];
  readonly holds: ExpectedHold[];
  readonly periods: ExpectedPeriod[];
  readonly suspended: ExpectedSuspense[];
  readonly released: ExpectedRelease[];
  readonly marks: ExpectedMark[];
};

export function createExpected(): Expected {
  return {
    opened: [],
    entries: [],
    transactions: [],
    keys: [],
    holds: [],
    periods: [],
    suspended: [],
    released: [],
    marks: [],
  };
}
