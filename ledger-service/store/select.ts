// The selects behind a batch, one function a statement. Lists are asked for with `= any`, ledgers and
// names apart: its plan cannot turn against a table that has grown since. It may return a name of
// another ledger of the batch, which does no harm.

import type { Tx } from "#mesh/database/pool.ts";
import type { JournalRow } from "../journal.ts";
import type {
  Account,
  AccountKey,
  Asset,
  KeyUse,
  Payment,
  ReportedFact,
} from "../rules/records.ts";
import { bigints, texts } from "./sql-arrays.ts";

export type OfLedger = { readonly ledgerId: bigint };

export async function readAssets(tx: Tx, ids: string, codes: ReadonlySet<string>) {
  if (codes.size === 0) return [];
  return tx<(OfLedger & Asset)[]>`
    select ${assetColumns(tx)}
    from asset
    where ledger_id = any(${ids}::bigint[]) and asset_code = any(${texts(codes)}::text[])
  `;
}

export type AccountRow = OfLedger &
  Omit<Account, "openTime" | "effectiveTimeMax" | "limits" | "metadata"> & {
    readonly accountId: bigint;
    readonly openMicros: bigint;
    readonly effectiveMicrosMax: bigint | null;
    readonly floorMinor: bigint | null;
    readonly ceilingMinor: bigint | null;
  };

export async function readAccounts(tx: Tx, ids: string, accounts: readonly AccountKey[]) {
  if (accounts.length === 0) return [];
  const codes = new Set(accounts.map(({ accountCode }) => accountCode));
  const assets = new Set(accounts.map(({ assetCode }) => assetCode));
  return tx<AccountRow[]>`
    select ${accountColumns(tx)}
    from account join account_state using (account_id)
    where ledger_id = any(${ids}::bigint[]) and account_code = any(${texts(codes)}::text[])
      and asset_code = any(${texts(assets)}::text[])
  `;
}

export async function readKeys(tx: Tx, ids: string, keys: ReadonlySet<string>) {
  if (keys.size === 0) return [];
  return tx<(OfLedger & KeyUse)[]>`
    select ledger_id as "ledgerId", key, encode(digest, 'hex') as digest, sequence, refused
    from idempotency
    where ledger_id = any(${ids}::bigint[]) and key = any(${texts(keys)}::text[])
  `;
}

export async function readReported(tx: Tx, ids: string, names: ReadonlySet<string>) {
  if (names.size === 0) return [];
  return tx<(OfLedger & Omit<ReportedFact, "sequence"> & { sequence: bigint | null })[]>`
    select ledger_id as "ledgerId", key, content, sequence
    from fact
    where ledger_id = any(${ids}::bigint[]) and key = any(${texts(names)}::text[])
  `;
}

export async function readPayments(tx: Tx, ids: string, paymentIds: ReadonlySet<string>) {
  if (paymentIds.size === 0) return [];
  return tx<(OfLedger & Payment)[]>`
    select ledger_id as "ledgerId", payment_id as "paymentId", order_id as "orderId",
      currency_code as "currencyCode", paid_minor as "paidMinor",
      refunds_named_minor as "refundsNamedMinor", refunds_stated_minor as "refundsStatedMinor",
      refunds_failed_minor as "refundsFailedMinor", disputed_minor as "disputedMinor",
      lost_minor as "lostMinor", first_sequence as "firstSequence", sequence
    from payment
    where ledger_id = any(${ids}::bigint[]) and payment_id = any(${texts(paymentIds)}::text[])
  `;
}

export async function readJournal(tx: Tx, ids: string, sequences: ReadonlySet<bigint>) {
  if (sequences.size === 0) return [];
  return tx<(OfLedger & JournalRow)[]>`
    select ledger_id as "ledgerId", sequence, subject, data
    from journal
    where ledger_id = any(${ids}::bigint[]) and sequence = any(${bigints(sequences)}::bigint[])
  `;
}

export function assetColumns(tx: Tx) {
  return tx`asset.ledger_id as "ledgerId", asset_code as "assetCode", scale,
    registered_sequence as "registeredSequence", posted_minor as "postedMinor"`;
}

export function accountColumns(tx: Tx) {
  return tx`account.ledger_id as "ledgerId", account_id as "accountId",
    account_code as "accountCode", asset_code as "assetCode", kind,
    opened_sequence as "openedSequence",
    (extract(epoch from open_time) * 1000000)::bigint as "openMicros",
    debits_minor as "debitsMinor", credits_minor as "creditsMinor", version,
    account_state.sequence, status, floor_minor as "floorMinor",
    ceiling_minor as "ceilingMinor", debits_pending_minor as "debitsPendingMinor",
    credits_pending_minor as "creditsPendingMinor", changed_sequence as "changedSequence",
    (extract(epoch from effective_time_max) * 1000000)::bigint as "effectiveMicrosMax"`;
}
