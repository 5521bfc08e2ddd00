// Holds for callers. A hold whose time is over has ended, whether or not that was written down: by
// the database's clock as it stood when the statement began, one moment for all of its rows.

import type { Pool } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import { remainingMinor } from "../rules/hold-books.ts";
import type { AccountKey, Hold, HoldStatus } from "../rules/records.ts";
import { holdColumns, holdOf, type StoredHold } from "./holds.ts";
import { texts } from "./sql-arrays.ts";

/**
 * What is pending on an account, without the holds that are due. Where nothing is pending, nothing
 * is looked up.
 */
export function pendingColumns(sql: Sql) {
  return sql`case when debits_pending_minor = 0 then 0 else debits_pending_minor - (
      select coalesce(sum(due.remaining_minor), 0)::bigint from hold due
      where due.debit_account_id = account_state.account_id and due.status = 'open'
        and due.expire_time <= statement_timestamp()) end as "debitsPendingMinor",
    case when credits_pending_minor = 0 then 0 else credits_pending_minor - (
      select coalesce(sum(due.remaining_minor), 0)::bigint from hold due
      where due.credit_account_id = account_state.account_id
        and due.captured_minor + due.voided_minor < due.held_minor
        and due.expire_time <= statement_timestamp()) end as "creditsPendingMinor"`;
}

type ReadHold = StoredHold & { readonly isDue: boolean };

export async function readHold(
  pool: Pool,
  id: bigint,
  holdSequence: bigint,
): Promise<Hold | undefined> {
  const [row] = await pool<ReadHold[]>`
    select ${columns(pool)}
    from hold
    join journal on journal.ledger_id = hold.ledger_id and journal.sequence = hold_sequence
    where hold.ledger_id = ${id} and hold_sequence = ${holdSequence}
  `;
  return row && currentOf(row);
}

export type HoldFilter = {
  readonly account: AccountKey | undefined;
  readonly status: HoldStatus | undefined;
};

/** In the order in which they were made. Each status and side is read from its own index. */
export async function listHolds(
  pool: Pool,
  id: bigint,
  options: { after: bigint; limit: number; filter: HoldFilter },
): Promise<Hold[]> {
  const { after, limit, filter } = options;
  const side = (column: string) => pool`
    select hold_sequence from hold
    where ${pool(column)} = place.id and status = place.status and hold_sequence > ${after}
      ${matching(pool, filter.status)}
    order by hold_sequence
    limit ${limit}
  `;
  const { account } = filter;
  const found = account
    ? pool`(${side("debit_account_id")}) union all (${side("credit_account_id")})`
    : pool`${side("ledger_id")}`;
  const places = account
    ? pool`select account_id as id from account where ledger_id = ${id}
        and account_code = ${account.accountCode} and asset_code = ${account.assetCode}`
    : pool`select ${id}::bigint as id`;
  const rows = await pool<ReadHold[]>`
    select ${columns(pool)}
    from (
      select hold_sequence
      from (select * from (${places}) named
        cross join unnest(${texts(storedStatuses(filter.status))}::text[]) as status) place
      cross join lateral (${found}) found
      order by hold_sequence
      limit ${limit}
    ) page
    join hold on hold.ledger_id = ${id} and hold.hold_sequence = page.hold_sequence
    join journal on journal.ledger_id = ${id} and journal.sequence = page.hold_sequence
    order by page.hold_sequence
  `;
  return rows.map(currentOf);
}

const statuses: readonly HoldStatus[] = ["open", "captured", "voided", "expired"];

/** As which they may stand in the database. */
function storedStatuses(asked: HoldStatus | undefined): readonly HoldStatus[] {
  if (asked === "expired") return ["open", "expired"];
  return asked ? [asked] : statuses;
}

function matching(pool: Pool, asked: HoldStatus | undefined) {
  const isDue = pool`coalesce(expire_time <= statement_timestamp(), false)`;
  if (asked === "open") return pool`and not ${isDue}`;
  if (asked === "expired") return pool`and (status = 'expired' or ${isDue})`;
  return pool``;
}

function columns(pool: Pool) {
  return pool`${holdColumns(pool)}, hold.status = 'open'
    and coalesce(hold.expire_time <= statement_timestamp(), false) as "isDue"`;
}

function currentOf({ isDue, ...row }: ReadHold): Hold {
  const hold = holdOf(row);
  if (!isDue) return hold;
  const voidedMinor = hold.voidedMinor + remainingMinor(hold);
  return { ...hold, voidedMinor, status: "expired" };
}
