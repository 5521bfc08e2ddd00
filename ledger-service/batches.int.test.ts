import assert from "node:assert/strict";
import { expect, test } from "vitest";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { answerCommands } from "./answer.ts";
import { type BatchNeeds, type Decide, needsOf, runBatches } from "./batch.ts";
import { handlePayments } from "./consumer.ts";
import { openAccount } from "./rules/books.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  preparedSequence,
  prepareLedger,
  reversal,
  sale,
} from "./testing/ledger.ts";
import { receive, refunded, succeeded } from "./testing/payments.ts";
import { verifyLedger } from "./verify/verify.ts";

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

test("many commands are several links of the chain, and a link group is within one", async () => {
  await using database = await openLedgerDatabase();
  const { pool } = database;
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const before = (await chainOf(database)).length;
  const alone = Array.from({ length: 590 }, (_, n) => sale(`alone-${n}`, 1n));
  const linked = Array.from({ length: 40 }, (_, n) => sale(`linked-${n}`, 1n, { linkGroup: "g" }));
  const reversed = reversal("back", preparedSequence + 1n);
  // The group stands across the end of a part; what comes after knows what came before.
  const commands = [...alone.slice(0, 240), ...linked, ...alone.slice(240), alone[0]!, reversed];
  const asked = commands.map((command, place) => {
    const group = "linkGroup" in command && command.linkGroup ? linked : undefined;
    return { command, place, group, traceparent: undefined };
  });
  const answers = await inTransaction(pool, (tx) => answerCommands(tx, ledgerId, asked));
  expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(["written"]));
  expect(answers.at(-2)).toMatchObject({ replayed: true });
  const chain = (await chainOf(database)).slice(before);
  expect(chain.map(({ last }) => last - preparedSequence)).toEqual([280n, 530n, 631n]);
  expect(new Set(chain.map(({ xid }) => xid)).size).toBe(1);
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
});

test("a batch that cannot be written takes those before it along", async () => {
  await using database = await openLedgerDatabase();
  const { pool } = database;
  const needs: BatchNeeds = new Map();
  needsOf(needs, ledgerId).assetCodes.add("USD");
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
  // Sends a statement of its own first, which is told only that something has failed before.
  const open: Decide<void> = (booksOf) => {
    openAccount(booksOf(ledgerId), { accountCode: "assets:new", assetCode: "USD" }, "asset");
  };
  for (const parts of [
    [rename, forge, rename],
    [forge, open],
    [rename, rename, fail],
  ]) {
    const running = inTransaction(pool, (tx) => runBatches(tx, { needs, creating: [], parts }));
    await expect(running).rejects.toThrow(parts.includes(fail) ? /a bug/ : /duplicate key/);
    expect(await chainOf(database)).toEqual(before);
  }
  await inTransaction(pool, (tx) => handlePayments(tx, events.slice(1)));
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
});
