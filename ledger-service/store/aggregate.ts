// Sums over accounts. Those of one asset cannot leave bigint: all debits of it together are kept
// within, by what is written to "asset", and so are its credits.

import type { Pool } from "#mesh/database/pool.ts";
import { rangesUnder } from "./accounts.ts";
import { type AsOf, asOfParameters } from "./as-of.ts";

export type AggregateRow = {
  readonly codePrefix: string;
  readonly assetCode: string;
  readonly accounts: bigint;
  readonly debitsMinor: bigint;
  readonly creditsMinor: bigint;
  /** Whether some of the accounts grow by debits, or by credits. */
  readonly byDebits: boolean;
  readonly byCredits: boolean;
};

export type AggregateOptions = {
  readonly codePrefix: string;
  /** Segments below the prefix that are told apart. */
  readonly depth: number;
  /** Empty: all. */
  readonly assetCode: string;
  /** Undefined: as they are. */
  readonly asOf: (AsOf & { readonly sequence: bigint }) | undefined;
  readonly limit: number;
};

/** The sums by code and asset, and the sequence up to which they count, as of one moment. */
export async function aggregateBalances(
  pool: Pool,
  id: bigint,
  options: AggregateOptions,
): Promise<{ readonly sequence: bigint; readonly rows: readonly AggregateRow[] }> {
  const { codePrefix, depth, assetCode, asOf, limit } = options;
  const [itself, below] = rangesUnder(pool, codePrefix);
  const segments = (codePrefix === "" ? 0 : codePrefix.split(":").length) + depth;
  const found = await pool<(AggregateRow & { readonly headSequence: bigint })[]>`
    select head_sequence as "headSequence", sum.*
    from ledger left join (
      select "codePrefix", "assetCode", count(*) as accounts,
        sum(debits_minor)::bigint as "debitsMinor", sum(credits_minor)::bigint as "creditsMinor",
        bool_or(by_debits) as "byDebits", not bool_and(by_debits) as "byCredits"
      from (
        select ${groupOf(pool, depth === 0 ? codePrefix : segments)} as "codePrefix",
          asset_code as "assetCode", debits_minor, credits_minor,
          kind in ('asset', 'expense') as by_debits
        from ${sourceOf(pool, asOf)}
        where ledger_id = ${id} and (${below ? pool`${itself} or ${below}` : itself})
          ${asOf ? pool`and opened_sequence <= ${asOf.sequence}` : pool``}
          ${assetCode ? pool`and asset_code = ${assetCode}` : pool``}
        -- Or the planner takes every code for a group of its own, and sorts all accounts.
        offset 0
      ) leaf
      group by 1, 2
      order by 1, 2
      limit ${limit}
    ) sum on true
    where ledger.id = ${id}
    order by "codePrefix", "assetCode"
  `;
  const head = found[0]?.headSequence ?? 0n;
  const rows = found.filter((row) => row.assetCode !== null);
  return {
    sequence: asOf?.sequence ?? head,
    rows: rows.map(({ headSequence, ...row }) => row),
  };
}

/** The first segments of a code, or one text for all. */
function groupOf(pool: Pool, by: string | number) {
  if (typeof by === "string") return pool`${by}::text collate "C"`;
  return pool`array_to_string((string_to_array(account_code, ':'))[1:${by}], ':')`;
}

function sourceOf(pool: Pool, asOf: AggregateOptions["asOf"]) {
  if (!asOf) return pool`account join account_state using (account_id)`;
  const { sequence, effectiveTime } = asOfParameters(asOf);
  return pool`account cross join lateral
    balance_as_of(account_id, ${sequence}::bigint, ${effectiveTime}::timestamptz) past`;
}
