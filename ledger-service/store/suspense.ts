// Entries of providers' facts on the suspense account, in the database. Their side and amount are
// those of the entry itself.

import type { Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import type { AccountKey, SuspendedEntry, SuspenseItem, Time } from "../rules/records.ts";
import type { OfLedger } from "./insert.ts";
import { type AccountRow, accountColumns } from "./select.ts";
import { bigints, integers, texts, timeOfMicros } from "./sql-arrays.ts";

export type SuspenseRow = OfLedger<SuspenseItem> & {
  readonly accountId: bigint;
  readonly suspenseAccountId: bigint;
};

export function insertSuspense(tx: Tx, rows: readonly SuspenseRow[]) {
  return tx`
    insert into suspense_item (ledger_id, sequence, entry_index, account_id, suspense_account_id,
      suspense_version, reason)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${integers(rows.map((row) => row.entryIndex))}::int[],
      ${bigints(rows.map((row) => row.accountId))}::bigint[],
      ${bigints(rows.map((row) => row.suspenseAccountId))}::bigint[],
      ${bigints(rows.map((row) => row.version))}::bigint[],
      ${texts(rows.map((row) => row.reason))}::text[])
  `;
}

export function releaseSuspense(tx: Tx, rows: readonly OfLedger<SuspenseItem>[]) {
  return tx`
    update suspense_item set released_sequence = row.released_sequence,
      released_version = row.released_version
    from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${integers(rows.map((row) => row.entryIndex))}::int[],
      ${bigints(rows.map((row) => row.releasedSequence))}::bigint[],
      ${bigints(rows.map((row) => row.releasedVersion))}::bigint[]
    ) as row (ledger_id, sequence, entry_index, released_sequence, released_version)
    where suspense_item.ledger_id = row.ledger_id and suspense_item.sequence = row.sequence
      and suspense_item.entry_index = row.entry_index
  `;
}

type StoredItem = AccountKey & {
  readonly sequence: bigint;
  readonly entryIndex: number;
  /** Debits are positive. */
  readonly amountMinor: bigint;
  readonly reason: string;
  readonly version: bigint;
  readonly releasedSequence: bigint | null;
  readonly releasedVersion: bigint | null;
};

/** Of the items that transactions put in suspense, released or not. */
export async function readSuspense(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  const rows = await tx<OfLedger<StoredItem>[]>`
    select suspense_item.ledger_id as "ledgerId", ${itemColumns(tx)}
    from ${itemTables(tx)}
    where suspense_item.ledger_id = any(${ids}::bigint[])
      and suspense_item.sequence = any(${bigints(sequences)}::bigint[])
  `;
  return rows.map(({ ledgerId, ...row }) => ({ ledgerId, ...itemOf(row) }));
}

/** Where those items belong. */
export async function readAccountsOfSuspense(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  return tx<AccountRow[]>`
    select ${accountColumns(tx)}
    from (
      select distinct account_id from suspense_item
      where ledger_id = any(${ids}::bigint[]) and sequence = any(${bigints(sequences)}::bigint[])
    ) of_item
    join account using (account_id) join account_state using (account_id)
  `;
}

export type ListedItem = SuspenseItem & { readonly recordedTime: Time };

/** Oldest first. */
export async function listSuspense(
  sql: Sql,
  ledgerId: bigint,
  options: {
    readonly after: { readonly sequence: bigint; readonly entryIndex: number };
    readonly limit: number;
    readonly released: boolean;
  },
): Promise<ListedItem[]> {
  const { after, limit, released } = options;
  const rows = await sql<(StoredItem & { recordedMicros: bigint })[]>`
    select ${itemColumns(sql)},
      (extract(epoch from recorded_time) * 1000000)::bigint as "recordedMicros"
    from ${itemTables(sql)}
    join transaction on transaction.ledger_id = suspense_item.ledger_id
      and transaction.sequence = suspense_item.sequence
    where suspense_item.ledger_id = ${ledgerId} and (suspense_item.sequence, entry_index)
      > (${after.sequence}::bigint, ${after.entryIndex}::int)
      ${released ? sql`` : sql`and released_sequence is null`}
    order by suspense_item.sequence, entry_index
    limit ${limit}
  `;
  return rows.map(({ recordedMicros, ...row }) => {
    return { ...itemOf(row), recordedTime: timeOfMicros(recordedMicros) };
  });
}

/** Of all ledgers, what is not released. */
export async function countSuspense(
  sql: Sql,
): Promise<{ readonly count: number; readonly oldestSeconds: number }> {
  const [row] = await sql<{ count: number; oldestSeconds: number }[]>`
    select coalesce(sum(items), 0)::int as count, coalesce(
      extract(epoch from clock_timestamp() - min(recorded_time)), 0)::float8 as "oldestSeconds"
    from (
      select ledger_id, count(*) as items, min(sequence) as sequence
      from suspense_item where released_sequence is null group by ledger_id
    ) standing
    join transaction using (ledger_id, sequence)
  `;
  return row ?? { count: 0, oldestSeconds: 0 };
}

function itemColumns(sql: Sql) {
  return sql`suspense_item.sequence, entry_index as "entryIndex",
    intended.account_code as "accountCode", intended.asset_code as "assetCode",
    held.amount_minor as "amountMinor", reason, suspense_version as version,
    released_sequence as "releasedSequence", released_version as "releasedVersion"`;
}

function itemTables(sql: Sql) {
  return sql`suspense_item
    join account intended using (account_id)
    join entry held on held.account_id = suspense_account_id and held.version = suspense_version`;
}

function itemOf(row: StoredItem): SuspenseItem {
  const { sequence, entryIndex, accountCode, assetCode, amountMinor, version } = row;
  return {
    sequence,
    entryIndex,
    account: { accountCode, assetCode },
    side: amountMinor > 0n ? "debit" : "credit",
    amountMinor: amountMinor > 0n ? amountMinor : -amountMinor,
    reason: row.reason as SuspendedEntry["reason"],
    version,
    releasedSequence: row.releasedSequence ?? undefined,
    releasedVersion: row.releasedVersion ?? undefined,
  };
}
