// Accounts with their notes, for callers: one, or pages of those that match a filter, in one
// statement each, so that what is returned was true at one moment.

import type { Pool } from "#mesh/database/pool.ts";
import type { AnyRow, Statement } from "#mesh/database/statement.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { AccountKey, AccountStatus, Note } from "../rules/records.ts";
import { type AccountRow, accountColumns, accountOf, type StoredAccount } from "./read.ts";

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
  const { limit } = options;
  const { metadata } = options.filter;
  const filter = { ...options.filter, metadata: await rarestFirst(pool, id, metadata) };
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

/** After an account, by code and asset. After one of another ledger comes nothing. */
export function laterThan(pool: Pool, id: bigint, after: bigint): Fragment {
  if (after === 0n) return pool`true`;
  return pool`(account_code, asset_code) > (
    select known.account_code, known.asset_code from account known
    where known.account_id = ${after} and known.ledger_id = ${id})`;
}

/**
 * Notes know the order of their accounts, so a page of those with a note is read from its index.
 * The name of a table in the text has it planned anew each time: one note is rare, another is on
 * every account, and a plan that is right for one would be ruinous for the other.
 */
function sourceOf(pool: Pool, id: bigint, { metadata: [first], status }: AccountFilter): Fragment {
  const listed = first ? noted(pool, id, first) : pool`${pool("account")}`;
  return status
    ? pool`${listed} listed join account_state using (account_id)`
    : pool`${listed} listed`;
}

/** Of how many accounts a note is asked to be before it counts as common. */
const rareMax = 1_000;

/** The accounts of the first note are looked through for the others. */
async function rarestFirst(
  pool: Pool,
  id: bigint,
  metadata: readonly Note[],
): Promise<readonly Note[]> {
  if (metadata.length < 2) return metadata;
  const counts = metadata.map((note, place) => {
    const few = pool`select from ${noted(pool, id, note)} found limit ${rareMax}`;
    return pool`select ${place}::int as place, count(*) as accounts from (${few}) few`;
  });
  const rows = await pool<{ place: number }[]>`
    select place
    from (${counts.reduce((all, count) => pool`${all} union all ${count}`)}) counts
    order by accounts, place
  `;
  return rows.map(({ place }) => metadata[place]!);
}

function noted(pool: Pool, id: bigint, { key, value }: Note): Fragment {
  return pool`(
    select * from ${pool("account_note")}
    where ledger_id = ${id} and key = ${key} and value = ${value}
      and hashtextextended(value, 0) = hashtextextended(${value}, 0))`;
}

function matches(pool: Pool, { status, kind, assetCode, metadata }: AccountFilter): Fragment {
  const others = metadata.slice(1);
  const kindOf =
    metadata.length > 0
      ? pool`(select account.kind from account where account.account_id = listed.account_id)`
      : pool`kind`;
  return pool`true
    ${kind ? pool`and ${kindOf} = ${kind}` : pool``}
    ${assetCode ? pool`and asset_code = ${assetCode}` : pool``}
    ${status ? statuses(pool)[status] : pool``}
    ${others.reduce((all, { key, value }) => {
      const note = pool`select from account_note
        where account_note.account_id = listed.account_id and key = ${key} and value = ${value}`;
      // Looked up account by account: "offset" keeps it from being joined.
      return pool`${all} and exists (${note} offset 0)`;
    }, pool``)}`;
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
