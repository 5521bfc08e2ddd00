// Reversals in number: none says how many entries there are to look at and to count, and a batch of
// the largest must not hold the ledger's lock until its statement is given up.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestDatabase } from "#mesh/testing/database.ts";
import type { Poster } from "./poster.ts";
import {
  entry,
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  posting,
  prepareLedger,
  reversal,
  sale,
  submit,
} from "./testing/ledger.ts";
import { verifyLedger } from "./verify/verify.ts";

let database: TestDatabase;
let poster: Poster;

beforeAll(async () => {
  database = await openLedgerDatabase();
  poster = openPoster(database);
  await prepareLedger(poster);
});
afterAll(async () => {
  await poster[Symbol.asyncDispose]();
  const problems = await verifyLedger(database.pool, ledgerId);
  await database[Symbol.asyncDispose]();
  expect(problems).toEqual([]);
});

test("reversals of what may be large do not come in one batch", async () => {
  const sales = await submit(poster, ...Array.from({ length: 400 }, (_, n) => sale(`s${n}`, 1n)));
  const sequences = sales.flatMap((it) => (it.kind === "written" ? [it.row.sequence] : []));
  const answers = await submit(poster, ...sequences.map((of) => reversal(`r${of}`, of)));
  expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(["written"]));

  const parts = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: 1n }));
  const more = await submit(poster, ...sequences.map((of) => reversal(`p${of}`, of, { parts })));
  expect(new Set(more.map(({ kind }) => kind))).toEqual(new Set(["refused"]));
  const batches = await database.pool<{ facts: bigint }[]>`
    select last_sequence - first_sequence + 1 as facts
    from batch order by first_sequence desc limit 5
  `;
  // Those that name their entries are counted among all of the original's, too.
  expect(batches.map(({ facts }) => facts)).toEqual([80n, 160n, 160n, 80n, 160n]);
});

test("reversals of 1,000 entries each are written with all of their entries", async () => {
  const codes = Array.from({ length: 500 }, (_, n) => `assets:till-${n}`);
  await submit(poster, ...codes.map((code) => opening(code, "asset")));
  const entries = codes.flatMap((code) => [
    entry("debit", code, 3n),
    entry("credit", "income:sales", 3n),
  ]);
  const sequences: bigint[] = [];
  for (const key of ["a", "b", "c", "d"]) {
    const [answer] = await submit(poster, posting(key, entries));
    if (answer?.kind === "written") sequences.push(answer.row.sequence);
  }
  const answers = await submit(poster, ...sequences.map((of) => reversal(`all ${of}`, of)));
  expect(answers.map(({ kind }) => kind)).toEqual(sequences.map(() => "written"));
  const [left] = await database.pool<{ left: bigint }[]>`
    select count(*) as left from account_state join account using (account_id)
    where account_code like 'assets:till-%' and debits_minor - credits_minor <> 0
  `;
  expect(left?.left).toBe(0n);
});
