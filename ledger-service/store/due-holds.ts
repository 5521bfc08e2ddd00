// Open holds whose time is over, by the database's clock, ledger by ledger: one that cannot be
// written must not stand before the others.

import type { Pool } from "#mesh/database/pool.ts";

export type DueLedger = {
  readonly id: bigint;
  readonly ledgerId: string;
  /** How many are due; no more than so many are counted. */
  readonly count: number;
};

const countMax = 10_000;

export async function readDueLedgers(pool: Pool): Promise<DueLedger[]> {
  return pool<DueLedger[]>`
    select id, ledger_code as "ledgerId", due.count::int as count
    from ledger
    cross join lateral (
      select count(*) as count
      from (
        select from hold
        where hold.ledger_id = ledger.id and remaining_minor > 0
          and expire_time <= statement_timestamp()
        limit ${countMax}
      ) counted
    ) due
    where due.count > 0
    order by id
  `;
}

/** Sequences of the oldest. */
export async function findDueHolds(pool: Pool, id: bigint, holdsMax: number): Promise<bigint[]> {
  const rows = await pool<{ holdSequence: bigint }[]>`
    select hold_sequence as "holdSequence" from hold
    where ledger_id = ${id} and remaining_minor > 0 and expire_time <= statement_timestamp()
    order by expire_time
    limit ${holdsMax}
  `;
  return rows.map(({ holdSequence }) => holdSequence);
}
