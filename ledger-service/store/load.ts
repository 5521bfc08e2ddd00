// Reads what a batch needs to know of its ledgers. Their heads are locked, so nothing that is read
// here can change before the batch is written.

import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { decodeTransaction, type JournalRow } from "../journal.ts";
import { accountName, type Books, createBooks } from "../rules/books.ts";
import { type Account, type AccountKey, noLimits } from "../rules/records.ts";
import { entryFromWire } from "../wire.ts";
import { type Head, readClock, recordedTimeAfter } from "./heads.ts";
import * as select from "./select.ts";
import { bigints, timeOfMicros } from "./sql-arrays.ts";

/** What one ledger's part of a batch may ask for. */
export type Needs = {
  readonly accounts: Map<string, AccountKey>;
  readonly assetCodes: Set<string>;
  readonly idempotencyKeys: Set<string>;
  /** Sequences of transactions to reverse. */
  readonly reversals: Set<bigint>;
  /** Names of providers' facts. */
  readonly names: Set<string>;
  readonly paymentIds: Set<string>;
  /** Accounts whose notes are asked for; each is among the accounts, too. */
  readonly metadata: Map<string, AccountKey>;
  /** Sequences of holds; what stands on their accounts is read with them. */
  readonly holds: Set<bigint>;
  /** Sequences of transactions with entries in suspense. */
  readonly suspense: Set<bigint>;
};

export function createNeeds(): Needs {
  return {
    accounts: new Map(),
    assetCodes: new Set(),
    idempotencyKeys: new Set(),
    reversals: new Set(),
    names: new Set(),
    paymentIds: new Set(),
    metadata: new Map(),
    holds: new Set(),
    suspense: new Set(),
  };
}

export function needAccount(needs: Needs, account: AccountKey): void {
  needs.accounts.set(accountName(account), account);
  needs.assetCodes.add(account.assetCode);
}

/** One ledger's books, with what the database calls its parts. */
export type LoadedBooks = {
  readonly head: Head;
  readonly books: Books;
  readonly accountIds: Map<Account, bigint>;
  /** Facts behind used keys and behind transactions to reverse. */
  readonly journal: Map<bigint, JournalRow>;
};

type Loaded = ReadonlyMap<bigint, LoadedBooks>;

export async function loadBooks(
  tx: Tx,
  heads: readonly Head[],
  needs: readonly Needs[],
): Promise<LoadedBooks[]> {
  const ids = bigints(heads.map(({ id }) => id));
  const union = <T>(pick: (of: Needs) => Iterable<T>) =>
    new Set(needs.flatMap((of) => [...pick(of)]));
  const reversals = union((of) => of.reversals);

  // Sent one behind the other without waiting: one round trip.
  const [clockMicros, assets, accounts, keys, facts, payments, reversed] = await Promise.all([
    readClock(tx),
    select.readAssets(
      tx,
      ids,
      union((of) => of.assetCodes),
    ),
    select.readAccounts(tx, ids, [...union((of) => of.accounts.values())]),
    select.readKeys(
      tx,
      ids,
      union((of) => of.idempotencyKeys),
    ),
    select.readReported(
      tx,
      ids,
      union((of) => of.names),
    ),
    select.readPayments(
      tx,
      ids,
      union((of) => of.paymentIds),
    ),
    select.readReversed(tx, ids, reversals),
  ]);

  const loaded = new Map(heads.map((head) => [head.id, createLoaded(head, clockMicros)]));
  const booksOf = (ledgerId: bigint) => find(loaded, ledgerId).books;
  for (const { ledgerId, ...asset } of assets) booksOf(ledgerId).assets.set(asset.assetCode, asset);
  for (const row of accounts) addAccount(loaded, row);
  for (const { ledgerId, ...use } of keys) booksOf(ledgerId).keys.set(use.key, use);
  for (const { ledgerId, sequence, ...fact } of facts) {
    booksOf(ledgerId).reported.set(fact.key, { ...fact, sequence: sequence ?? undefined });
  }
  for (const { ledgerId, ...payment } of payments) {
    booksOf(ledgerId).payments.set(payment.paymentId, payment);
  }

  const sequences = new Set([...reversals, ...keys.map(({ sequence }) => sequence)]);
  for (const { ledgerId, ...row } of await select.readJournal(tx, ids, sequences)) {
    find(loaded, ledgerId).journal.set(row.sequence, row);
  }
  if (reversals.size > 0) await loadReversals(tx, ids, loaded, reversals, reversed);
  return [...loaded.values()];
}

function createLoaded(head: Head, clockMicros: bigint): LoadedBooks {
  const books = createBooks(head.ledgerId, head.sequence, recordedTimeAfter(head, clockMicros));
  books.displayName = head.displayName;
  books.closedTime = head.closedMicros === null ? undefined : timeOfMicros(head.closedMicros);
  return { head, books, accountIds: new Map(), journal: new Map() };
}

function find(loaded: Loaded, ledgerId: bigint): LoadedBooks {
  const found = loaded.get(ledgerId);
  if (!found) throw new Error(`ledger ${ledgerId} was read without being locked`);
  return found;
}

function addAccount(loaded: Loaded, row: select.AccountRow): void {
  const { ledgerId, accountId, openMicros, effectiveMicrosMax, ...rest } = row;
  const { floorMinor, ceilingMinor, ...state } = rest;
  const { books, accountIds } = find(loaded, ledgerId);
  const name = accountName(rest);
  if (books.accounts.has(name)) return;
  const account: Account = {
    ...state,
    openTime: timeOfMicros(openMicros),
    effectiveTimeMax: effectiveMicrosMax === null ? undefined : timeOfMicros(effectiveMicrosMax),
    limits:
      floorMinor === null && ceilingMinor === null
        ? noLimits
        : { floorMinor: floorMinor ?? undefined, ceilingMinor: ceilingMinor ?? undefined },
    metadata: undefined,
  };
  books.accounts.set(name, account);
  accountIds.set(account, accountId);
}

/** What is reversed is known from the journal; its accounts only then. */
async function loadReversals(
  tx: Tx,
  ids: string,
  loaded: Loaded,
  sequences: ReadonlySet<bigint>,
  reversed: Awaited<ReturnType<typeof select.readReversed>>,
): Promise<void> {
  const accounts = new Map<string, AccountKey>();
  for (const { books, journal } of loaded.values()) {
    for (const { sequence, subject, data } of journal.values()) {
      if (!sequences.has(sequence) || subject !== TransactionPostedSchema.typeName) continue;
      const entries = decodeTransaction(data).entries.map(entryFromWire);
      for (const { account } of entries) accounts.set(accountName(account), account);
      const unreversed = { reversedBy: undefined, reversedMinor: undefined };
      books.transactions.set(sequence, { entries, ...unreversed });
    }
  }
  for (const { ledgerId, sequence, reversesSequence } of reversed) {
    const original = find(loaded, ledgerId).books.transactions.get(reversesSequence);
    if (original) original.reversedBy = sequence;
  }
  const codes = new Set([...accounts.values()].map(({ assetCode }) => assetCode));
  const [assets, rows] = await Promise.all([
    select.readAssets(tx, ids, codes),
    select.readAccounts(tx, ids, [...accounts.values()]),
  ]);
  for (const { ledgerId, ...asset } of assets) {
    const known = find(loaded, ledgerId).books.assets;
    if (!known.has(asset.assetCode)) known.set(asset.assetCode, asset);
  }
  for (const row of rows) addAccount(loaded, row);
}
