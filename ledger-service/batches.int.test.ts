import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { type BatchNeeds, type Decide, needsOf, runBatches } from "./batch.ts";
import { handlePayments } from "./consumer.ts";
import { ledgerId, openLedgerDatabase } from "./testing/ledger.ts";
import { receive, refunded, succeeded } from "./testing/payments.ts";
import { verifyLedger } from "./verify.ts";

const chainOf = ({ pool }: TestDatabase) => pool<{ last: bigint; xid: string }[]>`
  select last_sequence as last, written_by::text as xid from batch order by first_sequence
`;

test("many events are several links of the chain and one SQL transaction", async () => {
  await using database = await openLedgerDatabase();
  const { pool } = database;
  const payments = Array.from({ length: 600 }, (_, n) => succeeded(`pi-${n}`, 1_000n));
  // Some parts later than the payments.
  const refunds = Array.from({ length: 300 }, (_, n) => refunded(`pi-${n}`, `re-${n}`, 400n));
  const events = [...payments, ...refunds].map((one) => receive(one));
  const { verdicts } = await inTransaction(pool, (tx) => handlePayments(tx, events));
  expect(new Set(verdicts.map(({ kind }) => kind))).toEqual(new Set(["handled"]));
  const chain = await chainOf(database);
  expect(chain.length).toBe(4);
  expect(new Set(chain.map(({ xid }) => xid)).size).toBe(1);
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
});

test("a batch that cannot be written takes those before it along", async () => {
  await using database = await openLedgerDatabase();
  const { pool } = database;
  const needs: BatchNeeds = new Map();
  needsOf(needs, ledgerId);
  const events = [succeeded("pi-1", 1_000n), succeeded("pi-2", 1_000n)].map((one) => receive(one));
  await inTransaction(pool, (tx) => handlePayments(tx, events.slice(0, 1)));
  const before = await chainOf(database);

  const rename: Decide<void> = (booksOf) => {
    const books = booksOf(ledgerId);
    books.sequence += 1n;
    const { sequence } = books;
    books.written.facts.push({ kind: "ledger-created", sequence, displayName: "Again" });
  };
  const forge: Decide<void> = (booksOf) => {
    rename(booksOf);
    // A second entry under a number that is taken.
    const name = `payment/stripe/acct_1/pi-1/succeeded`;
    const reported = { key: name, content: "", sequence: undefined };
    booksOf(ledgerId).written.reported.push(reported, reported);
  };
  const fail: Decide<void> = () => assert.fail("a bug");
  for (const parts of [
    [rename, forge, rename],
    [rename, rename, fail],
  ]) {
    const running = inTransaction(pool, (tx) => runBatches(tx, { needs, creating: [], parts }));
    await expect(running).rejects.toThrow(parts.includes(fail) ? /a bug/ : /duplicate key/);
    expect(await chainOf(database)).toEqual(before);
  }
  await inTransaction(pool, (tx) => handlePayments(tx, events.slice(1)));
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
});
