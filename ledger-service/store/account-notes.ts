// The notes of accounts as a batch reads them, for those it asks for, and writes them. Batches that
// neither ask nor change any pay nothing for them.

import type { Tx } from "#mesh/database/pool.ts";
import type { AccountKey, Note } from "../rules/records.ts";
import { bigints, texts } from "./sql-arrays.ts";

/** By account id. Of other accounts of the same names, too, which does no harm. */
export async function readNotes(
  tx: Tx,
  ids: string,
  accounts: readonly AccountKey[],
): Promise<ReadonlyMap<bigint, readonly Note[]>> {
  const notes = new Map<bigint, Note[]>();
  if (accounts.length === 0) return notes;
  const codes = new Set(accounts.map(({ accountCode }) => accountCode));
  const rows = await tx<{ accountId: bigint; key: string; value: string }[]>`
    select account_id as "accountId", note.key, note.value
    from account join account_note note using (account_id)
    where account.ledger_id = any(${ids}::bigint[])
      and account.account_code = any(${texts(codes)}::text[])
    order by account_id, note.key
  `;
  for (const { accountId, key, value } of rows) {
    const known = notes.get(accountId) ?? [];
    known.push({ key, value });
    notes.set(accountId, known);
  }
  return notes;
}

export type NotedAccount = AccountKey & {
  readonly ledgerId: bigint;
  readonly accountId: bigint;
  readonly metadata: readonly Note[];
};

/** Replaces the notes of accounts. What is deleted and what is written are never the same row. */
export async function writeNotes(tx: Tx, accounts: readonly NotedAccount[]): Promise<void> {
  if (accounts.length === 0) return;
  const rows = accounts.flatMap(({ metadata, ...account }) => {
    return metadata.map((note) => ({ ...account, ...note }));
  });
  await tx`
    with row as (
      select * from unnest(
        ${bigints(rows.map(({ ledgerId }) => ledgerId))}::bigint[],
        ${bigints(rows.map(({ accountId }) => accountId))}::bigint[],
        ${texts(rows.map(({ key }) => key))}::text[],
        ${texts(rows.map(({ value }) => value))}::text[],
        ${texts(rows.map(({ accountCode }) => accountCode))}::text[],
        ${texts(rows.map(({ assetCode }) => assetCode))}::text[]
      ) as row (ledger_id, account_id, key, value, account_code, asset_code)
    ), gone as (
      delete from account_note
      where account_id = any(${bigints(accounts.map(({ accountId }) => accountId))}::bigint[])
        and not exists (
          select from row
          where row.account_id = account_note.account_id and row.key = account_note.key)
    )
    insert into account_note (ledger_id, account_id, key, value, account_code, asset_code)
    select * from row
    on conflict (account_id, key) do update set value = excluded.value
  `;
}
