// Reads for callers. Each takes what it needs in one statement, so what it returns was true at one
// moment, without locks.

import type { Pool } from "#mesh/database/pool.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { Account, Payment, Time } from "../rules/records.ts";
import { pendingColumns } from "./read-holds.ts";
import { texts, timeOfMicros } from "./sql-arrays.ts";

export type LedgerRow = {
  readonly id: bigint;
  readonly ledgerId: string;
  readonly displayName: string;
  readonly headSequence: bigint;
  readonly headHash: Uint8Array;
  readonly createTime: Time;
};

/** Undefined when nothing was ever written to it. */
export async function readLedger(pool: Pool, ledgerId: string): Promise<LedgerRow | undefined> {
  const [row] = await pool<WithMicros<LedgerRow, "createTime">[]>`
    select ${ledgerColumns(pool)} from ledger
    where ledger_code = ${ledgerId} and head_sequence > 0
  `;
  return row && ledgerOf(row);
}

export async function listLedgers(
  pool: Pool,
  options: { after: bigint; limit: number; ledgerIds: ReadonlySet<string> | "all" },
): Promise<LedgerRow[]> {
  const { after, limit, ledgerIds } = options;
  const only = ledgerIds === "all" ? null : texts(ledgerIds);
  // A token that names a ledger of somebody else's tells nothing of it.
  const granted = pool`(${only}::text[] is null or ledger_code = any(${only}::text[]))`;
  const rows = await pool<WithMicros<LedgerRow, "createTime">[]>`
    select ${ledgerColumns(pool)} from ledger
    where head_sequence > 0 and ${granted} and ledger_code > coalesce((
      select ledger_code from ledger where id = ${after} and ${granted}), '')
    order by ledger_code
    limit ${limit}
  `;
  return rows.map(ledgerOf);
}

export type AssetRow = { readonly assetCode: string; readonly scale: number };

export async function listAssets(pool: Pool, id: bigint): Promise<AssetRow[]> {
  return pool<AssetRow[]>`
    select asset_code as "assetCode", scale from asset where ledger_id = ${id} order by asset_code
  `;
}

export type AccountRow = Account & { readonly accountId: bigint };

export type StoredAccount = Omit<
  AccountRow,
  "openTime" | "limits" | "effectiveTimeMax" | "metadata"
> & {
  readonly openMicros: bigint;
  readonly floorMinor: bigint | null;
  readonly ceilingMinor: bigint | null;
};

export async function readAccount(
  pool: Pool,
  id: bigint,
  key: { accountCode: string; assetCode: string },
): Promise<AccountRow | undefined> {
  const [row] = await pool<StoredAccount[]>`
    select ${accountColumns(pool)}
    from account join account_state using (account_id)
    where ledger_id = ${id} and account_code = ${key.accountCode} and asset_code = ${key.assetCode}
  `;
  return row && accountOf(row);
}

/** The bytes of TransactionPosted, by sequence. */
export type PostedRow = { readonly sequence: bigint; readonly data: Uint8Array };

export async function readPosted(
  pool: Pool,
  id: bigint,
  sequence: bigint,
): Promise<PostedRow | undefined> {
  const [row] = await pool<PostedRow[]>`
    select sequence, data
    from transaction join journal using (ledger_id, sequence)
    where ledger_id = ${id} and sequence = ${sequence}
  `;
  return row;
}

/**
 * A provider's fact comes first: no caller's key can stand before it. Keys of holds, accounts and
 * periods name no transaction.
 */
export async function readPostedByKey(
  pool: Pool,
  id: bigint,
  key: string,
): Promise<PostedRow | undefined> {
  const [row] = await pool<PostedRow[]>`
    select journal.sequence, data
    from (
      select 1 as place, sequence from fact
      where ledger_id = ${id} and key = ${key} and sequence is not null
      union all
      select 2, sequence from idempotency
      where ledger_id = ${id} and key = ${key} and not refused
    ) named
    join transaction on transaction.ledger_id = ${id} and transaction.sequence = named.sequence
    join journal on journal.ledger_id = ${id} and journal.sequence = named.sequence
    order by place
    limit 1
  `;
  return row;
}

