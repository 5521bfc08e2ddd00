// The parts of the one statement that writes a batch, a table each. They are fragments: nothing
// runs until they are put together.

import type { Tx } from "#mesh/database/pool.ts";
import { hashAlgorithm, hashFormatVersion, type JournalRow } from "../journal.ts";
import { growsByDebits } from "../rules/limits.ts";
import type {
  Account,
  Asset,
  KeyUse,
  NumberedEntry,
  Payment,
  ReportedFact,
  Time,
  Transaction,
} from "../rules/records.ts";
import { bigints, bytes, integers, texts, times } from "./sql-arrays.ts";

export type OfLedger<T> = T & { readonly ledgerId: bigint };

export type BatchRow = {
  readonly ledgerId: bigint;
  readonly displayName: string;
  readonly recordedTime: Time;
  readonly firstSequence: bigint;
  readonly lastSequence: bigint;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
  /** End of the ledger's last closed period. */
  readonly closedTime: Time | undefined;
};

export type StateRow = Account & { readonly accountId: bigint };

export type EntryRow = NumberedEntry & { readonly accountId: bigint };

export type TracedRow = OfLedger<JournalRow> & { readonly traceparent: string | undefined };

export function journal(tx: Tx, rows: readonly TracedRow[]) {
  return tx`
    insert into journal (ledger_id, sequence, subject, data, traceparent)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${texts(rows.map((row) => row.subject))}::text[],
      ${bytes(rows.map((row) => row.data))}::bytea[],
      ${texts(rows.map((row) => row.traceparent))}::text[])
  `;
}

export function batches(tx: Tx, rows: readonly BatchRow[]) {
  return tx`
    insert into batch (ledger_id, first_sequence, last_sequence, recorded_time, previous_hash,
      hash, algorithm, format_version)
    select row.*, ${hashAlgorithm}::text, ${hashFormatVersion}::int from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.firstSequence))}::bigint[],
      ${bigints(rows.map((row) => row.lastSequence))}::bigint[],
      ${times(rows.map((row) => row.recordedTime))}::timestamptz[],
      ${bytes(rows.map((row) => row.previousHash))}::bytea[],
      ${bytes(rows.map((row) => row.hash))}::bytea[]) as row
  `;
}

export function heads(tx: Tx, rows: readonly BatchRow[]) {
  return tx`
    update ledger set head_sequence = row.head_sequence, head_hash = row.head_hash,
      recorded_time = row.recorded_time, display_name = row.display_name,
      closed_time = row.closed_time,
      create_time = case when ledger.head_sequence = 0 then row.recorded_time
        else ledger.create_time end
    from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.lastSequence))}::bigint[],
      ${bytes(rows.map((row) => row.hash))}::bytea[],
      ${times(rows.map((row) => row.recordedTime))}::timestamptz[],
      ${texts(rows.map((row) => row.displayName))}::text[],
      ${times(rows.map((row) => row.closedTime))}::timestamptz[]
    ) as row (ledger_id, head_sequence, head_hash, recorded_time, display_name, closed_time)
    where ledger.id = row.ledger_id
  `;
}

export function assets(tx: Tx, rows: readonly OfLedger<Asset>[]) {
  return tx`
    insert into asset (ledger_id, asset_code, scale, registered_sequence, posted_minor)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${texts(rows.map((row) => row.assetCode))}::text[],
      ${integers(rows.map((row) => row.scale))}::int[],
      ${bigints(rows.map((row) => row.registeredSequence))}::bigint[],
      ${bigints(rows.map((row) => row.postedMinor))}::bigint[])
    on conflict (ledger_id, asset_code) do update set posted_minor = excluded.posted_minor
  `;
}

export function states(tx: Tx, rows: readonly StateRow[]) {
  return tx`
    insert into account_state (account_id, debits_minor, credits_minor, version, sequence,
      grows_by_debits, debits_pending_minor, credits_pending_minor, status, floor_minor,
      ceiling_minor, changed_sequence, effective_time_max)
    select * from unnest(
      ${bigints(rows.map((row) => row.accountId))}::bigint[],
      ${bigints(rows.map((row) => row.debitsMinor))}::bigint[],
      ${bigints(rows.map((row) => row.creditsMinor))}::bigint[],
      ${bigints(rows.map((row) => row.version))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${texts(rows.map((row) => String(growsByDebits(row.kind))))}::boolean[],
      ${bigints(rows.map((row) => row.debitsPendingMinor))}::bigint[],
      ${bigints(rows.map((row) => row.creditsPendingMinor))}::bigint[],
      ${texts(rows.map((row) => row.status))}::text[],
      ${bigints(rows.map((row) => row.limits.floorMinor))}::bigint[],
      ${bigints(rows.map((row) => row.limits.ceilingMinor))}::bigint[],
      ${bigints(rows.map((row) => row.changedSequence))}::bigint[],
      ${times(rows.map((row) => row.effectiveTimeMax))}::timestamptz[])
    on conflict (account_id) do update set debits_minor = excluded.debits_minor,
      credits_minor = excluded.credits_minor, version = excluded.version,
      sequence = excluded.sequence, debits_pending_minor = excluded.debits_pending_minor,
      credits_pending_minor = excluded.credits_pending_minor, status = excluded.status,
      floor_minor = excluded.floor_minor, ceiling_minor = excluded.ceiling_minor,
      changed_sequence = excluded.changed_sequence,
      effective_time_max = excluded.effective_time_max
  `;
}

