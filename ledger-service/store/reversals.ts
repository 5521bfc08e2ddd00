// What is reversed of earlier transactions, as a batch reads and writes it.

import assert from "node:assert/strict";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { decodeTransaction } from "../journal.ts";
import { accountName } from "../rules/books.ts";
import type { AccountKey } from "../rules/records.ts";
import { entryFromWire } from "../wire.ts";
import { addAccount, findLoaded, type Loaded, type LoadedBooks } from "./loaded.ts";
import { type OfLedger, readAccounts, readAssets } from "./select.ts";
import { bigints, integers } from "./sql-arrays.ts";

type StoredReversed = OfLedger & {
  readonly sequence: bigint;
  readonly reversedMinor: bigint;
  readonly reversedBy: bigint;
};

/** Entry by entry; transactions of which nothing is reversed have none. */
export async function readReversed(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  return tx<StoredReversed[]>`
    select ledger_id as "ledgerId", sequence, reversed_minor as "reversedMinor",
      reversed_by as "reversedBy"
    from reversed_entry
    where ledger_id = any(${ids}::bigint[]) and sequence = any(${bigints(sequences)}::bigint[])
    order by ledger_id, sequence, entry_index
  `;
}

/** What can be reversed is known from the journal; its accounts only then. */
export async function loadReversals(
  tx: Tx,
  ids: string,
  loaded: Loaded,
  sequences: ReadonlySet<bigint>,
  reversed: readonly StoredReversed[],
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
  const amounts = Map.groupBy(reversed, ({ ledgerId, sequence }) => `${ledgerId} ${sequence}`);
  for (const [first, ...more] of amounts.values()) {
    assert(first);
    const { ledgerId, sequence, reversedBy } = first;
    const { transactions } = findLoaded(loaded, ledgerId).books;
    const original = transactions.get(sequence);
    const reversedMinor = [first, ...more].map((row) => row.reversedMinor);
    if (original) transactions.set(sequence, { ...original, reversedBy, reversedMinor });
  }
  const codes = new Set([...accounts.values()].map(({ assetCode }) => assetCode));
  const [assets, rows] = await Promise.all([
    readAssets(tx, ids, codes),
    readAccounts(tx, ids, [...accounts.values()]),
  ]);
  for (const { ledgerId, ...asset } of assets) {
    const known = findLoaded(loaded, ledgerId).books.assets;
    if (!known.has(asset.assetCode)) known.set(asset.assetCode, asset);
  }
  for (const row of rows) addAccount(loaded, row);
}

/** All entries of every transaction of which more is reversed now. */
export function reversedOf({ head, books, accountIds }: LoadedBooks) {
  return Array.from(books.written.reversed, (sequence) => {
    const original = books.transactions.get(sequence);
    assert(original?.reversedBy !== undefined && original.reversedMinor);
    const { entries, reversedBy, reversedMinor } = original;
    return entries.map(({ account: key, side, amountMinor }, entryIndex) => {
      const account = books.accounts.get(accountName(key));
      const accountId = account && accountIds.get(account);
      assert(accountId !== undefined, `account ${accountName(key)} has no number`);
      return {
        ledgerId: head.id,
        sequence,
        entryIndex,
        accountId,
        amountMinor: side === "debit" ? amountMinor : -amountMinor,
        reversedMinor: reversedMinor[entryIndex] ?? 0n,
        reversedBy,
      };
    });
  }).flat();
}

export function insertReversed(tx: Tx, rows: readonly ReturnType<typeof reversedOf>[number][]) {
  return tx`
    insert into reversed_entry (ledger_id, sequence, entry_index, account_id, amount_minor,
      reversed_minor, reversed_by)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${integers(rows.map((row) => row.entryIndex))}::int[],
      ${bigints(rows.map((row) => row.accountId))}::bigint[],
      ${bigints(rows.map((row) => row.amountMinor))}::bigint[],
      ${bigints(rows.map((row) => row.reversedMinor))}::bigint[],
      ${bigints(rows.map((row) => row.reversedBy))}::bigint[])
    on conflict (ledger_id, sequence, entry_index) do update set
      reversed_minor = excluded.reversed_minor, reversed_by = excluded.reversed_by
  `;
}
