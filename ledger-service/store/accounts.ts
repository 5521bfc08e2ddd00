// Accounts with their notes: what a batch reads and writes of the notes, and the accounts that
// callers ask for, by every filter that they have.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { AnyRow, Statement } from "#mesh/database/statement.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { AccountKey, AccountStatus, Note } from "../rules/records.ts";
import { type AccountRow, accountColumns, accountOf, type StoredAccount } from "./read.ts";
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

export async function readNotedAccount(
  pool: Pool,
  id: bigint,
  { accountCode, assetCode }: AccountKey,
): Promise<AccountRow | undefined> {
  const [row] = await pool<NotedRow[]>`
    select ${accountColumns(pool)}, ${notesColumn(pool)}
    from account join account_state using (account_id)
    where ledger_id = ${id} and account_code = ${accountCode} and asset_code = ${assetCode}
  `;
  return row && notedOf(row);
}

export type AccountFilter = {
  readonly codePrefix: string;
  readonly status: AccountStatus | undefined;
  readonly kind: AccountKind | undefined;
  readonly assetCode: string;
  /** All of these. */
  readonly metadata: readonly Note[];
};

/** By code and asset. `after` is the account that ends the page before; zero: there is none. */
export async function listAccounts(
  pool: Pool,
  id: bigint,
  options: { after: bigint; limit: number; filter: AccountFilter },
): Promise<AccountRow[]> {
  const { limit, filter } = options;
  const page = (range: Fragment) => pool`(
    select listed.account_id, account_code, asset_code
    from ${sourceOf(pool, id, filter)}
    where ledger_id = ${id} and ${range} and ${laterThan(pool, id, options.after)}
      and ${matches(pool, filter)}
    order by account_code, asset_code
    limit ${limit})`;
  const [itself, below] = rangesUnder(pool, filter.codePrefix);
  const found = below ? pool`${page(itself)} union all ${page(below)}` : page(itself);
  const rows = await pool<NotedRow[]>`
    select ${accountColumns(pool)}, ${notesColumn(pool)}
    from (
      select account_id from (${found}) found
      order by account_code, asset_code
      limit ${limit}
    ) page
    join account using (account_id) join account_state using (account_id)
    order by account_code, asset_code
  `;
  return rows.map(notedOf);
}

type Fragment = Statement<AnyRow[]>;

/**
 * The account of that code, and those below it. Between the two may lie any number of others, such
 * as `assets:cash-box` and `assets:cash2` for `assets:cash`, hence two ranges.
 */
export function rangesUnder(pool: Pool, codePrefix: string): [Fragment, Fragment?] {
  if (codePrefix === "") return [pool`true`];
  return [
    pool`account_code = ${codePrefix}`,
    // A semicolon is what follows a colon.
    pool`account_code >= ${`${codePrefix}:`} and account_code < ${`${codePrefix};`}`,
  ];
}

/** After an account, by code and asset. After one of another ledger comes nothing: it tells nothing. */
export function laterThan(pool: Pool, id: bigint, after: bigint): Fragment {
  if (after === 0n) return pool`true`;
  return pool`(account_code, asset_code) > (
    select known.account_code, known.asset_code from account known
    where known.account_id = ${after} and known.ledger_id = ${id})`;
}

/**
 * Notes know the order of their accounts, so a page of those with a note is read from its index. The
 * name of a table in the text has it planned anew each time: one note is rare, another is on every
 * account, and a plan that is right for one would be ruinous for the other.
 */
function sourceOf(pool: Pool, id: bigint, { metadata, status }: AccountFilter): Fragment {
  const [first, ...others] = metadata;
  const listed = first ? noted(pool, id, first) : pool`${pool("account")}`;
  const joins = others.map((note, place) => {
    const name = pool(`note_${place}`);
    return pool`join (select account_id from ${noted(pool, id, note)} it) ${name} using (account_id)`;
  });
  if (status) joins.push(pool`join account_state using (account_id)`);
  return joins.reduce((source, join) => pool`${source} ${join}`, pool`${listed} listed`);
}

function noted(pool: Pool, id: bigint, { key, value }: Note): Fragment {
  return pool`(
    select * from ${pool("account_note")}
    where ledger_id = ${id} and key = ${key} and value = ${value}
      and hashtextextended(value, 0) = hashtextextended(${value}, 0))`;
}

function matches(pool: Pool, { status, kind, assetCode, metadata }: AccountFilter): Fragment {
  const kindOf =
    metadata.length > 0
      ? pool`(select account.kind from account where account.account_id = listed.account_id)`
      : pool`kind`;
  return pool`true
    ${kind ? pool`and ${kindOf} = ${kind}` : pool``}
    ${assetCode ? pool`and asset_code = ${assetCode}` : pool``}
    ${status ? statuses(pool)[status] : pool``}`;
}

/** In the text: the index of those that are not open serves only who says which they are. */
function statuses(pool: Pool): Record<AccountStatus, Fragment> {
  return {
    open: pool`and status = 'open'`,
    frozen: pool`and status = 'frozen'`,
    closed: pool`and status = 'closed'`,
  };
}

type NotedRow = StoredAccount & { readonly notes: readonly (readonly [string, string])[] };

function notesColumn(pool: Pool) {
  return pool`coalesce((
    select json_agg(json_build_array(note.key, note.value) order by note.key)
    from account_note note where note.account_id = account.account_id), '[]') as notes`;
}

function notedOf({ notes, ...row }: NotedRow): AccountRow {
  return { ...accountOf(row), metadata: notes.map(([key, value]) => ({ key, value })) };
}