export function transactions(
  tx: Tx,
  rows: readonly OfLedger<Transaction & { recordedTime: Time }>[],
) {
  return tx`
    insert into transaction (ledger_id, sequence, legs, effective_time, recorded_time,
      reverses_sequence, payment_sequence)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${integers(rows.map((row) => row.entries.length))}::int[],
      ${times(rows.map((row) => row.effectiveTime))}::timestamptz[],
      ${times(rows.map((row) => row.recordedTime))}::timestamptz[],
      ${bigints(rows.map((row) => row.reversesSequence || undefined))}::bigint[],
      ${bigints(rows.map((row) => row.payment?.firstSequence))}::bigint[])
  `;
}

export function entries(tx: Tx, rows: readonly EntryRow[]) {
  return tx`
    insert into entry (account_id, version, sequence, amount_minor, debits_minor_after,
      credits_minor_after, effective_time, effective_time_max)
    select * from unnest(
      ${bigints(rows.map((row) => row.accountId))}::bigint[],
      ${bigints(rows.map((row) => row.version))}::bigint[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${bigints(rows.map((row) => row.amountMinor))}::bigint[],
      ${bigints(rows.map((row) => row.debitsMinorAfter))}::bigint[],
      ${bigints(rows.map((row) => row.creditsMinorAfter))}::bigint[],
      ${times(rows.map((row) => row.effectiveTime))}::timestamptz[],
      ${times(rows.map((row) => row.effectiveTimeMax))}::timestamptz[])
  `;
}

export function keys(tx: Tx, rows: readonly OfLedger<KeyUse>[]) {
  return tx`
    insert into idempotency (ledger_id, key, digest, sequence, refused)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${texts(rows.map((row) => row.key))}::text[],
      ${bytes(rows.map((row) => Buffer.from(row.digest, "hex")))}::bytea[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[],
      ${texts(rows.map((row) => String(row.refused)))}::boolean[])
  `;
}

export function facts(tx: Tx, rows: readonly OfLedger<ReportedFact>[]) {
  return tx`
    insert into fact (ledger_id, key, content, sequence)
    select * from unnest(
      ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
      ${texts(rows.map((row) => row.key))}::text[],
      ${texts(rows.map((row) => row.content))}::text[],
      ${bigints(rows.map((row) => row.sequence))}::bigint[])
  `;
}

/** Those that begin here. An upsert would look twice for what cannot be there. */
export function newPayments(tx: Tx, rows: readonly OfLedger<Payment>[]) {
  return tx`
    insert into payment (${paymentColumns(tx)}) select * from ${paymentRows(tx, rows)}
  `;
}

export function changedPayments(tx: Tx, rows: readonly OfLedger<Payment>[]) {
  return tx`
    insert into payment (${paymentColumns(tx)}) select * from ${paymentRows(tx, rows)}
    on conflict (ledger_id, payment_id) do update set
      refunds_named_minor = excluded.refunds_named_minor,
      refunds_stated_minor = excluded.refunds_stated_minor,
      refunds_failed_minor = excluded.refunds_failed_minor,
      disputed_minor = excluded.disputed_minor, lost_minor = excluded.lost_minor,
      sequence = excluded.sequence
  `;
}

function paymentColumns(tx: Tx) {
  return tx`ledger_id, payment_id, order_id, currency_code, paid_minor, refunds_named_minor,
    refunds_stated_minor, refunds_failed_minor, disputed_minor, lost_minor, first_sequence,
    sequence`;
}

function paymentRows(tx: Tx, rows: readonly OfLedger<Payment>[]) {
  return tx`unnest(
    ${bigints(rows.map((row) => row.ledgerId))}::bigint[],
    ${texts(rows.map((row) => row.paymentId))}::text[],
    ${texts(rows.map((row) => row.orderId))}::text[],
    ${texts(rows.map((row) => row.currencyCode))}::text[],
    ${bigints(rows.map((row) => row.paidMinor))}::bigint[],
    ${bigints(rows.map((row) => row.refundsNamedMinor))}::bigint[],
    ${bigints(rows.map((row) => row.refundsStatedMinor))}::bigint[],
    ${bigints(rows.map((row) => row.refundsFailedMinor))}::bigint[],
    ${bigints(rows.map((row) => row.disputedMinor))}::bigint[],
    ${bigints(rows.map((row) => row.lostMinor))}::bigint[],
    ${bigints(rows.map((row) => row.firstSequence))}::bigint[],
    ${bigints(rows.map((row) => row.sequence))}::bigint[])`;
}
