import { afterAll, beforeAll, test } from "vitest";
import type { TestDatabase } from "#mesh/testing/database.ts";
import type { Poster } from "./poster.ts";
import { entry, openLedgerDatabase, openPoster, opening, posting, prepareLedger, reversal, sale, submit } from "./testing/ledger.ts";
let db: TestDatabase; let poster: Poster;
beforeAll(async () => { db = await openLedgerDatabase(); poster = openPoster(db); await prepareLedger(poster); });
afterAll(async () => { await poster[Symbol.asyncDispose](); await db[Symbol.asyncDispose](); });
test("profile", async () => {
  const codes = Array.from({ length: 500 }, (_, i) => `assets:x${i}`);
  await submit(poster, ...codes.map((c) => opening(c, "asset")));
  let seq = 0n;
  for (let i = 0; i < 20; i++) { const [p]: any[] = await submit(poster, posting(`big${i}`, codes.flatMap((c) => [entry("debit", c, 1n), entry("credit", "income:sales", 1n)]))); if (i === 10) seq = p.row.sequence; }
  for (const q of [
    () => db.pool`select count(*) from account cross join lateral entries_of(account_id, ${seq}, 1000) e`,
    () => db.pool`select count(entry_version_at(account_id, ${seq})) from account`,
    () => db.pool`select sum((select count(*) from entry e where e.account_id = account.account_id and e.sequence = ${seq})) from account`,
  ]) for (let i = 0; i < 3; i++) { const t = performance.now(); const r = await q(); console.log(performance.now() - t, r[0]); }
  const sales: any[] = []; for (let i = 0; i < 3000; i += 1000) sales.push(...await submit(poster, ...Array.from({ length: 1000 }, (_, j) => sale(`s${i + j}`, 1n))));
  for (const [a, b] of [[0, 1], [1, 101], [101, 1101]]) { const t = performance.now(); await submit(poster, ...sales.slice(a, b).map((s) => reversal(`r${s.row.sequence}`, s.row.sequence))); console.log(b! - a!, "small reversals", performance.now() - t); }
  const t = performance.now(); await submit(poster, ...Array.from({ length: 1000 }, (_, j) => sale(`z${j}`, 1n))); console.log("1000 sales", performance.now() - t);
}, 100000);
