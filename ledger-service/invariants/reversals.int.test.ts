// Tries to reverse more than there was with plain SQL, as the owner of the books. Each attempt differs
// in one thing from a reversal that is accepted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import {
  entry,
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  posting,
  preparedSequence,
  prepareLedger,
  reversal,
  sale,
  submit,
} from "../testing/ledger.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
let owner: Pool;

/** 100 in cash for sales; 30 of it are reversed. */
const begun = preparedSequence + 1n;
/** 100 in cash for sales. */
const untouched = preparedSequence + 2n;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await submit(
    poster,
    sale("begun", 100n),
    sale("untouched", 100n),
    opening("assets:other", "asset"),
    posting("other", [entry("debit", "assets:other", 500n), entry("credit", "income:sales", 500n)]),
    opening("assets:other", "asset"),
  );
  const parts = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: 30n }));
  await submit(poster, reversal("part", begun, { parts }));
  owner = openPool({
    url: database.ownerUrl,
    schema: "ledger",
    connectionsMax: 1,
    applicationName: "owner",
  });
});

afterAll(async () => {
  await owner.end();
  await database[Symbol.asyncDispose]();
});

test.each([
  ["a first reversal of a part", { original: untouched, before: 0n }],
  ["a later reversal of a part", {}],
  ["a first reversal of all", { original: untouched, before: 0n, amount: 100n, added: 100n }],
  ["a reversal of all that is left", { amount: 70n, added: 70n }],
])("a write that keeps every rule is accepted: %s", async (_, change: Partial<Write>) => {
  await expect(attempt(change)).resolves.toBe("accepted");
});

const fresh = { original: untouched, before: 0n };

test.each<[string, Partial<Write>, RegExp]>([
  ["more than is left", { amount: 71n, added: 71n }, /reversed_entry_amount/],
  ["more than there was", { ...fresh, amount: 101n, added: 101n }, /reversed_entry_amount/],
  ["more than is counted", { added: 9n }, /not what its reversals take back/],
  ["less than is counted", { added: 11n }, /not what its reversals take back/],
  ["more than is counted at first", { ...fresh, added: 9n }, /not what its reversals take back/],
  ["a reversal that is not counted", { rows: "none" }, /not counted/],
  ["a first reversal that is not counted", { ...fresh, rows: "none" }, /not counted/],
  ["what is counted on one side only", { rows: "first" }, /not what its reversals/],
  ["the count of another reversal", { byStep: 1n }, /not what its reversals/],
  ["another account than the original's", { cash: "assets:other" }, /not what its reversals/],
  ["another amount than the original's", { ...fresh, originalAmount: 1_000n }, /not its entries/],
  ["an original's entry left out", { ...fresh, rows: "first" }, /not its entries/],
  ["an entry that the original has not", { ...fresh, rows: "more" }, /not its entries/],
  ["places that begin elsewhere", { ...fresh, indexStep: 1 }, /not its entries/],
  ["another account for an entry", { ...fresh, rowCash: "assets:other" }, /not its entries/],
])("refuses %s", async (_, change, message) => {
  await expect(attempt(change)).rejects.toThrow(message);
});

test.each<[string, RegExp]>([
  ["reversed_minor = reversed_minor - 1", /only grows/],
  ["reversed_by = reversed_by - 1", /only grows/],
  ["amount_minor = amount_minor * 2", /only grows/],
  ["account_id = account_id + 100", /only grows/],
  ["entry_index = entry_index + 100", /only grows/],
  ["sequence = sequence - 1", /only grows/],
  ["reversed_minor = reversed_minor + 1", /not what its reversals/],
  ["reversed_by = reversed_by + 1", /not what its reversals/],
  ["reversed_minor = 101", /reversed_entry_amount/],
  ["reversed_minor = -1", /reversed_entry_amount/],
])("refuses a count changed by hand: %s", async (change, message) => {
  await expect(owner.unsafe(`update reversed_entry set ${change}`)).rejects.toThrow(message);
});

test("refuses a count without any reversal", async () => {
  const claimed = owner`
    insert into reversed_entry (ledger_id, sequence, entry_index, account_id, amount_minor,
      reversed_minor, reversed_by)
    select ledger_id, ${untouched}, entry_index, account_id, amount_minor, 0, reversed_by
    from reversed_entry where sequence = ${begun}
  `;
  await expect(claimed).rejects.toThrow(/not what its reversals/);
});

