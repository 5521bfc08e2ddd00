import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { digestHold, digestRelease } from "./digest.ts";
import type { Poster } from "./poster.ts";
import { entry, ledgerId, openLedgerDatabase, openPoster, opening, posting, prepareLedger, preparedSequence, reversal, sale, submit } from "./testing/ledger.ts";
import { verifyLedger } from "./verify.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
let db: TestDatabase; let poster: Poster;
beforeAll(async () => { db = await openLedgerDatabase(); poster = openPoster(db); await prepareLedger(poster); });
afterAll(async () => { await poster[Symbol.asyncDispose](); console.log(await verifyLedger(db.pool, ledgerId)); await db[Symbol.asyncDispose](); });
const usd = (accountCode: string) => ({ accountCode, assetCode: "USD" });
export function hold(kind: string, idempotencyKey: string, fields: object): any {
  const base: any = { kind, amountMinor: 0n, description: "", ...fields };
  if (kind === "create-hold") Object.assign(base, { debitAccount: usd("assets:cash"), creditAccount: usd("income:sales"), toleranceMinor: 0n, expiration: undefined, metadata: [], ...fields });
  if (kind === "capture-hold") Object.assign(base, { final: false, metadata: [], effectiveTime: undefined, ...fields });
  return { ...base, idempotencyKey, digest: digestHold(base) };
}
const brief = (a: any) => a.kind === "written" ? [a.row.sequence, a.replayed, a.row.subject] : a.kind === "refused" ? a.detail.refusal : a;
test("guessed names within one batch", async () => {
  const s = preparedSequence;
  const a = await submit(poster,
    sale("p1", 10n), // s+1
    reversal("r1", s + 1n), // s+2
    reversal("r2", s + 1n), // refused s+3
    reversal("r3", s + 2n), // reverses the reversal s+4
    hold("create-hold", "h1", { amountMinor: 10n, toleranceMinor: 5n }), // s+5
    hold("increase-hold", "h2", { holdSequence: s + 5n, amountMinor: 3n }), // s+6
    hold("capture-hold", "h3", { holdSequence: s + 5n, amountMinor: 4n }), // s+7
    hold("void-hold", "h4", { holdSequence: s + 5n, amountMinor: 2n }), // s+8
    hold("capture-hold", "h5", { holdSequence: s + 5n, amountMinor: 12n }), // s+9 = left 7 + 5
    hold("capture-hold", "h6", { holdSequence: s + 5n, amountMinor: 1n }), // refused s+10
    reversal("r4", s + 7n), // reverses a capture
    hold("void-hold", "h7", { holdSequence: s + 99n }),
    opening("liabilities:new", "liability"), 
    posting("p2", [entry("debit", "assets:cash", 5n), entry("credit", "liabilities:new", 5n)]),
    hold("create-hold", "h8", { debitAccount: usd("liabilities:new"), creditAccount: usd("income:sales"), amountMinor: 5n, expiration: { after: { seconds: 0n, nanos: 2000 } } }),
    { kind: "update-account", idempotencyKey: "u1", digest: "ab".repeat(32), account: usd("liabilities:new"), change: { what: "close" }, expectedChangedSequence: 0n, description: "" } as any,
    { kind: "update-account", idempotencyKey: "u2", digest: "ab".repeat(32), account: usd("liabilities:new"), change: { what: "freeze" }, expectedChangedSequence: 0n, description: "" } as any,
    { kind: "update-account", idempotencyKey: "u3", digest: "ab".repeat(32), account: usd("liabilities:new"), change: { what: "metadata", metadata: [{key:"a",value:"b"}] }, expectedChangedSequence: 0n, description: "" } as any,
    posting("p3", [entry("credit", "assets:cash", 5n), entry("debit", "liabilities:new", 5n)]),
    { kind: "update-account", idempotencyKey: "u4", digest: "ab".repeat(32), account: usd("liabilities:new"), change: { what: "unfreeze" }, expectedChangedSequence: 0n, description: "" } as any,
    posting("p4", [entry("credit", "assets:cash", 5n), entry("debit", "liabilities:new", 5n)]),
    { kind: "update-account", idempotencyKey: "u5", digest: "ab".repeat(32), account: usd("liabilities:new"), change: { what: "close" }, expectedChangedSequence: 0n, description: "" } as any,
  );
  console.log(a.map(brief));
  const b = await submit(poster,
    { kind: "update-account", idempotencyKey: "u6", digest: "ab".repeat(32), account: usd("liabilities:new"), change: { what: "close" }, expectedChangedSequence: 0n, description: "" } as any,
    posting("p5", [entry("credit", "assets:cash", 5n), entry("debit", "liabilities:new", 5n)]),
  );
  console.log(b.map(brief));
});
test("big reversals", async () => {
  const legs = 1000;
  const codes = Array.from({ length: legs / 2 }, (_, i) => `assets:x${i}`);
  await submit(poster, ...codes.map((c) => opening(c, "asset")));
  const keys = Array.from({ length: 40 }, (_, i) => `big${i}`);
  const posts: any[] = []; for (const k of keys) posts.push(await submit(poster, posting(k, codes.flatMap((c) => [entry("debit", c, 1n), entry("credit", "income:sales", 1n)]))));
  for (const [from, to] of [[0, 1], [1, 2], [2, 6], [6, 16], [16, 36]]) {
    const t = performance.now();
    const cmds = posts.slice(from, to).map(([p], i) => reversal(`rev${from}-${i}`, p.row.sequence));
    const r: any[] = await submit(poster, ...cmds).catch((e) => [String(e), e.cause]);
    console.log(cmds.length, "big reversals ms", performance.now() - t, r[0].kind ?? r[0]);
  }
  for (let i = 0; i < 3; i++) { const t = performance.now(); await submit(poster, posting(`again${i}`, codes.flatMap((c) => [entry("debit", c, 1n), entry("credit", "income:sales", 1n)]))); console.log("post", performance.now() - t); }
}, 120000);
test("due holds", async () => {
  for (const n of [5000, 20000]) {
    await submit(poster, opening(`liabilities:m${n}`, "liability"));
    const hs: any[] = [];
    for (let i = 0; i < n; i += 1000) hs.push(...await submit(poster, ...Array.from({ length: 1000 }, (_, j) => hold("create-hold", `dh${n}-${i + j}`, { creditAccount: usd(`liabilities:m${n}`), amountMinor: 1n, expiration: { after: { seconds: 12n, nanos: 0 } } }))));
    console.log(hs.length, brief(hs.at(-1)));
    await new Promise((r) => setTimeout(r, 12500));
    const t = performance.now();
    const a = await submit(poster, posting(`after${n}`, [entry("debit", "assets:cash", 1n), entry("credit", `liabilities:m${n}`, 1n)]));
    console.log(`${n} due`, performance.now() - t, brief(a[0]));
  }
}, 120000);
