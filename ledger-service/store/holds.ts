// Holds as a batch reads and writes them. What a hold is called and carries is told from the fact
// that made it, what has become of it from its row.

import type { Tx } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import { decodeHold, type JournalRow } from "../journal.ts";
import type { Asset, Hold, HoldStatus, Time } from "../rules/records.ts";
import { holdFromWire } from "../wire.ts";
import { type AccountRow, accountColumns, assetColumns, type OfLedger } from "./select.ts";
import { bigints, texts, times } from "./sql-arrays.ts";

/** With the bytes of the fact that made it. */
export type StoredHold = Pick<
  Hold,
  "holdSequence" | "heldMinor" | "capturedMinor" | "voidedMinor" | "sequence"
> &
  Pick<JournalRow, "subject" | "data"> & { readonly status: string };

export function holdColumns(sql: Sql) {
  return sql`hold.hold_sequence as "holdSequence", held_minor as "heldMinor",
    captured_minor as "capturedMinor", voided_minor as "voidedMinor", status, hold.sequence,
    journal.subject, journal.data`;
}

export function holdOf({ status, subject, data, ...amounts }: StoredHold): Hold {
  const made = holdFromWire(decodeHold({ sequence: amounts.holdSequence, subject, data }));
  return { ...made, ...amounts, status: status as HoldStatus };
}

export type HoldRow = OfLedger & StoredHold;

export async function readHolds(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  return tx<HoldRow[]>`
    select hold.ledger_id as "ledgerId", ${holdColumns(tx)}
    from hold
    join journal on journal.ledger_id = hold.ledger_id and journal.sequence = hold_sequence
    where hold.ledger_id = any(${ids}::bigint[])
      and hold_sequence = any(${bigints(sequences)}::bigint[])
  `;
}

export async function readAccountsOfHolds(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  return tx<AccountRow[]>`
    select ${accountColumns(tx)}
    from (
      select distinct unnest(array[debit_account_id, credit_account_id]) as account_id
      from hold
      where ledger_id = any(${ids}::bigint[])
        and hold_sequence = any(${bigints(sequences)}::bigint[])
    ) of_hold
    join account using (account_id) join account_state using (account_id)
  `;
}

export async function readAssetsOfHolds(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  return tx<(OfLedger & Asset)[]>`
    select ${assetColumns(tx)}
    from (
      select distinct account.ledger_id, account.asset_code
      from hold join account on account_id = debit_account_id
      where hold.ledger_id = any(${ids}::bigint[])
        and hold_sequence = any(${bigints(sequences)}::bigint[])
    ) of_hold
    join asset using (ledger_id, asset_code)
  `;
}

/** An account, and the time at which holds on it are due. */
export type DueAsked = { readonly accountId: bigint; readonly time: Time };

/** The first of the open holds on the accounts, on either side, whose time is over. */
export async function readDueHolds(tx: Tx, asked: readonly DueAsked[], holdsMax: number) {
  return tx<HoldRow[]>`
    select hold.ledger_id as "ledgerId", ${holdColumns(tx)}
    from (
      select distinct ledger_id, hold_sequence, expire_time
      from unnest(
        ${bigints(asked.map(({ accountId }) => accountId))}::bigint[],
        ${times(asked.map(({ time }) => time))}::timestamptz[]) as asked (account_id, time)
      cross join lateral (
        (select ledger_id, hold_sequence, expire_time from hold
          where debit_account_id = asked.account_id and status = 'open'
            and expire_time <= asked.time
          order by expire_time limit ${holdsMax})
        union all
        (select ledger_id, hold_sequence, expire_time from hold
          where credit_account_id = asked.account_id
            and captured_minor + voided_minor < held_minor
            and expire_time <= asked.time
          order by expire_time limit ${holdsMax})
      ) side
      order by expire_time, ledger_id, hold_sequence
      limit ${holdsMax}
    ) due
    join hold using (ledger_id, hold_sequence)
    join journal on journal.ledger_id = due.ledger_id and journal.sequence = hold_sequence
  `;
}

export type WrittenHold = Hold & {
  readonly ledgerId: bigint;
  readonly debitAccountId: bigint;
  readonly creditAccountId: bigint;
};

/** A part of the one statement that writes a batch. */
export function insertHolds(tx: Tx, rows: readonly WrittenHold[]) {
  return tx`
    insert into hold (ledger_id, hold_sequence, debit_account_id, credit_account_id, held_minor,
      captured_minor, voided_minor, tolerance_minor, status, expire_time, sequence)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.holdSequence))}::bigint[],
      ${bigints(rows.map((row) => row.debitAccountId))}::bigint[],
      ${bigints(rows.map((row) => row.creditAccountId))}::bigint[],
      ${bigints(rows.map((row) => row.heldMinor))}::bigint[],
      ${bigints(rows.map((row) => row.capturedMinor))}::bigint[],
      ${bigints(rows.map((row) => row.voidedMinor))}::bigint[],
      ${bigints(rows.map((row) => row.toleranceMinor))}::bigint[],
      ${texts(rows.map((row) => row.status))}::text[],
      ${times(rows.map((row) => row.expireTime))}::timestamptz[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[])
    on conflict (ledger_id, hold_sequence) do update set held_minor = excluded.held_minor,
      captured_minor = excluded.captured_minor, voided_minor = excluded.voided_minor,
      status = excluded.status, sequence = excluded.sequence
  `;
}
