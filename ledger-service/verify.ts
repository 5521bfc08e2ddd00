// Checks a ledger against its own journal: reads every fact from the first, recomputes the hash chain,
// and rebuilds accounts, entries and payments from nothing but the facts. What the tables say must
// be exactly that. Whoever doubts the books runs this, by
// verify-books.ts.

import { fromBinary } from "@bufbuild/protobuf";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  AccountOpenedSchema,
  AssetRegisteredSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
} from "#gen/bursar/ledger/v1/events_pb.ts";
import type { PaymentState, Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { compareMaps, type Report } from "./compare-maps.ts";
import { hashBatch, type JournalRow, noHash } from "./journal.ts";
import { timeOfMicros } from "./store/sql-arrays.ts";
import { comparePayments } from "./verify-payments.ts";
import { kindFromWire } from "./wire.ts";

const rowsMax = 2_000;
const problemsMax = 100;

/** Everything that is wrong, a sentence each; empty when the books are sound. */
export async function verifyLedger(pool: Pool, ledgerId: string): Promise<string[]> {
  const problems: string[] = [];
  await pool.begin("isolation level repeatable read read only", async (tx) => {
    const [ledger] = await tx<Ledger[]>`
      select id, head_sequence as sequence, head_hash as hash from ledger
      where ledger_code = ${ledgerId}
    `;
    if (!ledger) {
      problems.push(`ledger ${ledgerId} does not exist`);
      return;
    }
    const report = (problem: string) => {
      if (problems.length < problemsMax) problems.push(`ledger ${ledgerId}: ${problem}`);
    };
    const books = await replay(tx, { ...ledger, ledgerId }, report);
    await compareAccounts(tx, ledger.id, books, report);
    await compareEntries(tx, ledger.id, books, report);
    await compareTransactions(tx, ledger.id, books, report);
    await comparePayments(tx, ledger.id, books.payments, report);
    await compareKeys(tx, ledger.id, books, report);
  });
  return problems;
}

type Ledger = { readonly id: bigint; readonly sequence: bigint; readonly hash: Uint8Array };

type ReplayedAccount = {
  readonly kind: string;
  readonly openedSequence: bigint;
  debitsMinor: bigint;
  creditsMinor: bigint;
  version: bigint;
  sequence: bigint;
};

/** The books as the facts alone tell them. */
type Replayed = {
  readonly assets: Map<string, { scale: number; postedMinor: bigint }>;
  readonly accounts: Map<string, ReplayedAccount>;
  /** By account and version. */
  readonly entries: Map<string, string>;
  readonly transactions: Map<bigint, Transaction>;
  readonly payments: Map<string, PaymentState>;
  readonly refusals: Map<bigint, string>;
};

async function replay(tx: Tx, ledger: Ledger & { ledgerId: string }, report: Report) {
  const books: Replayed = {
    assets: new Map(),
    accounts: new Map(),
    entries: new Map(),
    transactions: new Map(),
    payments: new Map(),
    refusals: new Map(),
  };
  let previousHash: Uint8Array = noHash;
  let sequence = 0n;
  for await (const batch of batchesOf(tx, ledger.id)) {
    const { first, last, micros, rows, hash } = batch;
    if (first !== sequence + 1n) report(`batch ${first} does not follow sequence ${sequence}`);
    for (const row of rows) {
      sequence += 1n;
      if (row.sequence !== sequence) report(`fact ${sequence} is missing`);
      sequence = row.sequence;
      try {
        replayFact(books, ledger.ledgerId, row, report);
      } catch (error) {
        report(`fact ${sequence} is not a ${row.subject}: ${(error as Error).message}`);
      }
    }
    if (sequence !== last) report(`batch ${first} ends at ${last}, its facts at ${sequence}`);
    const recordedTime = timeOfMicros(micros);
    const expected = hashBatch({ ledgerId: ledger.ledgerId, recordedTime, previousHash }, rows);
    if (!expected.equals(hash)) report(`hash of batch ${first} is not that of its facts`);
    previousHash = hash;
  }
  if (sequence !== ledger.sequence)
    report(`head is ${ledger.sequence}, the journal ends at ${sequence}`);
  if (!Buffer.from(previousHash).equals(ledger.hash))
    report("the head's hash is not the last batch's");
  return books;
}

type Batch = {
  readonly first: bigint;
  readonly last: bigint;
  readonly micros: bigint;
  readonly hash: Uint8Array;
};

async function* batchesOf(
  tx: Tx,
  id: bigint,
): AsyncGenerator<Batch & { readonly rows: readonly JournalRow[] }> {
  for (let after = 0n; ; ) {
    const batches = await tx<Batch[]>`
      select first_sequence as first, last_sequence as last, hash,
        (extract(epoch from recorded_time) * 1000000)::bigint as micros
      from batch where ledger_id = ${id} and first_sequence > ${after}
      order by first_sequence limit ${rowsMax}
    `;
    for (const batch of batches) {
      const rows = await tx<JournalRow[]>`
        select sequence, subject, data from journal
        where ledger_id = ${id} and sequence between ${batch.first} and ${batch.last}
        order by sequence
      `;
      yield { ...batch, rows };
    }
    const last = batches.at(-1);
    if (!last || batches.length < rowsMax) return;
    after = last.first;
  }
}

function replayFact(books: Replayed, ledgerId: string, row: JournalRow, report: Report): void {
  const { sequence, subject, data } = row;
  switch (subject) {
    case AssetRegisteredSchema.typeName: {
      const { asset } = fromBinary(AssetRegisteredSchema, data);
      if (asset) books.assets.set(asset.assetCode, { scale: asset.scale, postedMinor: 0n });
      return;
    }
    case AccountOpenedSchema.typeName: {
      const { account, kind } = fromBinary(AccountOpenedSchema, data);
      if (!account) return;
      books.accounts.set(`${account.accountCode} ${account.assetCode}`, {
        kind: kindFromWire(kind),
        openedSequence: sequence,
        debitsMinor: 0n,
        creditsMinor: 0n,
        version: 0n,
        sequence,
      });
      return;
    }
    case TransactionPostedSchema.typeName: {
      const event = fromBinary(TransactionPostedSchema, data);
      const { transaction } = event;
      if (
        transaction?.ledgerSequence !== sequence ||
        event.ledgerSequence !== sequence ||
        transaction.ledgerId !== ledgerId
      ) {
        report(`fact ${sequence} names itself otherwise`);
      }
      if (transaction) replayTransaction(books, transaction, report);
      return;
    }
    case TransactionRefusedSchema.typeName:
      books.refusals.set(sequence, fromBinary(TransactionRefusedSchema, data).idempotencyKey);
  }
}

function replayTransaction(books: Replayed, transaction: Transaction, report: Report): void {
  const { ledgerSequence: sequence, entries, paymentState } = transaction;
  const sums = new Map<string, bigint>();
  for (const { account: key, side, amountMinor } of entries) {
    const name = `${key?.accountCode} ${key?.assetCode}`;
    const account = books.accounts.get(name);
    const asset = books.assets.get(key?.assetCode ?? "");
    if (!account || !asset) {
      report(`transaction ${sequence} is on account ${name}, which was never opened`);
      continue;
    }
    const signed = side === Side.DEBIT ? amountMinor : -amountMinor;
    sums.set(key?.assetCode ?? "", (sums.get(key?.assetCode ?? "") ?? 0n) + signed);
    if (side === Side.DEBIT) {
      account.debitsMinor += amountMinor;
      asset.postedMinor += amountMinor;
    } else account.creditsMinor += amountMinor;
    account.version += 1n;
    account.sequence = sequence;
    const { debitsMinor, creditsMinor, version } = account;
    books.entries.set(`${name} ${version}`, `${sequence} ${signed} ${debitsMinor} ${creditsMinor}`);
  }
  for (const [assetCode, sum] of sums) {
    if (sum !== 0n) report(`transaction ${sequence} is not balanced in ${assetCode}`);
  }
  books.transactions.set(sequence, transaction);
  if (!paymentState) return;
  if (paymentState.ledgerSequence !== sequence) {
    report(
      `payment state of transaction ${sequence} carries sequence ${paymentState.ledgerSequence}`,
    );
  }
  books.payments.set(paymentState.paymentId, paymentState);
}

async function compareAccounts(tx: Tx, id: bigint, books: Replayed, report: Report): Promise<void> {
  const rows = await tx<(ReplayedAccount & { name: string })[]>`
    select account_code || ' ' || asset_code as name, kind, opened_sequence as "openedSequence",
      debits_minor as "debitsMinor", credits_minor as "creditsMinor", version,
      account_state.sequence
    from account left join account_state using (account_id) where ledger_id = ${id}
  `;
  const found = new Map(rows.map(({ name, ...account }) => [name, account]));
  compareMaps("account", books.accounts, found, report);

  const assets = await tx<{ assetCode: string; scale: number; postedMinor: bigint }[]>`
    select asset_code as "assetCode", scale, posted_minor as "postedMinor"
    from asset where ledger_id = ${id}
  `;
  const stored = new Map(assets.map(({ assetCode, ...asset }) => [assetCode, asset]));
  compareMaps("asset", books.assets, stored, report);
}

async function compareEntries(tx: Tx, id: bigint, books: Replayed, report: Report): Promise<void> {
  const found = new Map<string, string>();
  const cursor = tx<{ name: string; content: string }[]>`
    select account_code || ' ' || asset_code || ' ' || version as name,
      sequence || ' ' || amount_minor || ' ' || debits_minor_after || ' ' || credits_minor_after
        as content
    from entry join account using (account_id) where ledger_id = ${id}
  `.cursor(rowsMax);
  for await (const rows of cursor) for (const { name, content } of rows) found.set(name, content);
  compareMaps("entry", books.entries, found, report);
}

async function compareTransactions(tx: Tx, id: bigint, books: Replayed, report: Report) {
  const found = new Map<bigint, unknown>();
  const cursor = tx<{ sequence: bigint; legs: number; reverses: bigint; micros: bigint }[]>`
    select sequence, legs, coalesce(reverses_sequence, 0) as reverses,
      (extract(epoch from recorded_time) * 1000000)::bigint as micros
    from transaction where ledger_id = ${id}
  `.cursor(rowsMax);
  for await (const rows of cursor) {
    for (const { sequence, ...transaction } of rows) found.set(sequence, transaction);
  }
  const expected = new Map<bigint, unknown>();
  for (const [
    sequence,
    { entries, reversesSequence: reverses, recordedTime },
  ] of books.transactions) {
    const { seconds = 0n, nanos = 0 } = recordedTime ?? {};
    const micros = seconds * 1_000_000n + BigInt(nanos / 1_000);
    expected.set(sequence, { legs: entries.length, reverses, micros });
  }
  compareMaps("transaction", expected, found, report);
}

/** Every posted or refused fact has its key, once. */
async function compareKeys(tx: Tx, id: bigint, books: Replayed, report: Report): Promise<void> {
  const found = new Map<bigint, string>();
  const cursor = tx<{ sequence: bigint; key: string }[]>`
    select sequence, key from idempotency where ledger_id = ${id}
    union all
    select sequence, min(key) from fact
    where ledger_id = ${id} and sequence is not null group by sequence
  `.cursor(rowsMax);
  for await (const rows of cursor) {
    for (const { sequence, key } of rows) {
      if (found.has(sequence)) report(`fact ${sequence} has two keys`);
      found.set(sequence, key);
    }
  }
  const named = new Set([...books.transactions.keys(), ...books.refusals.keys()]);
  for (const sequence of named) if (!found.has(sequence)) report(`fact ${sequence} has no key`);
  for (const [sequence, key] of found) {
    if (!named.has(sequence)) report(`key ${key} names fact ${sequence}, which does not exist`);
  }
}
