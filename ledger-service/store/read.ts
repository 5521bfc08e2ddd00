// Reads for callers. Each takes what it needs in one statement, so what it returns was true at one
// moment, without locks.

import type { Pool } from "#mesh/database/pool.ts";
import type { AccountKind } from "../rules/chart.ts";
import type { Account, Payment, Time } from "../rules/records.ts";
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
  const rows = await pool<WithMicros<LedgerRow, "createTime">[]>`
    select ${ledgerColumns(pool)} from ledger
    where head_sequence > 0
      and ledger_code > coalesce((select ledger_code from ledger where id = ${after}), '')
      and (${only}::text[] is null or ledger_code = any(${only}::text[]))
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

type StoredAccount = Omit<AccountRow, "openTime" | "limits" | "effectiveTimeMax" | "metadata"> & {
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

export async function listAccounts(
  pool: Pool,
  id: bigint,
  { after, limit, codePrefix }: { after: bigint; limit: number; codePrefix: string },
): Promise<AccountRow[]> {
  const rows = await pool<StoredAccount[]>`
    select ${accountColumns(pool)}
    from account join account_state using (account_id)
    where ledger_id = ${id}
      and (account_code, asset_code) > (
        coalesce((select account_code from account where account_id = ${after}), ''),
        coalesce((select asset_code from account where account_id = ${after}), ''))
      and (${codePrefix} = '' or account_code = ${codePrefix}
        or starts_with(account_code, ${`${codePrefix}:`}))
    order by account_code, asset_code
    limit ${limit}
  `;
  return rows.map(accountOf);
}

/** Every account and the sequence up to which it counts, as of one moment. */
export async function readTrialBalance(
  pool: Pool,
  ledgerId: string,
): Promise<{ sequence: bigint; accounts: AccountRow[] } | undefined> {
  const rows = await pool<(StoredAccount & { headSequence: bigint })[]>`
    select head_sequence as "headSequence", ${accountColumns(pool)}
    from ledger
    left join (account join account_state using (account_id)) on ledger_id = id
    where ledger_code = ${ledgerId} and head_sequence > 0
    order by account_code, asset_code
  `;
  const [first] = rows;
  if (!first) return undefined;
  const accounts = rows.filter((row) => row.accountId !== null).map(accountOf);
  return { sequence: first.headSequence, accounts };
}

export type EntryRow = {
  readonly sequence: bigint;
  readonly version: bigint;
  readonly amountMinor: bigint;
  readonly debitsMinorAfter: bigint;
  readonly creditsMinorAfter: bigint;
  readonly effectiveTime: Time;
};

export async function listEntries(
  pool: Pool,
  { accountId, after, limit }: { accountId: bigint; after: bigint; limit: number },
): Promise<EntryRow[]> {
  const rows = await pool<WithMicros<EntryRow, "effectiveTime">[]>`
    select entry.sequence, version, amount_minor as "amountMinor",
      debits_minor_after as "debitsMinorAfter", credits_minor_after as "creditsMinorAfter",
      (extract(epoch from effective_time) * 1000000)::bigint as "effectiveMicros"
    from entry
    where account_id = ${accountId} and version > ${after}
    order by version
    limit ${limit}
  `;
  return rows.map(({ effectiveMicros, ...row }) => {
    return { ...row, effectiveTime: timeOfMicros(effectiveMicros) };
  });
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

/** A provider's fact comes first: no caller's key can stand before it. */
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
    join journal on journal.ledger_id = ${id} and journal.sequence = named.sequence
    order by place
    limit 1
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

type WithMicros<T, K extends "createTime" | "openTime" | "effectiveTime"> = Omit<T, K> &
  Record<K extends `${infer N}Time` ? `${N}Micros` : never, bigint>;

function ledgerColumns(pool: Pool) {
  return pool`id, ledger_code as "ledgerId", display_name as "displayName",
    head_sequence as "headSequence", head_hash as "headHash",
    (extract(epoch from create_time) * 1000000)::bigint as "createMicros"`;
}

function ledgerOf({ createMicros, ...row }: WithMicros<LedgerRow, "createTime">): LedgerRow {
  return { ...row, createTime: timeOfMicros(createMicros) };
}

function accountColumns(pool: Pool) {
  return pool`account_id as "accountId", account_code as "accountCode",
    asset_code as "assetCode", kind, opened_sequence as "openedSequence",
    (extract(epoch from open_time) * 1000000)::bigint as "openMicros",
    debits_minor as "debitsMinor", credits_minor as "creditsMinor", version,
    account_state.sequence, status, floor_minor as "floorMinor", ceiling_minor as "ceilingMinor",
    debits_pending_minor as "debitsPendingMinor", credits_pending_minor as "creditsPendingMinor",
    changed_sequence as "changedSequence"`;
}

function accountOf({ openMicros, floorMinor, ceilingMinor, ...row }: StoredAccount): AccountRow {
  return {
    ...row,
    kind: row.kind as AccountKind,
    openTime: timeOfMicros(openMicros),
    limits: { floorMinor: floorMinor ?? undefined, ceilingMinor: ceilingMinor ?? undefined },
    effectiveTimeMax: undefined,
    metadata: undefined,
  };
}
