// The books of one ledger as a batch works on them: what was read under the ledger's lock, changed
// in memory fact by fact, then written at once. Every fact takes the next sequence. Nothing here
// refuses; posting.ts and payment-rules.ts decide first.

import assert from "node:assert/strict";
import type { AccountKind } from "./chart.ts";
import {
  type Account,
  type AccountKey,
  type Asset,
  type Draft,
  type Entry,
  type EntryName,
  type Hold,
  type JournalFact,
  type KeyUse,
  type Limits,
  type Note,
  type NumberedEntry,
  noLimits,
  type Payment,
  type Period,
  type ReportedFact,
  type Reversible,
  type SuspenseItem,
  type Time,
  type Transaction,
} from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { isBefore, microsLater } from "./time.ts";

export type Books = {
  readonly ledgerId: string;
  readonly recordedTime: Time;
  /** Zero: the ledger was never created. */
  sequence: bigint;
  displayName: string;
  /** End of the last closed period; undefined: none is closed. */
  closedTime: Time | undefined;
  /** Of what is being decided: the trace that the facts it adds belong to. */
  traceparent: string | undefined;
  readonly assets: Map<string, Asset>;
  readonly accounts: Map<string, Account>;
  readonly keys: Map<string, KeyUse>;
  readonly reported: Map<string, ReportedFact>;
  readonly payments: Map<string, Payment>;
  readonly transactions: Map<bigint, Reversible>;
  /** By hold sequence. */
  readonly holds: Map<bigint, Hold>;
  /** By `entryName`. */
  readonly suspense: Map<string, SuspenseItem>;
  readonly written: Written;
};

/** What the batch adds. */
export type Written = {
  readonly facts: JournalFact[];
  /** By sequence. */
  readonly traceparents: Map<bigint, string>;
  readonly assets: Set<Asset>;
  readonly opened: Account[];
  /** Accounts whose state is another now: balances, pending, status, limits. */
  readonly changed: Set<Account>;
  /** Accounts whose notes are others now. */
  readonly noted: Set<Account>;
  readonly entries: NumberedEntry[];
  readonly keys: KeyUse[];
  readonly reported: ReportedFact[];
  readonly payments: Set<string>;
  readonly holds: Set<bigint>;
  /** Transactions of which more is reversed now. */
  readonly reversed: Set<bigint>;
  readonly periods: Period[];
  /** By `entryName`: put in suspense, or released. */
  readonly suspense: Set<string>;
};

export function createBooks(ledgerId: string, sequence: bigint, recordedTime: Time): Books {
  return {
    ledgerId,
    recordedTime,
    sequence,
    displayName: "",
    closedTime: undefined,
    traceparent: undefined,
    assets: new Map(),
    accounts: new Map(),
    keys: new Map(),
    reported: new Map(),
    payments: new Map(),
    transactions: new Map(),
    holds: new Map(),
    suspense: new Map(),
    written: createWritten(),
  };
}

/** The same books once that is written, for the batch that follows in the same SQL transaction. */
export function continueBooks(books: Books): Books {
  const recordedTime = microsLater(books.recordedTime, 1);
  return { ...books, recordedTime, traceparent: undefined, written: createWritten() };
}

function createWritten(): Written {
  return {
    facts: [],
    traceparents: new Map(),
    assets: new Set(),
    opened: [],
    changed: new Set(),
    noted: new Set(),
    entries: [],
    keys: [],
    reported: [],
    payments: new Set(),
    holds: new Set(),
    reversed: new Set(),
    periods: [],
    suspense: new Set(),
  };
}

/** Names an account within a ledger; neither part can contain a space. */
export function accountName({ accountCode, assetCode }: AccountKey): string {
  return `${accountCode} ${assetCode}`;
}

export function entryName({ sequence, entryIndex }: EntryName): string {
  return `${sequence} ${entryIndex}`;
}

export function createLedger(books: Books, displayName: string): void {
  assert(books.sequence === 0n, `ledger ${books.ledgerId} exists`);
  const sequence = nextSequence(books);
  books.displayName = displayName;
  addFact(books, { kind: "ledger-created", sequence, displayName });
}

export function registerAsset(books: Books, assetCode: string, scale: number): Asset {
  assert(!books.assets.has(assetCode), `asset ${assetCode} is registered`);
  const sequence = nextSequence(books);
  const asset = { assetCode, scale, registeredSequence: sequence, postedMinor: 0n };
  books.assets.set(assetCode, asset);
  books.written.assets.add(asset);
  addFact(books, { kind: "asset-registered", sequence, asset });
  return asset;
}

