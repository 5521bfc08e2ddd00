import { expect, test } from "vitest";
import { openPool } from "#mesh/database/pool.ts";
import { silentLog } from "#mesh/testing/broker.ts";
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
import { startLateIndex } from "./late-index.ts";

/** Enough for 9 runs of level 0 and one of level 1, and a rest. */
const lateCount = 600;

test("indexes what is late while others post, and leaves the rest for later", async () => {
  await using database = await openLateLedger();
  await using poster = openPoster(database);
  const { pool } = database;
  {
    await using _first = startLateIndex({ pool, log: silentLog() });
    await using _second = startLateIndex({ pool, log: silentLog() });
    await submit(poster, sale("meanwhile", 1n));
    await expect
      .poll(() => runsOf(database), { timeout: 20_000 })
      .toEqual([
        [9n, 1n],
        [9n, 1n],
      ]);
  }
  // 25 late entries are left, of 128 that would be worth a step.
  const late = Array.from({ length: 90 }, (_, n) => lateSale(`few ${n}`));
  await submit(poster, ...late);
  await using _again = startLateIndex({ pool, log: silentLog() });
  await submit(poster, ...Array.from({ length: 20 }, (_, n) => lateSale(`more ${n}`)));
  await expect
    .poll(() => runsOf(database), { timeout: 20_000 })
    .toEqual([
      [11n, 1n],
      [11n, 1n],
    ]);
});

test("of two who take a step for an account at once, one does nothing", async () => {
  await using database = await openLateLedger();
  const { pool } = database;
  const [account] = await pool<{ id: bigint }[]>`
    select distinct account_id as id from entry order by account_id limit 1
  `;
  await takeLateStep(pool, account!.id, { runs: 1 });
  await pool.begin(async (tx) => {
    await takeLateStep(tx, account!.id, { runs: 1 });
    expect(await takeLateStep(pool, account!.id)).toBe(false);
  });
  expect(await runsOf(database)).toEqual([[2n]]);
});

test("an index that was dropped is made again", async () => {
  await using database = await openLateLedger();
  const rows = async () => {
    await using _index = startLateIndex({ pool: database.pool, log: silentLog() });
    await expect.poll(() => runsOf(database), { timeout: 20_000 }).toHaveLength(2);
    await expect.poll(() => isDone(database), { timeout: 20_000 }).toBe(true);
    return database.pool.unsafe("select * from late_run order by account_id, level, number");
  };
  const before = await rows();
  await asOwner(database, "truncate late_position, late_mark, late_run");
  expect(await rows()).toEqual(before);
  expect(before.length).toBeGreaterThan(2 * 10);
});

test.each([
  ["a total of a run", "late_run set counts[1] = counts[1] + 1 where level = 1"],
  [
    "a time of a run",
    "late_run set times[2] = times[2] - interval '1 microsecond' where level = 0",
  ],
  ["a total between marks", "late_mark set debits_before[9] = debits_before[9] + 1"],
  ["a total at a mark", "late_mark set credits_minor = credits_minor + 1"],
  ["how much is complete", "late_position set runs[1] = runs[1] - 1"],
])("VerifyLedger finds %s that was changed behind everybody's back", async (_, change) => {
  await using database = await openLateLedger();
  {
    await using _index = startLateIndex({ pool: database.pool, log: silentLog() });
    await expect.poll(() => isDone(database), { timeout: 20_000 }).toBe(true);
  }
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
  const { superUrl: url } = database;
  const intruder = openPool({ url, schema: "ledger", connectionsMax: 1 });
  await intruder.unsafe(`set session_replication_role = replica; update ${change}`);
  await intruder.end();
  expect(await verifyLedger(database.pool, ledgerId)).not.toEqual([]);
});

/** Two accounts, each with as many late entries. */
async function openLateLedger(): Promise<TestDatabase> {
  const database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await submit(poster, sale("first", 1n));
  await submit(poster, ...Array.from({ length: lateCount }, (_, n) => lateSale(`late ${n}`)));
  return database;
}

function lateSale(key: string) {
  const seconds = BigInt(1_600_000_000 + Math.floor(Math.random() * 1_000));
  return sale(key, 1n, { effectiveTime: { seconds, nanos: 0 } });
}

async function runsOf({ pool }: TestDatabase): Promise<bigint[][]> {
  const rows = await pool<{ text: string }[]>`
    select array_to_string(runs, ',') as text from late_position order by account_id
  `;
  return rows.map(({ text }) => text.split(",").map(BigInt));
}

async function isDone({ pool }: TestDatabase): Promise<boolean> {
  const [row] = await pool<{ due: boolean }[]>`
    select bool_or(is_due) as due from late_accounts(0, 128, 100)
  `;
  return row?.due === false;
}

async function asOwner({ ownerUrl }: TestDatabase, text: string): Promise<void> {
  const owner = openPool({ url: ownerUrl, schema: "ledger", connectionsMax: 1 });
  await owner.unsafe(text);
  await owner.end();
}
