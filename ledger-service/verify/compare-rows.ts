// Compares what some facts must have left behind with what stands in the tables, found by its key.
// Rows that nobody asked for are found by counting, in compare-counts.ts.

import type { Tx } from "#mesh/database/pool.ts";
import { bigints, integers, texts } from "../store/sql-arrays.ts";
import type {
  Expected,
  ExpectedEntry,
  ExpectedHold,
  ExpectedMark,
  ExpectedPeriod,
  ExpectedRelease,
  ExpectedSuspense,
  ReplayedAccount,
} from "./expected.ts";
import { compareRow, type Findings, type Row } from "./findings.ts";

/** What was found where it belongs, ledger-wide. */
export type Counts = {
  keys: bigint;
  providerTransactions: bigint;
  payments: bigint;
  settledPayments: bigint;
  holds: bigint;
  settledHolds: bigint;
  periods: bigint;
  suspended: bigint;
  released: bigint;
  reversedEntries: bigint;
  notes: bigint;
};

export function createCounts(): Counts {
  return {
    keys: 0n,
    providerTransactions: 0n,
    payments: 0n,
    settledPayments: 0n,
    holds: 0n,
    settledHolds: 0n,
    periods: 0n,
    suspended: 0n,
    released: 0n,
    reversedEntries: 0n,
    notes: 0n,
  };
}

export type Comparison = {
  readonly tx: Tx;
  /** Of the ledger. */
  readonly id: bigint;
  readonly findings: Findings;
  readonly counts: Counts;
  /** As far as the index of notes goes. */
  readonly notesUntil: bigint;
};

export async function compareRows(comparison: Comparison, expected: Expected): Promise<void> {
  await Promise.all([
    compareEntries(comparison, expected.entries),
    compareHolds(comparison, expected.holds),
    comparePeriods(comparison, expected.periods),
    compareSuspended(comparison, expected.suspended),
    compareReleased(comparison, expected.released),
    compareMarks(comparison, expected.marks),
  ]);
}

/** Comes first: it learns on the way what the accounts are called in their table. */
export async function compareOpened(
  { tx, id, findings }: Comparison,
  opened: readonly ReplayedAccount[],
): Promise<void> {
  if (opened.length === 0) return;
  const rows = await tx<(Row & { name: string; accountId: bigint })[]>`
    select account_code || ' ' || asset_code as name, account_id as "accountId", kind,
      opened_sequence, (extract(epoch from open_time) * 1000000)::bigint as open_time
    from unnest(
      ${texts(opened.map(({ accountCode }) => accountCode))}::text[],
      ${texts(opened.map(({ assetCode }) => assetCode))}::text[])
      as asked (account_code, asset_code)
    join account using (account_code, asset_code)
    where ledger_id = ${id}
  `;
  const stored = new Map(rows.map((row) => [row.name, row]));
  for (const account of opened) {
    const { name, kind, openedSequence: sequence, openMicros } = account;
    const row = stored.get(name);
    account.accountId = row?.accountId;
    const subject = { projection: "account", sequence, name: `account ${name}` } as const;
    compareRow(findings, subject, { kind, opened_sequence: sequence, open_time: openMicros }, row);
  }
}

async function compareEntries(
  { tx, findings }: Comparison,
  entries: readonly ExpectedEntry[],
): Promise<void> {
  const known = entries.filter(({ account }) => account.accountId !== undefined);
  if (known.length === 0) return;
  const rows = await tx<(Row & { place: number })[]>`
    select place, entry.sequence, amount_minor, debits_minor_after, credits_minor_after,
      (extract(epoch from effective_time) * 1000000)::bigint as effective_time,
      (extract(epoch from effective_time_max) * 1000000)::bigint as effective_time_max
    from unnest(
      ${bigints(known.map(({ account }) => account.accountId))}::bigint[],
      ${bigints(known.map(({ version }) => version))}::bigint[],
      ${integers(known.keys())}::int[]) as asked (account_id, version, place)
    join entry using (account_id, version)
  `;
  const stored = new Map(rows.map((row) => [row.place, row]));
  for (const [place, entry] of known.entries()) {
    const { sequence, version, account } = entry;
    const name = `entry ${version} of ${account.name}`;
    compareRow(
      findings,
      { projection: "entry", sequence, name },
      {
        sequence,
        amount_minor: entry.amountMinor,
        debits_minor_after: entry.debitsMinorAfter,
        credits_minor_after: entry.creditsMinorAfter,
        effective_time: entry.effectiveMicros,
        effective_time_max: entry.effectiveMicrosMax,
      },
      stored.get(place),
    );
  }
}