export type KeyRow = { readonly sequence: bigint; readonly refused: boolean };

/** What became of a caller's request, of whatever kind. */
export async function readKey(pool: Pool, id: bigint, key: string): Promise<KeyRow | undefined> {
  const [row] = await pool<KeyRow[]>`
    select sequence, refused from idempotency where ledger_id = ${id} and key = ${key}
  `;
  return row;
}

export async function listPosted(
  pool: Pool,
  id: bigint,
  { after, limit, paymentId }: { after: bigint; limit: number; paymentId: string },
): Promise<PostedRow[]> {
  if (paymentId === "") {
    return pool<PostedRow[]>`
      select sequence, data
      from transaction join journal using (ledger_id, sequence)
      where ledger_id = ${id} and sequence > ${after}
      order by sequence
      limit ${limit}
    `;
  }
  return pool<PostedRow[]>`
    with caused as (
      select first_sequence as sequence from payment
      where ledger_id = ${id} and payment_id = ${paymentId}
      union all
      select later.sequence
      from payment
      join transaction later on later.ledger_id = payment.ledger_id
        and later.payment_sequence = payment.first_sequence
        and later.payment_sequence <> later.sequence
      where payment.ledger_id = ${id} and payment_id = ${paymentId}
    )
    select journal.sequence, data
    from caused join journal on journal.ledger_id = ${id} and journal.sequence = caused.sequence
    where caused.sequence > ${after}
    order by journal.sequence
    limit ${limit}
  `;
}

export async function listPayments(
  pool: Pool,
  id: bigint,
  { after, limit, orderId }: { after: string; limit: number; orderId: string },
): Promise<Payment[]> {
  return pool<Payment[]>`
    select payment_id as "paymentId", order_id as "orderId", currency_code as "currencyCode",
      paid_minor as "paidMinor", refunds_named_minor as "refundsNamedMinor",
      refunds_stated_minor as "refundsStatedMinor", refunds_failed_minor as "refundsFailedMinor",
      disputed_minor as "disputedMinor", lost_minor as "lostMinor",
      first_sequence as "firstSequence", sequence
    from payment
    where ledger_id = ${id} and payment_id > ${after}
      ${orderId === "" ? pool`` : pool`and order_id = ${orderId} and order_id <> ''`}
    order by payment_id
    limit ${limit}
  `;
}

type WithMicros<T, K extends "createTime" | "openTime"> = Omit<T, K> &
  Record<K extends `${infer N}Time` ? `${N}Micros` : never, bigint>;

function ledgerColumns(pool: Pool) {
  return pool`id, ledger_code as "ledgerId", display_name as "displayName",
    head_sequence as "headSequence", head_hash as "headHash",
    (extract(epoch from create_time) * 1000000)::bigint as "createMicros"`;
}

function ledgerOf({ createMicros, ...row }: WithMicros<LedgerRow, "createTime">): LedgerRow {
  return { ...row, createTime: timeOfMicros(createMicros) };
}

export function accountColumns(pool: Pool) {
  return pool`account_id as "accountId", account_code as "accountCode",
    asset_code as "assetCode", kind, opened_sequence as "openedSequence",
    (extract(epoch from open_time) * 1000000)::bigint as "openMicros",
    debits_minor as "debitsMinor", credits_minor as "creditsMinor", version,
    account_state.sequence, status, floor_minor as "floorMinor", ceiling_minor as "ceilingMinor",
    ${pendingColumns(pool)},
    changed_sequence as "changedSequence"`;
}

export function accountOf({
  openMicros,
  floorMinor,
  ceilingMinor,
  ...row
}: StoredAccount): AccountRow {
  return {
    ...row,
    kind: row.kind as AccountKind,
    openTime: timeOfMicros(openMicros),
    limits: { floorMinor: floorMinor ?? undefined, ceilingMinor: ceilingMinor ?? undefined },
    effectiveTimeMax: undefined,
    metadata: undefined,
  };
}
