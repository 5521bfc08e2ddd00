// What the service's own role may not do, whatever its code says: rows keep their names, and history
// stays as it is. That all else works, every other test shows.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { openLedgerDatabase, openPoster, prepareLedger } from "../testing/ledger.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
});
afterAll(() => database[Symbol.asyncDispose]());

test.each([
  ["a ledger another id", "ledger", "ledger_code = 'other'"],
  ["an asset another scale", "asset", "scale = 3"],
  ["an asset another code", "asset", "asset_code = 'XAU'"],
  ["an asset another beginning", "asset", "registered_sequence = 1"],
  ["an account's state to another account", "account_state", "account_id = account_id + 100"],
  ["an account the other side to grow to", "account_state", "grows_by_debits = true"],
  ["a note to another account", "account_note", "account_id = 1"],
  ["a payment another amount", "payment", "paid_minor = 1"],
  ["a payment another order", "payment", "order_id = ''"],
  ["a hold another account", "hold", "debit_account_id = credit_account_id"],
  ["a hold another tolerance", "hold", "tolerance_minor = 1"],
  ["a hold more time", "hold", "expire_time = null"],
  ["a reversed entry another amount", "reversed_entry", "amount_minor = 1"],
  ["an entry in suspense another place", "suspense_item", "account_id = suspense_account_id"],
])("it cannot give %s", async (_, table, change) => {
  const changed = database.pool.unsafe(`update ${table} set ${change}`);
  await expect(changed).rejects.toThrow(/permission denied/);
});

test.each(["journal", "batch", "account", "transaction", "entry", "idempotency", "fact", "period"])(
  "it can neither change nor delete what stands in %s",
  async (table) => {
    const [column] = await database.pool<{ name: string }[]>`
    select attname as name from pg_attribute
    where attrelid = ${table}::regclass and attnum = 2
  `;
    for (const attempt of [
      `update ${table} set ${column?.name} = ${column?.name}`,
      `delete from ${table}`,
      `truncate ${table}`,
    ]) {
      await expect(database.pool.unsafe(attempt)).rejects.toThrow(/permission denied/);
    }
  },
);
