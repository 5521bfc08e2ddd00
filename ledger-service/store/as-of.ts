// Balances as they were. The work is done by functions of the database (0007_effective_time.sql),
// which look a version up by halving instead of adding entries up.
//
// Effective times are compared in microseconds, the rest of a second's fraction cut off on both
// sides: that is what Postgres keeps of them. The journal keeps what was said.

import type { Sql } from "#mesh/database/sql.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { AccountKey, Time } from "../rules/records.ts";
import { bigints, texts, timeOfMicros, timeText } from "./sql-arrays.ts";

/** Undefined on either axis: everything. */
export type AsOf = {
  readonly sequence: bigint | undefined;
  readonly effectiveTime: Time | undefined;
};

export type PastTotals = {
  readonly debitsMinor: bigint;
  readonly creditsMinor: bigint;
  /** Number of entries that count. */
  readonly version: bigint;
  /** Of the latest entry that counts, or of the account's opening. */
  readonly sequence: bigint;
};

/** What an account held, without what was pending then. */
export type PastBalance = AccountKey & PastTotals & { readonly kind: AccountKind };

/** The parameters of the database's function, each null for all. */
export function asOfParameters({ sequence, effectiveTime }: AsOf) {
  return {
    sequence: sequence ?? null,
    effectiveTime: effectiveTime ? timeText(effectiveTime) : null,
  };
}

/** The account must exist; before it was opened, it held nothing. */
export async function balanceAsOf(sql: Sql, accountId: bigint, asOf: AsOf): Promise<PastTotals> {
  const until = asOfParameters(asOf);
  const [row] = await sql<PastTotals[]>`
    select version, debits_minor as "debitsMinor", credits_minor as "creditsMinor", sequence
    from balance_as_of(${accountId}::bigint, ${until.sequence}::bigint,
      ${until.effectiveTime}::timestamptz)
  `;
  if (!row) throw new Error(`account ${accountId} has no state`);
  return row;
}

/** Undefined where there is no such account; one that was opened later held nothing. */
export async function readBalanceAsOf(
  sql: Sql,
  id: bigint,
  { accountCode, assetCode }: AccountKey,
  asOf: AsOf,
): Promise<PastBalance | undefined> {
  const until = asOfParameters(asOf);
  const [row] = await sql<PastBalance[]>`
    select account_code as "accountCode", asset_code as "assetCode", kind, past.version,
      past.debits_minor as "debitsMinor", past.credits_minor as "creditsMinor", past.sequence
    from account
    cross join lateral balance_as_of(account_id, ${until.sequence}::bigint,
      ${until.effectiveTime}::timestamptz) past
    where ledger_id = ${id} and account_code = ${accountCode} and asset_code = ${assetCode}
  `;
  return row;
}

export type EntryRow = {
  readonly sequence: bigint;
  readonly version: bigint;
  readonly amountMinor: bigint;
  readonly debitsMinorAfter: bigint;
  readonly creditsMinorAfter: bigint;
  readonly effectiveTime: Time;
};

/** By version, after the given one. */
export async function listEntries(
  sql: Sql,
  accountId: bigint,
  options: { asOf: AsOf | undefined; after: bigint; limit: number },
): Promise<EntryRow[]> {
  const { asOf, after, limit } = options;
  const columns = sql`entry.sequence, version, amount_minor as "amountMinor",
    debits_minor_after as "debitsMinorAfter", credits_minor_after as "creditsMinorAfter",
    (extract(epoch from effective_time) * 1000000)::bigint as "effectiveMicros"`;
  const until = asOf && asOfParameters(asOf);
  const rows = await sql<StoredEntry[]>`
    select ${columns}
    from ${
      until
        ? sql`entries_as_of(${accountId}::bigint, ${until.sequence}::bigint,
            ${until.effectiveTime}::timestamptz, ${after}::bigint, ${limit}::bigint) entry`
        : sql`entry where account_id = ${accountId} and version > ${after}`
    }
    order by version
    limit ${limit}
  `;
  return rows.map(({ effectiveMicros, ...row }) => {
    return { ...row, effectiveTime: timeOfMicros(effectiveMicros) };
  });
}

type StoredEntry = Omit<EntryRow, "effectiveTime"> & { readonly effectiveMicros: bigint };

/** An account right after a sequence. */
export type Moment = { readonly account: AccountKey; readonly sequence: bigint };

/** What each account held right after its sequence, in the same order. */
export async function balancesAfter(
  sql: Sql,
  ledgerId: string,
  moments: readonly Moment[],
): Promise<PastBalance[]> {
  if (moments.length === 0) return [];
  return sql<PastBalance[]>`
    select account_code as "accountCode", asset_code as "assetCode", kind, past.version,
      past.debits_minor as "debitsMinor", past.credits_minor as "creditsMinor", past.sequence
    from unnest(
      ${bigints(moments.map(({ sequence }) => sequence))}::bigint[],
      ${texts(moments.map(({ account }) => account.accountCode))}::text[],
      ${texts(moments.map(({ account }) => account.assetCode))}::text[]
    ) with ordinality as asked (until_sequence, code, asset, place)
    join ledger on ledger_code = ${ledgerId}
    join account on account.ledger_id = ledger.id and account_code = asked.code
      and asset_code = asked.asset
    cross join lateral balance_as_of(account_id, until_sequence, null) past
    order by place
  `;
}
