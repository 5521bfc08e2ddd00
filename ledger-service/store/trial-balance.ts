// Every balance of a ledger: as it is, or page by page as of one sequence.

import type { Pool } from "#mesh/database/pool.ts";
import { laterThan } from "./accounts.ts";
import { type AsOf, asOfParameters, type PastBalance } from "./as-of.ts";
import { type AccountRow, accountColumns, accountOf, type StoredAccount } from "./read.ts";

/** Every account and the sequence up to which it counts, as of one moment. */
export async function readTrialBalance(
  pool: Pool,
  ledgerId: string,
  limit: number,
): Promise<{ sequence: bigint; accounts: AccountRow[] } | undefined> {
  const rows = await pool<(StoredAccount & { headSequence: bigint })[]>`
    select head_sequence as "headSequence", ${accountColumns(pool)}
    from ledger
    left join lateral (
      select account.* from account
      where ledger_id = id
      order by account_code, asset_code
      limit ${limit}
    ) account on true
    left join account_state using (account_id)
    where ledger_code = ${ledgerId} and head_sequence > 0
    order by account_code, asset_code
  `;
  const [first] = rows;
  if (!first) return undefined;
  const accounts = rows.filter((row) => row.accountId !== null).map(accountOf);
  return { sequence: first.headSequence, accounts };
}

/** Of the accounts that were open by then; `after` is the account that ends the page before. */
export async function listBalancesAsOf(
  pool: Pool,
  id: bigint,
  { asOf, after, limit }: { asOf: AsOf; after: bigint; limit: number },
): Promise<(PastBalance & { readonly accountId: bigint })[]> {
  const until = asOfParameters(asOf);
  return pool`
    select page.account_id as "accountId", account_code as "accountCode",
      asset_code as "assetCode", kind, past.version, past.debits_minor as "debitsMinor",
      past.credits_minor as "creditsMinor", past.sequence
    from (
      select account_id, account_code, asset_code, kind
      from account
      where ledger_id = ${id} and opened_sequence <= ${until.sequence}
        and ${laterThan(pool, id, after)}
      order by account_code, asset_code
      limit ${limit}
    ) page
    cross join lateral balance_as_of(page.account_id, ${until.sequence}::bigint,
      ${until.effectiveTime}::timestamptz) past
    order by account_code, asset_code
  `;
}
