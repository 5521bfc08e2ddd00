import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { type Eventful, fillBooks } from "../testing/eventful.ts";
import { schoolId as ledgerId, openSchool, type School } from "../testing/school.ts";
import { changes, named } from "../testing/tampering.ts";
import { verifyBooks, verifyLedger } from "./verify.ts";

let school: School;
let intruder: Pool;
let sequences: Eventful;

beforeAll(async () => {
  school = await openSchool();
  sequences = await fillBooks(school);
  const { superUrl: url } = school.database;
  intruder = openPool({ url, schema: "ledger", connectionsMax: 1, applicationName: "intruder" });
});

afterAll(async () => {
  await intruder.end();
  await school[Symbol.asyncDispose]();
});

test("sound books have no problems", async () => {
  expect(await verifyLedger(school.database.pool, ledgerId)).toEqual([]);
  const { ledger } = await school.client.getLedger({ ledgerId });
  const verified = await verifyBooks(school.database.pool, ledgerId, { divergencesMax: 1 });
  expect(verified).toMatchObject({ headSequence: ledger?.headSequence, divergences: [] });
  expect(Buffer.from(verified!.headHash)).toEqual(Buffer.from(ledger!.headHash));
});

test("a ledger that does not exist is a problem", async () => {
  const { pool } = school.database;
  expect(await verifyLedger(pool, "nothing")).toEqual(["ledger nothing does not exist"]);
  expect(await verifyBooks(pool, "nothing", { divergencesMax: 1 })).toBeUndefined();
});

test("the books are as eventful as they should be", async () => {
  const [row] = await school.database.pool<Record<string, bigint>[]>`
    select (select count(*) from late_run where level = 1) as runs,
      (select count(*) from note) as notes, (select count(*) from period) as periods,
      (select count(*) from suspense_item where released_sequence is null) as suspended,
      (select count(*) from suspense_item where released_sequence is not null) as released,
      (select count(distinct status) from hold) as statuses,
      (select count(*) from reversed_entry) as reversed
  `;
  for (const [what, count] of Object.entries(row ?? {})) expect(count, what).toBeGreaterThan(0n);
  expect(row?.["statuses"]).toBe(4n);
});

// Whoever can switch the triggers off can write anything; it does not stay unseen.
test.each(changes)("finds $name", async ({ change, projection, problem }) => {
  const divergences = await afterChange(change, 1);
  expect(divergences).toEqual([
    { projection, sequence: expect.any(BigInt), problem: expect.stringMatching(problem) },
  ]);
});

test("tells several problems, in the order of the facts", async () => {
  const change = "update entry set amount_minor = amount_minor * 2 where account_id = $cash";
  const divergences = await afterChange(change, 3);
  const told = divergences?.map(({ sequence }) => sequence) ?? [];
  expect(told[0]).toBe(sequences.sale);
  expect(told).toHaveLength(3);
  expect(told).toEqual(told.toSorted((a, b) => Number(a - b)));
});

test("a verification that nobody waits for stops", async () => {
  const stopping = new AbortController();
  const verifying = verifyBooks(school.database.pool, ledgerId, {
    divergencesMax: 1,
    signal: stopping.signal,
    onProgress: () => stopping.abort(new Error("enough")),
  });
  await expect(verifying).rejects.toThrow("enough");
});

/** The check runs in the same SQL transaction, which is then undone. */
async function afterChange(change: string, divergencesMax: number) {
  let verified: Awaited<ReturnType<typeof verifyBooks>>;
  await intruder
    .begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      for (const { name, table } of await checksOf(tx as unknown as Pool)) {
        await tx.unsafe(`alter table ${table} drop constraint ${name}`);
      }
      await tx.unsafe(named(change, sequences));
      const inside = Object.assign(Object.create(tx), {
        begin: (_options: string, work: (same: typeof tx) => Promise<unknown>) => work(tx),
      });
      verified = await verifyBooks(inside as Pool, ledgerId, { divergencesMax });
      throw new Error("undo");
    })
    .catch((error: Error) => {
      if (error.message !== "undo") throw error;
    });
  return verified?.divergences;
}

function checksOf(pool: Pool) {
  return pool<{ name: string; table: string }[]>`
    select conname as name, conrelid::regclass::text as "table" from pg_constraint
    where contype = 'c' and connamespace = 'ledger'::regnamespace and conrelid <> 0
      and conparentid = 0 and coninhcount = 0
  `;
}
