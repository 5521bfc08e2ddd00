// Tries to break what balances of the past rely on, with plain SQL, as the owner of the books. Each
// attempt differs in one time from a write that is accepted.

import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { takeLateStep } from "../store/late-entries.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  prepareLedger,
  sale,
  submit,
} from "../testing/ledger.ts";
import { verifyLedger } from "../verify/verify.ts";

let database: TestDatabase;
let owner: Pool;

/** Of the latest entry there is. */
const latest = "2030-01-01T00:00:00Z";
const earlier = "2029-01-01T00:00:00Z";
const later = "2030-06-01T00:00:00Z";

beforeAll(async () => {
  database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const effectiveTime = { seconds: BigInt(Date.parse(latest) / 1_000), nanos: 0 };
  await submit(poster, sale("latest", 5n, { effectiveTime }));
  const late = Array.from({ length: 70 }, (_, n) => sale(`late ${n}`, BigInt(n + 1)));
  await submit(poster, ...late);
  owner = openPool({
    url: database.ownerUrl,
    schema: "ledger",
    connectionsMax: 1,
    applicationName: "owner",
  });
  const [cash] = await owner<{ id: bigint }[]>`
    select account_id as id from account
    where account_code = 'assets:cash' and asset_code = 'USD'
  `;
  while (await takeLateStep(database.pool, cash!.id));
});

afterAll(async () => {
  await owner.end();
  await database[Symbol.asyncDispose]();
});

test.each<[string, Partial<Times>]>([
  ["earlier than the latest", {}],
  ["the latest time of all", { transaction: later, entry: later, entryMax: later, state: later }],
])("a transaction that counts at %s is accepted", async (_, times) => {
  await expect(attempt(times)).resolves.toBe("accepted");
});

test.each<[string, Partial<Times>, RegExp]>([
  ["an entry that counts before its transaction", { entry: "2028-01-01" }, /at another time/],
  ["an entry that counts after its transaction", { entry: "2029-12-31" }, /at another time/],
  ["a latest time that falls", { entryMax: earlier, state: earlier }, /does not continue/],
  ["a latest time that nothing counts at", { entryMax: later, state: later }, /does not continue/],
  [
    "an entry later than the latest time",
    { transaction: later, entry: later },
    /entry_check|does not continue/,
  ],
  ["a state with another latest time", { state: earlier }, /not its last entry/],
  ["a state without a latest time", { state: null }, /not its last entry/],
])("refuses %s", async (_, times, problem) => {
  await expect(attempt(times)).rejects.toThrow(problem);
});

test("refuses a latest time changed by hand", async () => {
  const changed = owner`update account_state set effective_time_max = now() where version > 0`;
  await expect(changed).rejects.toThrow(/not its last entry/);
});

test.each(["late_mark", "late_run"])("refuses changes of %s, whoever makes them", async (table) => {
  const [row] = await owner.unsafe<{ count: number }[]>(
    `select count(*)::int as count from ${table}`,
  );
  expect(row!.count).toBeGreaterThan(0);
  for (const change of [`update ${table} set account_id = 1`, `delete from ${table}`]) {
    await expect(owner.unsafe(change)).rejects.toThrow(/append-only/);
    await expect(database.pool.unsafe(change)).rejects.toThrow(/permission denied|append-only/);
  }
});

test("the runtime role cannot drop the index of late entries, its owner can", async () => {
  const truncate = "truncate late_position, late_mark, late_run";
  await expect(database.pool.unsafe(truncate)).rejects.toThrow(/permission denied/);
  await owner.unsafe(truncate);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

type Times = { transaction: string; entry: string; entryMax: string; state: string | null };

class Undo extends Error {}

/** Writes 7 from sales to cash in one statement, as the service does, and rolls back. */
async function attempt(times: Partial<Times>): Promise<"accepted"> {
  const write: Times = {
    ...{ transaction: earlier, entry: earlier, entryMax: latest, state: latest },
    ...times,
  };
  const recordedTime = "2100-01-01T00:00:00Z";
  const hash = Buffer.alloc(32, 9);
  try {
    await owner.begin(async (tx) => {
      await tx`
        with head as (select id, head_sequence + 1 as sequence, head_hash from ledger),
        facts as (
          insert into journal
          select id, sequence, 'bursar.ledger.v1.TransactionPosted', '' from head
        ), batches as (
          insert into batch
          select id, sequence, sequence, ${recordedTime}::timestamptz, 'sha256', 1, head_hash,
            ${hash}::bytea
          from head
        ), transactions as (
          insert into transaction
          select id, sequence, 2, ${write.transaction}::timestamptz,
            ${recordedTime}::timestamptz, null, null
          from head
        ), touched as (
          select account_id, sequence, version + 1 as version,
            case when grows_by_debits then 7 else -7 end as amount,
            debits_minor + case when grows_by_debits then 7 else 0 end as debits,
            credits_minor + case when grows_by_debits then 0 else 7 end as credits
          from head
          join account on ledger_id = id and asset_code = 'USD'
          join (select account_id, version, debits_minor, credits_minor, grows_by_debits
            from account_state) state using (account_id)
        ), entries as (
          insert into entry
          select account_id, version, sequence, amount, debits, credits,
            ${write.entry}::timestamptz, ${write.entryMax}::timestamptz
          from touched
        ), states as (
          update account_state set version = touched.version, sequence = touched.sequence,
            debits_minor = debits, credits_minor = credits,
            effective_time_max = ${write.state}::timestamptz
          from touched where touched.account_id = account_state.account_id
        )
        update ledger set head_sequence = head_sequence + 1, head_hash = ${hash},
          recorded_time = ${recordedTime}
      `;
      throw new Undo();
    });
  } catch (error) {
    if (!(error instanceof Undo)) throw error;
  }
  return "accepted";
}