export function openAccount(
  books: Books,
  key: AccountKey,
  kind: AccountKind,
  { limits, metadata }: { limits: Limits; metadata: readonly Note[] } = plain,
): Account {
  const name = accountName(key);
  assert(books.assets.has(key.assetCode), `asset ${key.assetCode} is not registered`);
  assert(!books.accounts.has(name), `account ${name} is open`);
  const sequence = nextSequence(books);
  const account: Account = {
    accountCode: key.accountCode,
    assetCode: key.assetCode,
    kind,
    openedSequence: sequence,
    openTime: books.recordedTime,
    debitsMinor: 0n,
    creditsMinor: 0n,
    debitsPendingMinor: 0n,
    creditsPendingMinor: 0n,
    version: 0n,
    sequence,
    effectiveTimeMax: undefined,
    status: "open",
    limits,
    metadata,
    changedSequence: sequence,
  };
  books.accounts.set(name, account);
  books.written.opened.push(account);
  books.written.changed.add(account);
  if (metadata.length > 0) books.written.noted.add(account);
  // As it is now: it may be changed by what comes later in the batch.
  addFact(books, { kind: "account-opened", sequence, account: { ...account } });
  return account;
}

const plain = { limits: noLimits, metadata: [] };

/** Writes a transaction that was decided: its accounts exist, its entries are balanced. */
export function post(books: Books, draft: Draft): Transaction {
  const sequence = nextSequence(books);
  const effectiveTime = draft.effectiveTime ?? books.recordedTime;
  for (const entry of draft.entries) postEntry(books, { sequence, effectiveTime }, entry);

  const firstSequence = draft.payment && books.payments.get(draft.payment.paymentId)?.firstSequence;
  const payment = draft.payment && {
    ...draft.payment,
    firstSequence: firstSequence ?? sequence,
    sequence,
  };
  if (payment) keepPayment(books, payment);

  const transaction = { ...draft, sequence, effectiveTime, payment };
  books.transactions.set(sequence, {
    entries: draft.entries,
    reversedBy: undefined,
    reversedMinor: undefined,
  });
  if (draft.reversesSequence !== 0n) keepReversed(books, draft, sequence);
  addFact(books, { kind: "transaction-posted", sequence, transaction });
  return transaction;
}

/** What it reverses is less by its entries. */
function keepReversed(books: Books, draft: Draft, sequence: bigint): void {
  const original = books.transactions.get(draft.reversesSequence);
  assert(original, `transaction ${draft.reversesSequence} was not read`);
  const reversedMinor = original.entries.map((_, place) => original.reversedMinor?.[place] ?? 0n);
  for (const [place, { amountMinor }] of draft.entries.entries()) {
    const reversed = draft.reversesEntries?.[place] ?? place;
    reversedMinor[reversed] = (reversedMinor[reversed] ?? 0n) + amountMinor;
  }
  const { entries } = original;
  books.transactions.set(draft.reversesSequence, { entries, reversedBy: sequence, reversedMinor });
  books.written.reversed.add(draft.reversesSequence);
}

/** Uses a caller's key up. */
export function keepKey(books: Books, use: KeyUse): void {
  assert(!books.keys.has(use.key), `key ${use.key} is used`);
  books.keys.set(use.key, use);
  books.written.keys.push(use);
}

export function refuseKey(
  books: Books,
  use: { key: string; digest: string },
  kind: "transaction-refused" | "request-refused",
  refusal: Refusal,
): void {
  const sequence = nextSequence(books);
  addFact(books, { kind, sequence, idempotencyKey: use.key, refusal });
  keepKey(books, { ...use, sequence, refused: true });
}

export function keepReported(books: Books, fact: ReportedFact): void {
  assert(!books.reported.has(fact.key), `fact ${fact.key} was reported`);
  books.reported.set(fact.key, fact);
  books.written.reported.push(fact);
}

export function keepPayment(books: Books, payment: Payment): void {
  books.payments.set(payment.paymentId, payment);
  books.written.payments.add(payment.paymentId);
}

function postEntry(
  books: Books,
  { sequence, effectiveTime }: { sequence: bigint; effectiveTime: Time },
  { account: key, side, amountMinor }: Entry,
): void {
  assert(amountMinor > 0n, `amount ${amountMinor} is not positive`);
  const account = books.accounts.get(accountName(key));
  const asset = books.assets.get(key.assetCode);
  assert(account && asset, `account ${accountName(key)} is not open`);

  if (side === "debit") {
    account.debitsMinor += amountMinor;
    asset.postedMinor += amountMinor;
    books.written.assets.add(asset);
  } else {
    account.creditsMinor += amountMinor;
  }
  account.version += 1n;
  account.sequence = sequence;
  const known = account.effectiveTimeMax;
  const effectiveTimeMax = known && isBefore(effectiveTime, known) ? known : effectiveTime;
  account.effectiveTimeMax = effectiveTimeMax;
  books.written.changed.add(account);
  books.written.entries.push({
    account,
    version: account.version,
    sequence,
    amountMinor: side === "debit" ? amountMinor : -amountMinor,
    debitsMinorAfter: account.debitsMinor,
    creditsMinorAfter: account.creditsMinor,
    effectiveTime,
    effectiveTimeMax,
  });
}

export function addFact({ written, traceparent }: Books, fact: JournalFact): void {
  written.facts.push(fact);
  if (traceparent !== undefined) written.traceparents.set(fact.sequence, traceparent);
}

export function nextSequence(books: Books): bigint {
  books.sequence += 1n;
  return books.sequence;
}
