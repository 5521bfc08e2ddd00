// The books as the facts alone tell them: accounts, assets and open holds, changed fact by fact. What
// else a fact leaves behind in a table is noted as expected, and forgotten once it is compared.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { AccountStatus, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { AccountOpened, AccountUpdated } from "#gen/bursar/ledger/v1/events_pb.ts";
import { type Hold, HoldStatus } from "#gen/bursar/ledger/v1/hold_pb.ts";
import type { Entry, Refusal, Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { entryName } from "../rules/books.ts";
import { chart } from "../rules/chart.ts";
import { growsByDebits } from "../rules/limits.ts";
import { kindFromWire } from "../wire.ts";
import { refusalReasons } from "../wire-refusal.ts";
import type { Expected, ReplayedAccount, ReplayedAsset } from "./expected.ts";
import type { Findings } from "./findings.ts";

export type ReplayedBooks = {
  readonly findings: Findings;
  readonly accounts: Map<string, ReplayedAccount>;
  readonly assets: Map<string, ReplayedAsset>;
  /** What is left of those that are open. */
  readonly holds: Map<bigint, bigint>;
  /** What is left in suspense of entries that are not released, by `entryName`. */
  readonly suspended: Map<string, bigint>;
  displayName: string;
  closedMicros: bigint | null;
  expected: Expected;
};

/** Late entries of an account that share a run; see migration 7. */
const runLength = 64n;

export function openAccount(books: ReplayedBooks, sequence: bigint, event: AccountOpened): void {
  const { account, metadata, limits } = event;
  if (!account) return;
  const kind = kindFromWire(event.kind);
  const { accountCode, assetCode } = account;
  const opened: ReplayedAccount = {
    name: nameOf(account),
    accountCode,
    assetCode,
    kind,
    growsByDebits: growsByDebits(kind),
    openedSequence: sequence,
    openMicros: microsOf(event.recordedTime) ?? 0n,
    accountId: undefined,
    debitsMinor: 0n,
    creditsMinor: 0n,
    debitsPendingMinor: 0n,
    creditsPendingMinor: 0n,
    version: 0n,
    sequence,
    effectiveMicrosMax: null,
    status: "open",
    floorMinor: limits?.floorMinor ?? null,
    ceilingMinor: limits?.ceilingMinor ?? null,
    changedSequence: sequence,
    noteCount: metadata.length,
    notedSequence: sequence,
    lateEntries: 0n,
    lateDebitsMinor: 0n,
    lateCreditsMinor: 0n,
  };
  books.accounts.set(opened.name, opened);
  books.expected.opened.push(opened);
}

export function updateAccount(books: ReplayedBooks, sequence: bigint, event: AccountUpdated): void {
  const { account: after } = event;
  const account = after && find(books, sequence, after);
  if (!account) return;
  account.status = statuses.get(after.status) ?? String(after.status);
  account.floorMinor = after.limits?.floorMinor ?? null;
  account.ceilingMinor = after.limits?.ceilingMinor ?? null;
  account.changedSequence = sequence;
  account.noteCount = after.metadata.length;
  account.notedSequence = sequence;
}

export function post(books: ReplayedBooks, sequence: bigint, transaction: Transaction): void {
  const { entries } = transaction;
  const effectiveMicros = microsOf(transaction.effectiveTime) ?? 0n;
  const differences = new Map<string, bigint>();
  const versions = entries.map((entry) => {
    const assetCode = entry.account?.assetCode ?? "";
    const amountMinor = signed(entry);
    differences.set(assetCode, (differences.get(assetCode) ?? 0n) + amountMinor);
    const account = find(books, sequence, entry.account);
    if (!account) return 0n;
    const asset = books.assets.get(assetCode);
    if (asset && amountMinor > 0n) asset.postedMinor += amountMinor;
    postEntry(books, account, { sequence, amountMinor, effectiveMicros });
    return account.version;
  });
  for (const [assetCode, difference] of differences) {
    if (difference === 0n) continue;
    const problem = `transaction ${sequence} is not balanced in ${assetCode}`;
    books.findings.add("journal", sequence, problem);
  }
  books.expected.transactions.push({
    sequence,
    key: transaction.idempotencyKey,
    effectiveMicros,
    recordedMicros: microsOf(transaction.recordedTime) ?? 0n,
    reverses: transaction.reversesSequence,
    reversesEntries: transaction.reversesEntries,
    amountsMinor: entries.map(({ amountMinor }) => amountMinor),
    payment: transaction.paymentState,
    notes: transaction.metadata,
  });
  if (transaction.hold) changeHold(books, sequence, transaction.hold);
  expectSuspense(books, transaction, versions);
}

function postEntry(
  { expected }: ReplayedBooks,
  account: ReplayedAccount,
  entry: { sequence: bigint; amountMinor: bigint; effectiveMicros: bigint },
): void {
  const { sequence, amountMinor, effectiveMicros } = entry;
  const [debit, credit] = amountMinor > 0n ? [amountMinor, 0n] : [0n, -amountMinor];
  account.debitsMinor += debit;
  account.creditsMinor += credit;
  account.version += 1n;
  account.sequence = sequence;
  const { effectiveMicrosMax: latest, version } = account;
  const isLate = latest !== null && effectiveMicros < latest;
  const effectiveMicrosMax = isLate ? latest : effectiveMicros;
  account.effectiveMicrosMax = effectiveMicrosMax;
  const { debitsMinor: debitsMinorAfter, creditsMinor: creditsMinorAfter } = account;
  const after = { debitsMinorAfter, creditsMinorAfter, effectiveMicrosMax };
  expected.entries.push({ account, version, ...entry, ...after });
  if (!isLate) return;

  account.lateEntries += 1n;
  account.lateDebitsMinor += debit;
  account.lateCreditsMinor += credit;
  if (account.lateEntries % runLength !== 0n) return;
  const number = account.lateEntries / runLength;
  const { lateDebitsMinor: debitsMinor, lateCreditsMinor: creditsMinor } = account;
  expected.marks.push({ account, number, version, debitsMinor, creditsMinor });
}

/** What is pending changes by what is left of the hold. */
export function changeHold(books: ReplayedBooks, sequence: bigint, hold: Hold): void {
  const debit = find(books, sequence, hold.debitAccount);
  const credit = find(books, sequence, hold.creditAccount);
  if (!debit || !credit) return;
  const { holdSequence, remainingMinor } = hold;
  const change = remainingMinor - (books.holds.get(holdSequence) ?? 0n);
  debit.debitsPendingMinor += change;
  credit.creditsPendingMinor += change;
  if (remainingMinor === 0n) books.holds.delete(holdSequence);
  else books.holds.set(holdSequence, remainingMinor);
  books.expected.holds.push({
    holdSequence,
    sequence,
    debit,
    credit,
    heldMinor: hold.heldMinor,
    capturedMinor: hold.capturedMinor,
    voidedMinor: hold.voidedMinor,
    toleranceMinor: hold.toleranceMinor,
    remainingMinor,
    status: holdStatuses.get(hold.status) ?? String(hold.status),
    expireMicros: microsOf(hold.expireTime),
  });
}

function expectSuspense(
  books: ReplayedBooks,
  transaction: Transaction,
  versions: readonly bigint[],
): void {
  const { ledgerSequence: sequence, entries, suspendedEntries } = transaction;
  const { releases, reversesSequence } = transaction;
  for (const { entryIndex, account: key, refusal } of suspendedEntries) {
    const account = find(books, sequence, key);
    const suspense = find(books, sequence, entries[entryIndex]?.account);
    if (!account || !suspense) continue;
    const version = versions[entryIndex] ?? 0n;
    const reason = reasons.get(refusal) ?? String(refusal);
    books.expected.suspended.push({ sequence, entryIndex, account, suspense, version, reason });
    const amountMinor = entries[entryIndex]?.amountMinor ?? 0n;
    books.suspended.set(entryName({ sequence, entryIndex }), amountMinor);
  }
  if (releases) {
    const place = entries.findIndex(({ account }) => account?.accountCode === chart.suspense);
    const { ledgerSequence: ofSequence, entryIndex: ofEntryIndex } = releases;
    const version = versions[place] ?? 0n;
    books.expected.released.push({ sequence, version, ofSequence, ofEntryIndex });
    books.suspended.delete(entryName({ sequence: ofSequence, entryIndex: ofEntryIndex }));
  }
  if (reversesSequence !== 0n) expectReversed(books, transaction, versions);
}

/** A reversal that takes the last of an entry from suspense releases it. */
function expectReversed(
  { suspended, expected }: ReplayedBooks,
  { ledgerSequence: sequence, entries, reversesSequence, reversesEntries }: Transaction,
  versions: readonly bigint[],
): void {
  for (const [place, { amountMinor }] of entries.entries()) {
    const ofEntryIndex = reversesEntries[place] ?? place;
    const name = entryName({ sequence: reversesSequence, entryIndex: ofEntryIndex });
    const leftMinor = suspended.get(name);
    if (leftMinor === undefined) continue;
    suspended.set(name, leftMinor - amountMinor);
    if (leftMinor > amountMinor) continue;
    suspended.delete(name);
    const version = versions[place] ?? 0n;
    expected.released.push({ sequence, version, ofSequence: reversesSequence, ofEntryIndex });
  }
}

type AccountName = { readonly accountCode: string; readonly assetCode: string };

function find(
  { accounts, findings }: ReplayedBooks,
  sequence: bigint,
  key: AccountName | undefined,
): ReplayedAccount | undefined {
  const name = nameOf(key);
  const account = accounts.get(name);
  if (!account) findings.add("journal", sequence, `account ${name} was never opened`);
  return account;
}

export function nameOf(key: AccountName | undefined): string {
  return `${key?.accountCode} ${key?.assetCode}`;
}

/** Debits are positive, credits negative. */
export function signed({ side, amountMinor }: Entry): bigint {
  return side === Side.DEBIT ? amountMinor : -amountMinor;
}

/** As Postgres keeps it: what is below a microsecond is cut off. */
export function microsOf(time: Timestamp | undefined): bigint | null {
  if (!time) return null;
  return time.seconds * 1_000_000n + BigInt(Math.trunc(time.nanos / 1_000));
}

const statuses = new Map<AccountStatus, string>([
  [AccountStatus.OPEN, "open"],
  [AccountStatus.FROZEN, "frozen"],
  [AccountStatus.CLOSED, "closed"],
]);

const holdStatuses = new Map<HoldStatus, string>([
  [HoldStatus.OPEN, "open"],
  [HoldStatus.CAPTURED, "captured"],
  [HoldStatus.VOIDED, "voided"],
  [HoldStatus.EXPIRED, "expired"],
]);

const reasons = new Map<Refusal, string>(
  Object.entries(refusalReasons).map(([reason, refusal]) => [refusal, reason]),
);