/** A row says the latest about its hold: it is compared where the journal has come to that. */
async function compareHolds(
  { tx, id, findings, counts }: Comparison,
  holds: readonly ExpectedHold[],
): Promise<void> {
  if (holds.length === 0) return;
  const rows = await tx<(Row & { hold_sequence: bigint; sequence: bigint })[]>`
    select hold_sequence, debit_account_id, credit_account_id, held_minor, captured_minor,
      voided_minor, tolerance_minor, remaining_minor, status, sequence,
      (extract(epoch from expire_time) * 1000000)::bigint as expire_time
    from hold
    where ledger_id = ${id}
      and hold_sequence = any(${bigints(holds.map((hold) => hold.holdSequence))}::bigint[])
  `;
  const stored = new Map(rows.map((row) => [row.hold_sequence, row]));
  for (const hold of holds) {
    const { holdSequence, sequence, debit, credit } = hold;
    if (holdSequence === sequence) counts.holds += 1n;
    const row = stored.get(holdSequence);
    if (row && row.sequence > sequence) continue;
    if (row?.sequence === sequence) counts.settledHolds += 1n;
    compareRow(
      findings,
      { projection: "hold", sequence, name: `hold ${holdSequence}` },
      {
        sequence,
        debit_account_id: debit.accountId ?? null,
        credit_account_id: credit.accountId ?? null,
        held_minor: hold.heldMinor,
        captured_minor: hold.capturedMinor,
        voided_minor: hold.voidedMinor,
        tolerance_minor: hold.toleranceMinor,
        remaining_minor: hold.remainingMinor,
        status: hold.status,
        expire_time: hold.expireMicros,
      },
      row,
    );
  }
}

async function comparePeriods(
  { tx, id, findings, counts }: Comparison,
  periods: readonly ExpectedPeriod[],
): Promise<void> {
  if (periods.length === 0) return;
  const rows = await tx<(Row & { closed_sequence: bigint })[]>`
    select closed_sequence, description,
      (extract(epoch from end_time) * 1000000)::bigint as end_time,
      (extract(epoch from close_time) * 1000000)::bigint as close_time
    from period
    where ledger_id = ${id} and closed_sequence =
      any(${bigints(periods.map(({ closedSequence }) => closedSequence))}::bigint[])
  `;
  const stored = new Map(rows.map((row) => [row.closed_sequence, row]));
  for (const { closedSequence: sequence, endMicros, closeMicros, description } of periods) {
    counts.periods += 1n;
    const name = `period closed by ${sequence}`;
    const expected = { end_time: endMicros, close_time: closeMicros, description };
    compareRow(findings, { projection: "period", sequence, name }, expected, stored.get(sequence));
  }
}

async function compareSuspended(
  comparison: Comparison,
  suspended: readonly ExpectedSuspense[],
): Promise<void> {
  if (suspended.length === 0) return;
  const stored = await readSuspense(comparison, suspended);
  for (const [place, item] of suspended.entries()) {
    const { sequence, entryIndex, account, suspense, version, reason } = item;
    comparison.counts.suspended += 1n;
    compareRow(
      comparison.findings,
      { projection: "suspense", sequence, name: `suspended entry ${entryIndex} of ${sequence}` },
      {
        account_id: account.accountId ?? null,
        suspense_account_id: suspense.accountId ?? null,
        suspense_version: version,
        reason,
      },
      stored.get(place),
    );
  }
}

async function compareReleased(
  comparison: Comparison,
  released: readonly ExpectedRelease[],
): Promise<void> {
  if (released.length === 0) return;
  const asked = released.map(({ ofSequence, ofEntryIndex }) => {
    return { sequence: ofSequence, entryIndex: ofEntryIndex };
  });
  const stored = await readSuspense(comparison, asked);
  for (const [place, { sequence, version, ofSequence, ofEntryIndex }] of released.entries()) {
    comparison.counts.released += 1n;
    compareRow(
      comparison.findings,
      { projection: "suspense", sequence, name: `release of ${ofEntryIndex} of ${ofSequence}` },
      { released_sequence: sequence, released_version: version },
      stored.get(place),
    );
  }
}

async function readSuspense(
  { tx, id }: Comparison,
  asked: readonly { readonly sequence: bigint; readonly entryIndex: number }[],
): Promise<ReadonlyMap<number, Row>> {
  const rows = await tx<(Row & { place: number })[]>`
    select place, account_id, suspense_account_id, suspense_version, reason, released_sequence,
      released_version
    from unnest(
      ${bigints(asked.map(({ sequence }) => sequence))}::bigint[],
      ${integers(asked.map(({ entryIndex }) => entryIndex))}::int[],
      ${integers(asked.keys())}::int[]) as asked (sequence, entry_index, place)
    join suspense_item using (sequence, entry_index)
    where ledger_id = ${id}
  `;
  return new Map(rows.map((row) => [row.place, row]));
}

/** They are made in the background: one that is not there yet is no problem. */
async function compareMarks(
  { tx, findings }: Comparison,
  marks: readonly ExpectedMark[],
): Promise<void> {
  const known = marks.filter(({ account }) => account.accountId !== undefined);
  if (known.length === 0) return;
  const rows = await tx<(Row & { place: number })[]>`
    select place, late_mark.version, debits_minor, credits_minor
    from unnest(
      ${bigints(known.map(({ account }) => account.accountId))}::bigint[],
      ${bigints(known.map(({ number }) => number))}::bigint[],
      ${integers(known.keys())}::int[]) as asked (account_id, number, place)
    join late_mark using (account_id, number)
  `;
  for (const row of rows) {
    const { account, number, version, debitsMinor, creditsMinor } = known[row.place]!;
    const name = `mark ${number} of the late entries of ${account.name}`;
    const expected = { version, debits_minor: debitsMinor, credits_minor: creditsMinor };
    compareRow(findings, { projection: "entry", sequence: account.sequence, name }, expected, row);
  }
}
