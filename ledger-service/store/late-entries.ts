// Steps of the index of late entries, each a statement of its own. What they do is in migration 7;
// of two processes that take a step for the same account at once, one does nothing.

import type { Sql } from "#mesh/database/sql.ts";

export type LateAccount = { readonly accountId: bigint; readonly isDue: boolean };

/** Accounts with late entries, by their numbers. */
export async function lateAccounts(
  sql: Sql,
  options: { after: bigint; entriesMin: number; accountsMax: number },
): Promise<LateAccount[]> {
  const { after, entriesMin, accountsMax } = options;
  return sql<LateAccount[]>`
    select account_id as "accountId", is_due as "isDue"
    from late_accounts(${after}::bigint, ${entriesMin}::int, ${accountsMax}::int)
  `;
}

/** Bounds of a step: some ten milliseconds. */
const runsMax = 32;
const rowsMax = 128;

/** True: there is more to do. */
export async function takeLateStep(
  sql: Sql,
  accountId: bigint,
  { runs = runsMax, rows = rowsMax } = {},
): Promise<boolean> {
  const [row] = await sql<{ more: boolean }[]>`
    select index_late_entries(${accountId}::bigint, ${runs}::int, ${rows}::int) as more
  `;
  return row?.more === true;
}
