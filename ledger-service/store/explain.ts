// What a balance is made of, newest first: the entries that count, found from either end without
// reading those between. The functions are those of 0007_effective_time.sql.

import type { Sql } from "#mesh/database/sql.ts";
import type { Time } from "../rules/records.ts";
import { texts, timeText } from "./sql-arrays.ts";

/** Entries of an account up to `known`; up to `whole` all count, behind that only late ones. */
export type Extent = {
  readonly accountId: bigint;
  readonly known: bigint;
  readonly whole: bigint;
  /** Undefined: they count whenever they do. */
  readonly until: Time | undefined;
};

export async function readExtent(
  sql: Sql,
  accountId: bigint,
  { sequence, until }: { readonly sequence: bigint; readonly until: Time | undefined },
): Promise<Extent> {
  const time = until ? timeText(until) : null;
  const [row] = await sql<{ known: bigint; whole: bigint }[]>`
    select last.known, case
      when last.known > 0 and latest.effective_time_max > ${time}::timestamptz
      then entry_version_within(${accountId}::bigint, last.known, ${time}::timestamptz)
      else last.known end as whole
    from (
      select entry_version_at(${accountId}::bigint, ${sequence}::bigint) as known offset 0
    ) last
    left join lateral (
      select effective_time_max from entry
      where account_id = ${accountId} and version = last.known
    ) latest on true
  `;
  return { accountId, known: row?.known ?? 0n, whole: row?.whole ?? 0n, until };
}

export type StepTotals = { readonly debitsMinor: bigint; readonly creditsMinor: bigint };

/** Of those that count, up to a version. */
export async function readTotalsUpTo(
  sql: Sql,
  { accountId, whole, until }: Extent,
  version: bigint,
): Promise<StepTotals> {
  const base = version < whole ? version : whole;
  const late =
    version > base && until
      ? sql`late_totals(${accountId}::bigint, ${base}::bigint, ${version}::bigint,
          ${timeText(until)}::timestamptz)`
      : sql`(select 0::bigint as debits_minor, 0::bigint as credits_minor)`;
  const [row] = await sql<StepTotals[]>`
    select coalesce(base.debits_minor_after, 0) + late.debits_minor as "debitsMinor",
      coalesce(base.credits_minor_after, 0) + late.credits_minor as "creditsMinor"
    from ${late} late
    left join entry base on base.account_id = ${accountId} and base.version = ${base}
  `;
  return row ?? { debitsMinor: 0n, creditsMinor: 0n };
}

export type StepRow = {
  readonly version: bigint;
  readonly sequence: bigint;
  /** Debits are positive, credits negative. */
  readonly amountMinor: bigint;
};

/** Those that count, before a version, newest first. */
export async function listStepsBefore(
  sql: Sql,
  { accountId, known, whole, until }: Extent,
  { before, limit }: { readonly before: bigint; readonly limit: number },
): Promise<StepRow[]> {
  const latest = before <= known ? before - 1n : known;
  const late: StepRow[] = [];
  if (latest > whole && until) {
    late.push(
      ...(await sql<StepRow[]>`
        select version, sequence, amount_minor as "amountMinor" from entry
        where account_id = ${accountId} and version > ${whole} and version <= ${latest}
          and effective_time < effective_time_max
          and effective_time <= ${timeText(until)}::timestamptz
        order by version desc limit ${limit}
      `),
    );
  }
  const left = limit - late.length;
  if (left === 0) return late;
  const top = latest < whole ? latest : whole;
  const rows = await sql<StepRow[]>`
    select version, sequence, amount_minor as "amountMinor" from entry
    where account_id = ${accountId} and version <= ${top}
    order by version desc limit ${left}
  `;
  return [...late, ...rows];
}

/** Of the transactions named by key and sequence, those that a provider's fact caused. */
export async function readProvided(
  sql: Sql,
  id: bigint,
  transactions: readonly { readonly idempotencyKey: string; readonly ledgerSequence: bigint }[],
): Promise<ReadonlySet<bigint>> {
  const keys = texts(transactions.map(({ idempotencyKey }) => idempotencyKey));
  const rows = await sql<{ key: string; sequence: bigint | null }[]>`
    select key, sequence from fact where ledger_id = ${id} and key = any(${keys}::text[])
  `;
  const named = new Map(rows.map(({ key, sequence }) => [key, sequence]));
  // The same key may be a caller's, too, for another transaction.
  const provided = transactions.filter(({ idempotencyKey, ledgerSequence }) => {
    return named.get(idempotencyKey) === ledgerSequence;
  });
  return new Set(provided.map(({ ledgerSequence }) => ledgerSequence));
}
