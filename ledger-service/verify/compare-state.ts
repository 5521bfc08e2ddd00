// Compares, once the journal is told to its end, what the tables keep one row of for each account,
// asset and ledger, and counts the rows of those that grow: too many are what no fact tells of.

import { fromBinary } from "@bufbuild/protobuf";
import { AccountOpenedSchema, AccountUpdatedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { JournalRow } from "../journal.ts";
import { bigints } from "../store/sql-arrays.ts";
import type { ReplayedBooks } from "./books.ts";
import type { Chain } from "./chain.ts";
import type { Comparison } from "./compare-rows.ts";
import type { ReplayedAccount } from "./expected.ts";
import { compareRow, type Row } from "./findings.ts";

const rowsMax = 1_000;

export async function compareState(
  comparison: Comparison,
  books: ReplayedBooks,
  chain: Chain,
): Promise<void> {
  await compareLedger(comparison, books, chain);
  await compareAssets(comparison, books);
  await compareAccounts(comparison, books);
}

async function compareLedger(
  { tx, id, findings }: Comparison,
  { displayName, closedMicros }: ReplayedBooks,
  { sequence, firstMicros, lastMicros }: Chain,
): Promise<void> {
  const [row] = await tx<Row[]>`
    select display_name, (extract(epoch from create_time) * 1000000)::bigint as create_time,
      (extract(epoch from recorded_time) * 1000000)::bigint as recorded_time,
      (extract(epoch from closed_time) * 1000000)::bigint as closed_time
    from ledger where id = ${id}
  `;
  const name = "the ledger";
  const closed = { closed_time: closedMicros };
  compareRow(findings, { projection: "period", sequence, name }, closed, row);
  const times = { create_time: firstMicros, recorded_time: lastMicros };
  compareRow(findings, { projection: "chain", sequence, name }, times, row);
  const subject = { projection: "journal", sequence: 1n, name } as const;
  compareRow(findings, subject, { display_name: displayName }, row);
}

async function compareAssets({ tx, id, findings }: Comparison, { assets }: ReplayedBooks) {
  const rows = await tx<(Row & { assetCode: string })[]>`
    select asset_code as "assetCode", scale, registered_sequence, posted_minor
    from asset where ledger_id = ${id} order by asset_code
  `;
  const stored = new Map(rows.map((row) => [row.assetCode, row]));
  for (const [assetCode, { scale, registeredSequence: sequence, postedMinor }] of assets) {
    const expected = { scale, registered_sequence: sequence, posted_minor: postedMinor };
    const subject = { projection: "asset", sequence, name: `asset ${assetCode}` } as const;
    compareRow(findings, subject, expected, stored.get(assetCode));
  }
  for (const assetCode of stored.keys()) {
    if (assets.has(assetCode)) continue;
    findings.add("asset", 0n, `asset ${assetCode} is in its table, but not in the journal`);
  }
}

type AccountRow = Row & {
  readonly account_id: bigint;
  readonly name: string;
  /** Of entries that it should not have. */
  readonly beyond: bigint | null;
  readonly notes: number;
};

async function compareAccounts(comparison: Comparison, books: ReplayedBooks): Promise<void> {
  const { tx, id, findings } = comparison;
  for (let after = 0n; ; ) {
    const rows = await tx<AccountRow[]>`
      select account.account_id, account_code || ' ' || asset_code as name, grows_by_debits,
        state.debits_minor, state.credits_minor, debits_pending_minor, credits_pending_minor,
        version, state.sequence, status, floor_minor, ceiling_minor, changed_sequence,
        (extract(epoch from effective_time_max) * 1000000)::bigint as effective_time_max,
        coalesce(total.debits_minor, 0)::bigint as holds_debits_minor,
        coalesce(total.credits_minor, 0)::bigint as holds_credits_minor,
        (select max(entry.version) from entry
          where entry.account_id = account.account_id and entry.version > state.version) as beyond,
        (select count(*)::int from account_note
          where account_note.account_id = account.account_id) as notes
      from account left join account_state state using (account_id)
      left join hold_total total using (account_id)
      where ledger_id = ${id} and account.account_id > ${after}
      order by account.account_id limit ${rowsMax}
    `;
    for (const row of rows) compareAccount(comparison, books.accounts.get(row.name), row);
    await compareNotes(comparison, books, rows);
    const last = rows.at(-1);
    if (!last || rows.length < rowsMax || findings.enough()) return;
    after = last.account_id;
  }
}

function compareAccount(
  { findings }: Comparison,
  account: ReplayedAccount | undefined,
  row: AccountRow,
): void {
  const { name } = row;
  if (!account || account.accountId !== row.account_id) {
    findings.add("account", 0n, `account ${name} is in its table, but not in the journal`);
    return;
  }
  const { sequence, changedSequence } = account;
  const latest = sequence > changedSequence ? sequence : changedSequence;
  if (row.beyond !== null) {
    const problem = `entry ${row.beyond} of ${name} is in its table, but not in the journal`;
    findings.add("entry", latest, problem);
  }
  const { debitsPendingMinor, creditsPendingMinor } = account;
  compareRow(
    findings,
    { projection: "account", sequence: latest, name: `account ${name}` },
    {
      grows_by_debits: account.growsByDebits,
      debits_minor: account.debitsMinor,
      credits_minor: account.creditsMinor,
      debits_pending_minor: debitsPendingMinor,
      credits_pending_minor: creditsPendingMinor,
      version: account.version,
      sequence,
      effective_time_max: account.effectiveMicrosMax,
      status: account.status,
      floor_minor: account.floorMinor,
      ceiling_minor: account.ceilingMinor,
      changed_sequence: changedSequence,
    },
    row,
  );
  compareRow(
    findings,
    { projection: "hold", sequence: latest, name: `holds of account ${name}` },
    { holds_debits_minor: debitsPendingMinor, holds_credits_minor: creditsPendingMinor },
    row,
  );
}

/** Notes may be large, so they are read again from the fact that wrote them last. */
async function compareNotes(
  { tx, id, findings }: Comparison,
  { accounts }: ReplayedBooks,
  rows: readonly AccountRow[],
): Promise<void> {
  const noted = rows.flatMap((row) => {
    const account = accounts.get(row.name);
    return account && account.noteCount + row.notes > 0 ? [{ account, row }] : [];
  });
  for (let at = 0; at < noted.length; at += 100) {
    const some = noted.slice(at, at + 100);
    const sequences = some.map(({ account }) => account.notedSequence);
    const [facts, notes] = await Promise.all([
      tx<JournalRow[]>`
        select sequence, subject, data from journal
        where ledger_id = ${id} and sequence = any(${bigints(sequences)}::bigint[])
      `,
      tx<{ account_id: bigint; key: string; value: string; name: string | null }[]>`
        select account_id, key, value,
          case ledger_id when ${id} then account_code || ' ' || asset_code end as name
        from account_note
        where account_id = any(${bigints(some.map(({ row }) => row.account_id))}::bigint[])
        order by key
      `,
    ]);
    const told = new Map(facts.map((fact) => [fact.sequence, notesOf(fact)]));
    const stored = Map.groupBy(notes, ({ account_id }) => account_id);
    for (const { account, row } of some) {
      const { name, notedSequence: sequence } = account;
      const found = stored.get(row.account_id) ?? [];
      const subject = { projection: "account", sequence, name: `account ${name}` } as const;
      const expected = { notes: textOf(told.get(sequence) ?? []) };
      compareRow(findings, subject, expected, { notes: textOf(found) });
      for (const note of found) {
        compareRow(findings, { ...subject, name: `note ${note.key} of ${name}` }, { name }, note);
      }
    }
  }
}

type Note = { readonly key: string; readonly value: string };

function notesOf({ subject, data }: JournalRow): readonly Note[] {
  if (subject === AccountOpenedSchema.typeName) {
    return fromBinary(AccountOpenedSchema, data).metadata;
  }
  return fromBinary(AccountUpdatedSchema, data).account?.metadata ?? [];
}

function textOf(notes: readonly Note[]): string {
  return notes.map(({ key, value }) => `${key} ${JSON.stringify(value)}`).join(", ") || "none";
}
