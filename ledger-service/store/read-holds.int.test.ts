import { afterAll, beforeAll, expect, test } from "vitest";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { lockHeads } from "./heads.ts";
import { createNeeds, loadBooks, needAccount } from "./load.ts";
import { loadDueHolds } from "./load-holds.ts";
import { pendingColumns } from "./read-holds.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await submit(poster, sale("one", 5n));
});
afterAll(() => database[Symbol.asyncDispose]());

test("where nothing is pending, reads look for no holds", async () => {
  const { pool } = database;
  const plan = await pool<Plan>`
    explain (analyze, costs off) select ${pendingColumns(pool)} from account_state
  `;
  const scans = linesOf(plan).filter((line) => / on hold /.test(line));
  expect(scans.length).toBe(2);
  for (const scan of scans) expect(scan).toMatch(/never executed/);
});

// A plan that is right for an empty table only would stay while the table grows.
test("holds that are due are found by their account, even before there are any", async () => {
  const { pool } = database;
  const plan =
    await pool<Plan>`explain (costs off) select ${pendingColumns(pool)} from account_state`;
  const text = linesOf(plan).join("\n");
  for (const side of ["debit", "credit"]) {
    const condition = `Index Cond: \\(\\(${side}_account_id = account_state.account_id\\)`;
    expect(text).toMatch(new RegExp(`hold_${side}_due on hold.*\\n.*${condition}`));
  }
});

test("where nothing is pending, a batch asks for no holds", async () => {
  await inTransaction(database.pool, async (tx) => {
    const needs = createNeeds();
    for (const accountCode of ["assets:cash", "income:sales"]) {
      needAccount(needs, { accountCode, assetCode: "USD" });
    }
    const loaded = await loadBooks(tx, await lockHeads(tx, [ledgerId]), [needs]);
    expect(loaded[0]?.books.accounts.size).toBe(2);
    const unused = () => {
      throw new Error("it asks");
    };
    const asked = loadDueHolds(unused as never, loaded, { holdsMax: 10, batches: 1 });
    await expect(asked).resolves.toBe(false);
  });
});

type Plan = { "QUERY PLAN": string }[];

function linesOf(plan: Plan): string[] {
  return plan.map((row) => row["QUERY PLAN"]);
}
