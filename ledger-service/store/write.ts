// Writes a batch: everything it added to all of its ledgers, in one statement. Rows that change are
// written as upserts, which always find them by their key, however the table has grown.

import assert from "node:assert/strict";
import type { Tx } from "#mesh/database/pool.ts";
import { encodeFact, hashBatch, type JournalRow } from "../journal.ts";
import { accountName, continueBooks } from "../rules/books.ts";
import { chart } from "../rules/chart.ts";
import type { Account, AccountKey } from "../rules/records.ts";
import { writeNotes } from "./account-notes.ts";
import { insertHolds } from "./holds.ts";
import * as insert from "./insert.ts";
import type { LoadedBooks } from "./load.ts";
import { insertPeriods } from "./periods.ts";
import { insertReversed, reversedOf } from "./reversals.ts";
import { bigints, texts, times } from "./sql-arrays.ts";
import { insertSuspense, releaseSuspense } from "./suspense.ts";

export async function writeBooks(tx: Tx, all: readonly LoadedBooks[]): Promise<void> {
  const { written } = await sendBooks(tx, all);
  await written;
}

/** A batch on its way to the database, and the books as they go on from there. */
export type Sent = { readonly written: Promise<void>; readonly next: readonly LoadedBooks[] };

/**
 * Resolves as soon as all that is to be written is told: what becomes of the books from here on
 * does not change it. Keeps the written facts in the books' journal, for the answers.
 */
export async function sendBooks(tx: Tx, all: readonly LoadedBooks[]): Promise<Sent> {
  const changed = all.filter(({ books }) => {
    const { facts, reported, payments } = books.written;
    return facts.length + reported.length + payments.size > 0;
  });
  if (changed.length === 0) return { written: Promise.resolve(), next: all };
  await insertAccounts(tx, changed);
  await writeNotes(tx, changed.flatMap(notedOf));
  const batches = changed.flatMap(createBatch);
  const written = insertAll(tx, changed, batches);
  const hashes = new Map(batches.map(({ ledgerId, hash }) => [ledgerId, hash]));
  const next = all.map((loaded) => {
    const { head, books } = loaded;
    const hash = hashes.get(head.id) ?? head.hash;
    const sequence = books.sequence;
    return { ...loaded, head: { ...head, sequence, hash }, books: continueBooks(books) };
  });
  return { written, next };
}

/** Rare, and apart: the database numbers the accounts, and their entries need the numbers. */
async function insertAccounts(tx: Tx, all: readonly LoadedBooks[]): Promise<void> {
  const opened = all.flatMap(({ head, books, accountIds }) => {
    return books.written.opened.map((account) => ({ ledgerId: head.id, account, accountIds }));
  });
  if (opened.length === 0) return;
  const rows = await tx<{ accountId: bigint; ledgerId: bigint; openedSequence: bigint }[]>`
    insert into account (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
    select * from unnest(
      ${bigints(opened.map(({ ledgerId }) => ledgerId))}::bigint[],
      ${texts(opened.map(({ account }) => account.accountCode))}::text[],
      ${texts(opened.map(({ account }) => account.assetCode))}::text[],
      ${texts(opened.map(({ account }) => account.kind))}::text[],
      ${bigints(opened.map(({ account }) => account.openedSequence))}::bigint[],
      ${times(opened.map(({ account }) => account.openTime))}::timestamptz[])
    returning account_id as "accountId", ledger_id as "ledgerId",
      opened_sequence as "openedSequence"
  `;
  const numbers = new Map(
    rows.map((row) => [`${row.ledgerId} ${row.openedSequence}`, row.accountId]),
  );
  for (const { ledgerId, account, accountIds } of opened) {
    const accountId = numbers.get(`${ledgerId} ${account.openedSequence}`);
    assert(accountId !== undefined);
    accountIds.set(account, accountId);
  }
}

async function insertAll(
  tx: Tx,
  all: readonly LoadedBooks[],
  batches: ReturnType<typeof createBatch>,
): Promise<void> {
  const journal = batches.flatMap(({ ledgerId, rows, traceparents }) =>
    rows.map((row) => ({ ledgerId, ...row, traceparent: traceparents.get(row.sequence) })),
  );
  const assets = gather(all, ({ written }) => written.assets);
  const keys = gather(all, ({ written }) => written.keys);
  const facts = gather(all, ({ written }) => written.reported);
  const payments = all.flatMap(paymentsOf);
  const begun = payments.filter((row) => row.firstSequence > row.headSequence);
  const changed = payments.filter((row) => row.firstSequence <= row.headSequence);
  const holds = all.flatMap(holdsOf);
  // Rare, and left out where there are none.
  const writtenHolds = tx`, written_holds as (${insertHolds(tx, holds)})`;
  const periods = gather(all, ({ written }) => written.periods);
  const writtenPeriods = tx`, written_periods as (${insertPeriods(tx, periods)})`;
  const suspense = all.flatMap(suspenseOf);
  const suspended = suspense.filter((row) => row.releasedSequence === undefined);
  const released = suspense.filter((row) => row.releasedSequence !== undefined);
  const writtenSuspense = tx`, new_suspense as (${insertSuspense(tx, suspended)}),
    released_suspense as (${releaseSuspense(tx, released)})`;
  const reversed = all.flatMap(reversedOf);
  const writtenReversed = tx`, written_reversed as (${insertReversed(tx, reversed)})`;
  await tx`
    with written_journal as (${insert.journal(tx, journal)}),
    written_batches as (${insert.batches(tx, batches)}),
    written_assets as (${insert.assets(tx, assets)}),
    written_states as (${insert.states(tx, all.flatMap(statesOf))}),
    written_transactions as (${insert.transactions(tx, all.flatMap(transactionsOf))}),
    written_entries as (${insert.entries(tx, all.flatMap(entriesOf))}),
    written_keys as (${insert.keys(tx, keys)}),
    written_facts as (${insert.facts(tx, facts)}),
    new_payments as (${insert.newPayments(tx, begun)}),
    changed_payments as (${insert.changedPayments(tx, changed)})
    ${reversed.length > 0 ? writtenReversed : tx``}
    ${holds.length > 0 ? writtenHolds : tx``}
    ${periods.length > 0 ? writtenPeriods : tx``}
    ${suspense.length > 0 ? writtenSuspense : tx``}
    ${insert.heads(tx, batches)}
  `;
}

