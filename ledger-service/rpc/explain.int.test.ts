import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ExplainBalanceResponse } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { handlePayments } from "../consumer.ts";
import { hashBatch, type JournalRow } from "../journal.ts";
import { report } from "../testing/facts.ts";
import { receive, refunded, succeeded } from "../testing/payments.ts";
import {
  type AuditClient,
  errorOf,
  expectRefusal,
  schoolId as ledgerId,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let audit: AuditClient;
const account = { accountCode: "assets:cash", assetCode: "USD" };
const hours = 3_600n;
/** Every third is backdated; some count at the same time. */
const times = Array.from({ length: 40 }, (_, n) => {
  const seconds = 1_600_000_000n + BigInt(n) * hours - (n % 3 === 0 ? 9n * hours : 0n);
  return { seconds, nanos: n % 2 === 0 ? 0 : 999_999_999 };
});

beforeAll(async () => {
  school = await openSchool();
  audit = school.audit;
  for (const [n, effectiveTime] of times.entries()) {
    const sides = n % 5 === 4 ? { debit: "income:sales", credit: "assets:cash" } : {};
    const request = { ...saleRequest(`sale ${n}`, BigInt(n + 1), sides), effectiveTime };
    await school.client.postTransaction(request);
  }
  // One transaction with several entries on the account.
  const several = saleRequest("several", 7n);
  several.entries.push(...saleRequest("", 3n).entries);
  await school.client.postTransaction({ ...several, effectiveTime: times[20]! });
});
afterAll(() => school[Symbol.asyncDispose]());

type Time = { readonly seconds: bigint; readonly nanos: number };

type Request = {
  readonly ledgerId?: string;
  readonly account?: { readonly accountCode: string; readonly assetCode: string };
  readonly asOf?: { readonly effectiveTime?: Time; readonly ledgerSequence?: bigint };
  readonly pageSize?: number;
  readonly pageToken?: string;
  readonly minLedgerSequence?: bigint;
};

async function explain(request: Request): Promise<ExplainBalanceResponse[]> {
  const pages: ExplainBalanceResponse[] = [];
  for (let pageToken = ""; pages.length === 0 || pageToken !== ""; ) {
    const page = await audit.explainBalance({ ledgerId, account, ...request, pageToken });
    pages.push(page);
    pageToken = page.nextPageToken;
  }
  return pages;
}

function expectToAddUp(pages: readonly ExplainBalanceResponse[]): void {
  for (const [place, page] of pages.entries()) {
    const sum = page.steps.reduce((total, { changeMinor }) => total + changeMinor, 0n);
    expect(page.balanceBeforeMinor + sum).toBe(page.balanceAfterMinor);
    const next = pages[place + 1]?.balanceAfterMinor ?? 0n;
    expect(page.balanceBeforeMinor).toBe(next);
    expect(page.balance?.balanceMinor).toBe(pages[0]?.balanceAfterMinor);
  }
}

test.each([1, 7, 500])("a balance is told by pages of %d that add up to it", async (pageSize) => {
  const pages = await explain({ pageSize });
  expectToAddUp(pages);
  const { balance } = await school.client.getBalance({ ledgerId, account });
  expect(pages[0]?.balance).toEqual(balance);
  const steps = pages.flatMap((page) => page.steps);
  expect(steps.map(({ version }) => version)).toEqual(
    Array.from({ length: 42 }, (_, n) => BigInt(42 - n)),
  );
  for (const { transaction, changeMinor } of steps) {
    const sides = transaction?.entries.filter((entry) => {
      return entry.account?.accountCode === account.accountCode;
    });
    const amounts = sides?.map(({ side, amountMinor }) =>
      side === 1 ? amountMinor : -amountMinor,
    );
    expect(amounts).toContain(changeMinor);
  }
});

test.each([
  ["a time", { effectiveTime: times[17]! }, 5],
  [
    "a time that cuts a microsecond",
    { effectiveTime: { seconds: times[7]!.seconds, nanos: 1 } },
    2,
  ],
  ["a time before everything", { effectiveTime: { seconds: 1n, nanos: 0 } }, 5],
  ["a time after everything", { effectiveTime: { seconds: 2_000_000_000n, nanos: 0 } }, 11],
  ["a sequence", { ledgerSequence: 25n }, 3],
  ["a sequence before its first entry", { ledgerSequence: 7n }, 3],
  ["both", { effectiveTime: times[12]!, ledgerSequence: 30n }, 3],
])("as of %s, the steps are the entries that count", async (_, asOf, pageSize) => {
  const pages = await explain({ asOf, pageSize });
  expectToAddUp(pages);
  const { balance } = await school.client.getBalance({ ledgerId, account, asOf });
  for (const page of pages) expect(page.balance).toEqual(balance);
  const { entries } = await school.client.listEntries({ ledgerId, account, asOf, pageSize: 500 });
  const versions = pages.flatMap(({ steps }) => steps.map(({ version }) => version));
  expect(versions).toEqual(entries.map(({ version }) => version).reverse());
});

test("pages do not shift while others post", async () => {
  const before = await explain({ pageSize: 10 });
  const first = await audit.explainBalance({ ledgerId, account, pageSize: 10 });
  await school.client.postTransaction(saleRequest("between pages", 1n));
  const pageToken = first.nextPageToken;
  const second = await audit.explainBalance({ ledgerId, account, pageSize: 10, pageToken });
  expect(second.steps).toEqual(before[1]?.steps);
  expect(second.balanceAfterMinor).toBe(before[1]?.balanceAfterMinor);
  expect(second.balance).toMatchObject({
    balanceMinor: first.balance?.balanceMinor,
    version: first.balance?.version,
  });
});

test("each step shows the batch whose hash covers its bytes", async () => {
  const [page] = await explain({ pageSize: 1 });
  const { transaction, batch } = page!.steps[0]!;
  const rows = await school.database.pool<JournalRow[]>`
    select sequence, subject, data from journal join ledger on id = ledger_id
    where ledger_code = ${ledgerId}
      and sequence between ${batch!.firstSequence} and ${batch!.lastSequence}
    order by sequence
  `;
  const { previousHash } = batch!;
  const recordedTime = { seconds: batch!.recordedTime!.seconds, nanos: batch!.recordedTime!.nanos };
  const hash = hashBatch({ ledgerId, recordedTime, previousHash }, rows);
  expect(Buffer.from(batch!.hash)).toEqual(hash);
  expect(batch).toMatchObject({ algorithm: "sha256", formatVersion: 1 });
  expect(transaction?.recordedTime).toEqual(batch?.recordedTime);
});

test("a provider's fact leads to its webhook, a caller's notes lead nowhere", async () => {
  const { pool } = school.database;
  const reports = [succeeded("pi_1", 900n), refunded("pi_1", "re_1", 100n)];
  await inTransaction(pool, (tx) =>
    handlePayments(
      tx,
      reports.map((report) => {
        return receive({ ...report, event: { ...report.event, ledgerId } as typeof report.event });
      }),
    ),
  );
  const clearing = { accountCode: "assets:stripe:clearing", assetCode: "USD" };
  const key = "payment/stripe/acct_1/pi_1/succeeded";
  await school.client.postTransaction({
    ...saleRequest(key, 5n, { debit: clearing.accountCode }),
    metadata: [{ key: "webhook_id", value: "wh_forged" }],
  });
  const pages = await explain({ account: clearing });
  expectToAddUp(pages);
  const webhook = { webhookId: "wh_1", endpointId: "stripe-main", providerEventId: "evt_1" };
  expect(pages[0]?.steps).toMatchObject([
    { changeMinor: 5n, transaction: { idempotencyKey: key } },
    { changeMinor: -100n, webhook },
    { changeMinor: 900n, webhook, transaction: { idempotencyKey: key } },
  ]);
  expect(pages[0]?.steps[0]?.webhook).toBeUndefined();
});

test("what was released from suspense leads to the webhook that it came from", async () => {
  await using other = await openSchool();
  const { client, database } = other;
  const sales = { accountCode: "income:sales", assetCode: "USD" };
  await client.freezeAccount({ ledgerId, idempotencyKey: "freeze", account: sales });
  await report(database.pool, [succeeded("pi_9", 500n)], ledgerId);
  await client.unfreezeAccount({ ledgerId, idempotencyKey: "unfreeze", account: sales });
  const { items } = await client.listSuspenseItems({ ledgerId });
  const { ledgerSequence, entryIndex } = items[0]!;
  const name = { ledgerId, ledgerSequence, entryIndex };
  await client.releaseSuspenseItem({ ...name, idempotencyKey: "release" });
  const suspense = { accountCode: "liabilities:suspense", assetCode: "USD" };
  for (const [of, count] of [
    [sales, 1],
    [suspense, 2],
  ] as const) {
    const { steps } = await other.audit.explainBalance({ ledgerId, account: of });
    const origins = steps.map(({ webhook }) => webhook?.webhookId);
    expect(origins).toEqual(Array.from({ length: count }, () => "wh_1"));
  }
});

test("an account without entries has no steps", async () => {
  const [page] = await explain({ account: { accountCode: "assets:cash", assetCode: "EUR" } });
  expect(page).toMatchObject({ steps: [], balanceAfterMinor: 0n, nextPageToken: "" });
});

test.each<[string, Request, Code, Refusal]>([
  ["no ledger", { ledgerId: "nowhere" }, Code.NotFound, Refusal.LEDGER_NOT_FOUND],
  [
    "no account",
    { account: { accountCode: "a:b", assetCode: "USD" } },
    Code.NotFound,
    Refusal.ACCOUNT_NOT_FOUND,
  ],
  [
    "a sequence that is not there yet",
    { asOf: { ledgerSequence: 1_000_000n } },
    Code.FailedPrecondition,
    Refusal.SEQUENCE_NOT_REACHED,
  ],
  [
    "books that must know more",
    { minLedgerSequence: 1_000_000n },
    Code.FailedPrecondition,
    Refusal.SEQUENCE_NOT_REACHED,
  ],
])("%s cannot be explained", async (_, request, code, refusal) => {
  await expectRefusal(audit.explainBalance({ ledgerId, account, ...request }), code, { refusal });
});

test.each<[string, Request]>([
  ["no account", { ledgerId }],
  ["a page of negative size", { ledgerId, account, pageSize: -1 }],
  ["a token of nobody", { ledgerId, account, pageToken: "x" }],
  [
    "a time beyond the year 9999",
    { ledgerId, account, asOf: { effectiveTime: { seconds: 2n ** 40n, nanos: 0 } } },
  ],
])("%s is an invalid argument", async (_, request) => {
  expect((await errorOf(audit.explainBalance(request))).code).toBe(Code.InvalidArgument);
});

test("a token belongs to its moment", async () => {
  const { nextPageToken: pageToken } = await audit.explainBalance({
    ledgerId,
    account,
    pageSize: 1,
  });
  const asOf = { ledgerSequence: 20n };
  const error = await errorOf(audit.explainBalance({ ledgerId, account, asOf, pageToken }));
  expect(error.code).toBe(Code.InvalidArgument);
});
