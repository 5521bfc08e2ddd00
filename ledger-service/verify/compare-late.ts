// Checks the index of late entries, by which balances of the past are found (migration 7): every run
// that is complete against the entries that it stands for. Those were compared with the journal
// before. What is not indexed yet is no problem.

import type { ReplayedBooks } from "./books.ts";
import type { Comparison } from "./compare-rows.ts";
import type { ReplayedAccount } from "./expected.ts";

const runLength = 64n;
const upperRuns = 8n;

export async function compareLate(comparison: Comparison, books: ReplayedBooks): Promise<void> {
  const { tx, findings } = comparison;
  for (const account of books.accounts.values()) {
    if (account.lateEntries < runLength || account.accountId === undefined) continue;
    const [row] = await tx<{ runs: string | null; marks: bigint; last: bigint | null }[]>`
      select runs::text, (select count(*) from late_mark where account_id = position.account_id)
        as marks, (select max(number) from late_mark where account_id = position.account_id) as last
      from late_position position where account_id = ${account.accountId}
    `;
    if (!row) continue;
    const runs = (row.runs ?? "").match(/\d+/g)?.map(BigInt) ?? [];
    const known = account.lateEntries / runLength;
    if (row.marks !== (row.last ?? 0n) || row.marks !== (runs[0] ?? 0n) || row.marks > known) {
      const both = `${row.marks} in their table, ${runs[0] ?? 0n} in its position, ${known} at most`;
      add(comparison, account, `marks are ${both}`);
    }
    await compareMarks(comparison, account);
    for (const [level, complete] of runs.entries()) {
      const size = upperRuns ** BigInt(level);
      for (let number = 0n; number < complete; number++) {
        await compareRun(comparison, account, { level, number, size });
        if (findings.enough()) return;
      }
    }
  }
}

function add({ findings }: Comparison, { name, sequence }: ReplayedAccount, problem: string): void {
  findings.add("entry", sequence, `index of late entries of ${name}: ${problem}`);
}

async function compareMarks(comparison: Comparison, account: ReplayedAccount): Promise<void> {
  const { accountId = 0n } = account;
  const [row] = await comparison.tx<{ different: bigint }[]>`
    with late as (
      select version, (row_number() over by_version - 1) / 64 + 1 as number,
        greatest(amount_minor, 0) as debits, -least(amount_minor, 0) as credits,
        (sum(greatest(amount_minor, 0)) over by_version)::bigint as debits_after,
        (-sum(least(amount_minor, 0)) over by_version)::bigint as credits_after
      from entry where account_id = ${accountId} and effective_time < effective_time_max
      window by_version as (order by version)
    ), expected as (
      select number, max(version) as version, max(debits_after) as debits,
        max(credits_after) as credits, array_agg(version order by version) as versions,
        array_agg(debits_after - debits order by version) as debits_before,
        array_agg(credits_after - credits order by version) as credits_before
      from late group by number
    )
    select count(*) as different
    from late_mark mark left join expected using (number)
    where account_id = ${accountId}
      and (mark.version, mark.debits_minor, mark.credits_minor, mark.versions,
        mark.debits_before, mark.credits_before)
      is distinct from (expected.version, expected.debits, expected.credits, expected.versions,
        expected.debits_before, expected.credits_before)
  `;
  if (row?.different === 0n) return;
  add(comparison, account, `${row?.different} marks differ from their entries`);
}

async function compareRun(
  comparison: Comparison,
  account: ReplayedAccount,
  { level, number, size }: { level: number; number: bigint; size: bigint },
): Promise<void> {
  const { accountId = 0n } = account;
  const [row] = await comparison.tx<{ different: bigint }[]>`
    with expected as materialized (
      select effective_time as time, (sum(count(*)) over by_time)::bigint as counts,
        (sum(sum(greatest(amount_minor, 0))) over by_time)::bigint as debits,
        (-sum(sum(least(amount_minor, 0))) over by_time)::bigint as credits,
        max(max(sequence)) over by_time as sequences
      from entry
      where account_id = ${accountId} and effective_time < effective_time_max
        and version > coalesce((select mark.version from late_mark mark
          where mark.account_id = ${accountId} and mark.number = ${number * size}::bigint), 0)
        and version <= (select mark.version from late_mark mark
          where mark.account_id = ${accountId} and mark.number = ${(number + 1n) * size}::bigint)
      group by effective_time
      window by_time as (order by effective_time)
    ), stored as materialized (
      select element.* from late_run
      cross join lateral unnest(times, counts, debits_minor, credits_minor, sequences)
        as element (time, counts, debits, credits, sequences)
      where account_id = ${accountId} and level = ${level} and number = ${number}
    )
    select (select count(*) from (select * from expected except all select * from stored) missing)
      + (select count(*) from (select * from stored except all select * from expected) more)
      as different
  `;
  if (row?.different === 0n) return;
  const problem = `run ${number} of level ${level} differs at ${row?.different} times`;
  add(comparison, account, `${problem} from its entries`);
}
