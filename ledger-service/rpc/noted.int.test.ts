import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inTransaction } from "#mesh/database/transaction.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import {
  errorOf,
  type LedgerClient,
  schoolId as ledgerId,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";
import { indexNotes, startNoteIndex } from "../upkeep/note-index.ts";

let school: School;
let client: LedgerClient;
const long = "\u{1F4D8}".repeat(1_024);
const posted: bigint[] = [];

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  for (let n = 0; n < 30; n++) {
    const metadata = [
      { key: "course", value: `course ${n % 3}` },
      { key: "parity", value: n % 2 === 0 ? "even" : "odd" },
      ...(n === 7 ? [{ key: "story", value: long }] : []),
    ];
    const request = { ...saleRequest(`noted ${n}`, 1n), metadata };
    posted.push((await client.postTransaction(request)).transaction?.ledgerSequence ?? 0n);
  }
});
afterAll(() => school[Symbol.asyncDispose]());

const course = (n: number) => ({ key: "course", value: `course ${n}` });
const odd = { key: "parity", value: "odd" };

async function list(metadata: readonly { key: string; value: string }[], pageSize = 100) {
  const found: bigint[] = [];
  for (let pageToken = ""; ; ) {
    const request = { ledgerId, metadata: [...metadata], pageSize, pageToken };
    const page = await client.listTransactions(request);
    expect(page.transactions.length).toBeLessThanOrEqual(pageSize);
    found.push(...page.transactions.map(({ ledgerSequence }) => ledgerSequence));
    pageToken = page.nextPageToken;
    if (pageToken === "") return found;
  }
}

async function indexUpTo(facts: number): Promise<void> {
  const [row] = await school.database.pool<{ id: bigint }[]>`
    select id from ledger where ledger_code = ${ledgerId}
  `;
  await inTransaction(school.database.pool, (tx) => indexNotes(tx, row?.id ?? 0n, facts));
}

const expected = (takes: (n: number) => boolean) => posted.filter((_, n) => takes(n));

test.each([
  ["nothing", 0],
  ["a part of the ledger", 20],
  ["all of it", 1_000],
])("an index of %s finds the same transactions", async (_, facts) => {
  if (facts > 0) await indexUpTo(facts);
  for (const pageSize of [1, 4, 100]) {
    expect(await list([course(1)], pageSize)).toEqual(expected((n) => n % 3 === 1));
    const both = expected((n) => n % 3 === 1 && n % 2 === 1);
    expect(await list([course(1), odd], pageSize)).toEqual(both);
    expect(await list([odd, course(1)], pageSize)).toEqual(both);
  }
  expect(await list([{ key: "story", value: long }])).toEqual([posted[7]]);
  expect(await list([{ key: "story", value: long.slice(2) }])).toEqual([]);
  expect(await list([course(1), course(2)])).toEqual([]);
  expect(await list([{ key: "course", value: "" }])).toEqual([]);
});

test("what was just posted is found at once, and later by the index", async () => {
  const metadata = [{ key: "fresh", value: "yes" }];
  const { transaction } = await client.postTransaction({ ...saleRequest("fresh", 1n), metadata });
  expect(await list(metadata)).toEqual([transaction?.ledgerSequence]);
  await indexUpTo(1_000);
  expect(await list(metadata)).toEqual([transaction?.ledgerSequence]);
});

test("several processes make the index together, each note once", async () => {
  const { pool } = school.database;
  for (let n = 0; n < 50; n++) {
    const metadata = [{ key: "crowd", value: String(n % 5) }];
    await client.postTransaction({ ...saleRequest(`crowd ${n}`, 1n), metadata });
  }
  await using first = startNoteIndex({ pool, log: silentLog(), metrics: createMetrics("a") });
  await using second = startNoteIndex({ pool, log: silentLog(), metrics: createMetrics("b") });
  const behind = async () => {
    first.wake();
    second.wake();
    const [row] = await pool<{ behind: bigint }[]>`
      select head_sequence - indexed_sequence as behind
      from ledger join note_position on ledger_id = id
    `;
    return row?.behind;
  };
  await expect.poll(behind).toBe(0n);
  expect((await list([{ key: "crowd", value: "3" }], 3)).length).toBe(10);
  const [row] = await pool`select count(*)::int as n from note where key = 'crowd'`;
  expect(row?.["n"]).toBe(50);
});

test("pages do not shift while others post and the index moves", async () => {
  const before = await list([odd]);
  const request = { ledgerId, metadata: [odd], pageSize: 4 };
  const first = await client.listTransactions(request);
  const metadata = [odd];
  await client.postTransaction({ ...saleRequest("between pages", 1n), metadata });
  await indexUpTo(1_000);
  const pageToken = first.nextPageToken;
  const second = await client.listTransactions({ ...request, pageToken });
  const seen = [...first.transactions, ...second.transactions];
  expect(seen.map(({ ledgerSequence }) => ledgerSequence)).toEqual(before.slice(0, 8));
});

test("two common notes that hardly ever meet are looked for on short pages", {
  timeout: 90_000,
}, async () => {
  const common = [
    { key: "first", value: "yes" },
    { key: "second", value: "yes" },
  ];
  const post = async (name: string, count: number, metadata: typeof common) => {
    const requests = Array.from({ length: count }, (_, n) => {
      return { ...saleRequest(`${name} ${n}`, 1n), metadata };
    });
    const { results } = await client.batchPostTransactions({ ledgerId, requests });
    const { value } = results[0]!.result as { value: { transaction: { ledgerSequence: bigint } } };
    return value.transaction.ledgerSequence;
  };
  for (let n = 0; n < 6; n++) await post(`first ${n}`, 1_000, common.slice(0, 1));
  const meeting = await post("both", 1, common);
  await post("second", 1_000, common.slice(1));
  await indexUpTo(10_000);
  const first = await client.listTransactions({ ledgerId, metadata: common, pageSize: 5 });
  expect(first.transactions).toEqual([]);
  expect(first.nextPageToken).not.toBe("");
  expect(await list(common, 5)).toEqual([meeting]);
});

test.each([
  ["notes and a payment", { metadata: [odd], paymentId: "stripe/acct_1/pi_1" }],
  ["five notes", { metadata: [0, 1, 2, 3, 4].map(course) }],
  ["a note without a key", { metadata: [{ key: "", value: "x" }] }],
])("%s cannot be asked for", async (_, request) => {
  const error = await errorOf(client.listTransactions({ ledgerId, ...request }));
  expect(error.code).toBe(Code.InvalidArgument);
});

test("a token belongs to its notes", async () => {
  const { nextPageToken: pageToken } = await client.listTransactions({
    ledgerId,
    metadata: [odd],
    pageSize: 1,
  });
  const error = await errorOf(
    client.listTransactions({ ledgerId, metadata: [course(1)], pageSize: 1, pageToken }),
  );
  expect(error.code).toBe(Code.InvalidArgument);
});