/** None when no fact was added: a provider's fact that moved nothing is only remembered. */
function createBatch({ head, books, journal }: LoadedBooks) {
  const { ledgerId, recordedTime, displayName, closedTime, written } = books;
  const rows: JournalRow[] = written.facts.map((fact) => encodeFact(books, fact));
  const firstSequence = rows[0]?.sequence;
  if (firstSequence === undefined) return [];
  for (const row of rows) journal.set(row.sequence, row);

  const previousHash = head.hash;
  const hash = hashBatch({ ledgerId, recordedTime, previousHash }, rows);
  const lastSequence = books.sequence;
  assert.equal(firstSequence, head.sequence + 1n);
  assert.equal(lastSequence, head.sequence + BigInt(rows.length));
  return [
    {
      ledgerId: head.id,
      displayName,
      closedTime,
      recordedTime,
      rows,
      traceparents: written.traceparents,
      firstSequence,
      lastSequence,
      previousHash,
      hash,
    },
  ];
}

function gather<T>(
  all: readonly LoadedBooks[],
  pick: (books: LoadedBooks["books"]) => Iterable<T>,
): insert.OfLedger<T>[] {
  return all.flatMap(({ head, books }) => {
    return Array.from(pick(books), (item) => ({ ...item, ledgerId: head.id }));
  });
}

function statesOf({ books, accountIds }: LoadedBooks) {
  return Array.from(books.written.changed, (account) => {
    return { ...account, accountId: numberOf(accountIds, account) };
  });
}

function notedOf({ head, books, accountIds }: LoadedBooks) {
  return Array.from(books.written.noted, (account) => {
    const { accountCode, assetCode, metadata = [] } = account;
    const accountId = numberOf(accountIds, account);
    return { ledgerId: head.id, accountId, accountCode, assetCode, metadata };
  });
}

function entriesOf({ books, accountIds }: LoadedBooks) {
  return books.written.entries.map((entry) => {
    return { ...entry, accountId: numberOf(accountIds, entry.account) };
  });
}

function transactionsOf({ head, books }: LoadedBooks) {
  const { recordedTime } = books;
  const posted = books.written.facts.filter((fact) => fact.kind === "transaction-posted");
  return posted.map(({ transaction }) => ({ ...transaction, ledgerId: head.id, recordedTime }));
}

function holdsOf({ head, books, accountIds }: LoadedBooks) {
  const numberOfKey = (key: AccountKey) => numberOfNamed({ books, accountIds }, key);
  return Array.from(books.written.holds, (holdSequence) => {
    const hold = books.holds.get(holdSequence);
    assert(hold);
    const debitAccountId = numberOfKey(hold.debitAccount);
    const creditAccountId = numberOfKey(hold.creditAccount);
    return { ...hold, ledgerId: head.id, debitAccountId, creditAccountId };
  });
}

function suspenseOf({ head, books, accountIds }: LoadedBooks) {
  return Array.from(books.written.suspense, (name) => {
    const item = books.suspense.get(name);
    assert(item);
    const { assetCode } = item.account;
    const suspense = { accountCode: chart.suspense, assetCode };
    const accountId = numberOfNamed({ books, accountIds }, item.account);
    const suspenseAccountId = numberOfNamed({ books, accountIds }, suspense);
    return { ...item, ledgerId: head.id, accountId, suspenseAccountId };
  });
}

function paymentsOf({ head, books }: LoadedBooks) {
  return Array.from(books.written.payments, (paymentId) => {
    const payment = books.payments.get(paymentId);
    assert(payment);
    return { ...payment, ledgerId: head.id, headSequence: head.sequence };
  });
}

function numberOfNamed(
  { books, accountIds }: Pick<LoadedBooks, "books" | "accountIds">,
  key: AccountKey,
): bigint {
  const account = books.accounts.get(accountName(key));
  assert(account, `account ${accountName(key)} is not in the books`);
  return numberOf(accountIds, account);
}

function numberOf(accountIds: ReadonlyMap<Account, bigint>, account: Account): bigint {
  const accountId = accountIds.get(account);
  assert(accountId !== undefined, `account ${account.accountCode} has no number`);
  return accountId;
}