test("the counts keep their rows", async () => {
  for (const statement of ["delete from reversed_entry", "truncate reversed_entry"]) {
    await expect(owner.unsafe(statement), statement).rejects.toThrow(/append-only/);
    await expect(database.pool.unsafe(statement), statement).rejects.toThrow(/permission denied/);
  }
});

test("the books are sound after all these attempts", async () => {
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

type Write = {
  original: bigint;
  /** What is counted as reversed already, of each entry. */
  before: bigint;
  /** What is taken back. */
  amount: bigint;
  /** What is counted as taken back. */
  added: bigint;
  rows: "all" | "none" | "first" | "more";
  byStep: bigint;
  indexStep: number;
  originalAmount: bigint;
  /** Account that the money is taken from. */
  cash: string;
  /** Account of the original's first entry. */
  rowCash: string;
};

const right: Write = {
  original: begun,
  before: 30n,
  amount: 10n,
  added: 10n,
  rows: "all",
  byStep: 0n,
  indexStep: 0,
  originalAmount: 100n,
  cash: "assets:cash",
  rowCash: "assets:cash",
};

type Row = { name: string; id: bigint; version: bigint; debits: bigint; credits: bigint };

class Undo extends Error {}

/** Takes 10 back from cash to sales in one statement, as the service does, and rolls back. */
async function attempt(change: Partial<Write>): Promise<"accepted"> {
  const write = { ...right, ...change };
  const { original, amount, originalAmount, indexStep } = write;
  const hash = Buffer.alloc(32, 9);
  const at = "2100-01-01T00:00:00Z";
  try {
    await owner.begin(async (tx) => {
      const [head] = await tx<{ id: bigint; sequence: bigint; hash: Buffer }[]>`
        select id, head_sequence as sequence, head_hash as hash from ledger
      `;
      const accounts = await tx<Row[]>`
        select account_code as name, account_id as id, version, debits_minor as debits,
          credits_minor as credits
        from account join account_state using (account_id) where asset_code = 'USD'
      `;
      const find = (name: string) => accounts.find((row) => row.name === name)!;
      const [cash, sales] = [find(write.cash), find("income:sales")];
      const { id } = head!;
      const sequence = head!.sequence + 1n;
      const reversed = write.before + write.added;
      const by = sequence + write.byStep;
      const count = { all: 2, none: 0, first: 1, more: 3 }[write.rows];
      await tx`
        with a as (insert into journal values (${id}, ${sequence},
          'bursar.ledger.v1.TransactionPosted', '')),
        b as (insert into batch values (${id}, ${sequence}, ${sequence}, ${at}, 'sha256', 1,
          ${head!.hash}, ${hash})),
        c as (insert into transaction (ledger_id, sequence, legs, effective_time, recorded_time,
          reverses_sequence) values (${id}, ${sequence}, 2, ${at}, ${at}, ${original})),
        d as (insert into entry values
          (${cash.id}, ${cash.version + 1n}, ${sequence}, ${-amount}, ${cash.debits},
            ${cash.credits + amount}, ${at}, ${at}),
          (${sales.id}, ${sales.version + 1n}, ${sequence}, ${amount}, ${sales.debits + amount},
            ${sales.credits}, ${at}, ${at})),
        e as (update account_state set version = version + 1, sequence = ${sequence},
          credits_minor = credits_minor + ${amount}, effective_time_max = ${at}
          where account_id = ${cash.id}),
        f as (update account_state set version = version + 1, sequence = ${sequence},
          debits_minor = debits_minor + ${amount}, effective_time_max = ${at}
          where account_id = ${sales.id}),
        g as (
          insert into reversed_entry (ledger_id, sequence, entry_index, account_id, amount_minor,
            reversed_minor, reversed_by)
          select * from (values
            (${id}::bigint, ${original}::bigint, ${0 + indexStep}::int,
              ${find(write.rowCash).id}::bigint, ${originalAmount}::bigint, ${reversed}::bigint,
              ${by}::bigint),
            (${id}, ${original}, ${1 + indexStep}, ${sales.id}, -100, ${reversed}, ${by}),
            (${id}, ${original}, ${2 + indexStep}, ${sales.id}, -100, 0, ${by})
          ) as row limit ${count}
          on conflict (ledger_id, sequence, entry_index) do update set
            reversed_minor = excluded.reversed_minor, reversed_by = excluded.reversed_by
        )
        update ledger set head_sequence = ${sequence}, head_hash = ${hash}, recorded_time = ${at}
      `;
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return "accepted";
}
