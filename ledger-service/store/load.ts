// Reads what a batch needs to know of its ledgers. Their heads are locked, so nothing that is read
// here can change before the batch is written.

import type { Tx } from "#mesh/database/pool.ts";
import { accountName } from "../rules/books.ts";
import type { AccountKey } from "../rules/records.ts";
import { readNotes } from "./account-notes.ts";
import { type Head, readClock } from "./heads.ts";
import { addHolds, readAskedHolds } from "./load-holds.ts";
import { addSuspense, readAskedSuspense } from "./load-suspense.ts";
import { addAccount, createLoaded, findLoaded, type LoadedBooks } from "./loaded.ts";
import { loadReversals, readReversed } from "./reversals.ts";
import * as select from "./select.ts";
import { bigints } from "./sql-arrays.ts";

export type { LoadedBooks } from "./loaded.ts";

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

export async function loadBooks(
  tx: Tx,
  heads: readonly Head[],
  needs: readonly Needs[],
): Promise<LoadedBooks[]> {
  const ids = bigints(heads.map(({ id }) => id));
  const union = <T>(pick: (of: Needs) => Iterable<T>) =>
    new Set(needs.flatMap((of) => [...pick(of)]));
  const reversals = union((of) => of.reversals);
  const noted = new Map(needs.flatMap(({ metadata }) => [...metadata]));

  // Sent one behind the other without waiting: one round trip.
  const [clockMicros, assets, accounts, notes, keys, facts, payments, reversed, holds, suspense] =
    await Promise.all([
      readClock(tx),
      select.readAssets(
        tx,
        ids,
        union((of) => of.assetCodes),
      ),
      select.readAccounts(tx, ids, [...union((of) => of.accounts.values())]),
      readNotes(tx, ids, [...noted.values()]),
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
      readReversed(tx, ids, reversals),
      readAskedHolds(
        tx,
        ids,
        union((of) => of.holds),
      ),
      readAskedSuspense(
        tx,
        ids,
        union((of) => of.suspense),
      ),
    ]);

  const loaded = new Map(heads.map((head) => [head.id, createLoaded(head, clockMicros)]));
  const booksOf = (ledgerId: bigint) => findLoaded(loaded, ledgerId).books;
  for (const { ledgerId, ...asset } of assets) booksOf(ledgerId).assets.set(asset.assetCode, asset);
  for (const row of accounts) addAccount(loaded, row);
  addHolds(loaded, holds);
  addSuspense(loaded, suspense);
  for (const of of loaded.values()) addNotes(of, noted.keys(), notes);
  for (const { ledgerId, ...use } of keys) booksOf(ledgerId).keys.set(use.key, use);
  for (const { ledgerId, sequence, ...fact } of facts) {
    booksOf(ledgerId).reported.set(fact.key, { ...fact, sequence: sequence ?? undefined });
  }
  for (const { ledgerId, ...payment } of payments) {
    booksOf(ledgerId).payments.set(payment.paymentId, payment);
  }

  const sequences = new Set([...reversals, ...keys.map(({ sequence }) => sequence)]);
  for (const { ledgerId, ...row } of await select.readJournal(tx, ids, sequences)) {
    findLoaded(loaded, ledgerId).journal.set(row.sequence, row);
  }
  if (reversals.size > 0) await loadReversals(tx, ids, loaded, reversals, reversed);
  return [...loaded.values()];
}

function addNotes(
  { books, accountIds }: LoadedBooks,
  names: Iterable<string>,
  notes: Awaited<ReturnType<typeof readNotes>>,
): void {
  for (const name of names) {
    const account = books.accounts.get(name);
    if (account) account.metadata = notes.get(accountIds.get(account)!) ?? [];
  }
}
