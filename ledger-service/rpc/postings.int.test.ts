import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  balanceOf,
  errorOf,
  expectRefusal,
  type LedgerClient,
  openSchool,
  type School,
  saleRequest,
  schoolId,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
});
afterAll(() => school[Symbol.asyncDispose]());

test("a transaction is posted, read back by sequence and key, and replayed", async () => {
  const request = {
    ...saleRequest("first", 30n),
    description: "a course",
    metadata: [
      { key: "b", value: "2" },
      { key: "a", value: "1" },
    ],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 123_456_789 },
  };
  const { transaction, balances, replayed } = await client.postTransaction(request);
  expect(replayed).toBe(false);
  expect(transaction).toMatchObject({
    ledgerId,
    idempotencyKey: "first",
    description: "a course",
    metadata: [{ key: "a" }, { key: "b" }],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 123_456_789 },
    reversesSequence: 0n,
  });
  expect(transaction?.paymentState).toBeUndefined();
  expect(balances).toMatchObject([
    { accountCode: "assets:cash", debitsMinor: 30n, creditsMinor: 0n, balanceMinor: 30n },
    { accountCode: "income:sales", debitsMinor: 0n, creditsMinor: 30n, balanceMinor: 30n },
  ]);

  const again = await client.postTransaction({
    ...request,
    metadata: request.metadata.toReversed(),
  });
  expect(again.replayed).toBe(true);
  // Nobody remembers what was pending then.
  const unpending = { debitsPendingMinor: undefined, creditsPendingMinor: undefined };
  expect(again.balances).toEqual(
    balances.map((balance) => ({ ...balance, ...unpending, availableMinor: undefined })),
  );
  expect(again.transaction).toEqual(transaction);
  const ledgerSequence = transaction?.ledgerSequence ?? 0n;
  for (const name of [
    { case: "ledgerSequence", value: ledgerSequence } as const,
    { case: "idempotencyKey", value: "first" } as const,
  ]) {
    expect((await client.getTransaction({ ledgerId, name })).transaction).toEqual(transaction);
  }
  await expectRefusal(client.postTransaction(saleRequest("first", 31n)), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
    idempotencyKey: "first",
    ledgerSequence,
  });
});

test("without an effective time a transaction counts when it is recorded", async () => {
  const { transaction } = await client.postTransaction(saleRequest("now", 1n));
  expect(transaction?.effectiveTime).toEqual(transaction?.recordedTime);
});

test("a refused transaction says why, and stays refused", async () => {
  const unbalanced = saleRequest("crooked", 5n);
  unbalanced.entries[1]!.amountMinor = 4n;
  const detail = {
    refusal: Refusal.UNBALANCED,
    idempotencyKey: "crooked",
    assetCode: "USD",
    debitsMinor: 5n,
    creditsMinor: 4n,
  };
  await expectRefusal(client.postTransaction(unbalanced), Code.FailedPrecondition, detail);
  await expectRefusal(client.postTransaction(unbalanced), Code.FailedPrecondition, detail);
  await expectRefusal(client.postTransaction(saleRequest("crooked", 5n)), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
  });
  const name = { case: "idempotencyKey", value: "crooked" } as const;
  await expectRefusal(client.getTransaction({ ledgerId, name }), Code.NotFound, {
    refusal: Refusal.TRANSACTION_NOT_FOUND,
  });
});

test("sums beyond int64 are refused without telling sums that cannot be told", async () => {
  const huge = saleRequest("huge", 2n ** 63n - 1n);
  huge.entries.push(...saleRequest("", 2n ** 63n - 1n).entries.slice(0, 1));
  await expectRefusal(client.postTransaction(huge), Code.FailedPrecondition, {
    refusal: Refusal.UNBALANCED,
    debitsMinor: 0n,
    creditsMinor: 0n,
  });
  const most = saleRequest("most", 2n ** 63n - 1n);
  await expectRefusal(client.postTransaction(most), Code.FailedPrecondition, {
    refusal: Refusal.AMOUNT_OUT_OF_RANGE,
    account: { accountCode: "assets:cash" },
  });
});

test.each<[string, Code, Partial<{ refusal: Refusal }>, () => Promise<unknown>]>([
  [
    "a ledger that does not exist",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => client.postTransaction({ ...saleRequest("k", 1n), ledgerId: "nowhere" }),
  ],
  [
    "an account that does not exist",
    Code.FailedPrecondition,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
    () => client.postTransaction(saleRequest("unknown account", 1n, { debit: "assets:nobody" })),
  ],
  [
    "an asset that is not registered",
    Code.FailedPrecondition,
    { refusal: Refusal.ASSET_NOT_FOUND },
    () => client.postTransaction(saleRequest("unknown asset", 1n, { assetCode: "XAU" })),
  ],
  [
    "notes with the same key",
    Code.FailedPrecondition,
    { refusal: Refusal.METADATA_DUPLICATE },
    () => client.postTransaction({ ...saleRequest("twice", 1n), metadata: [note, note] }),
  ],
  [
    "a reversal of nothing",
    Code.NotFound,
    { refusal: Refusal.TRANSACTION_NOT_FOUND },
    () => client.reverseTransaction({ ledgerId, idempotencyKey: "r0", ledgerSequence: 1n }),
  ],
  [
    "the balance of no account",
    Code.NotFound,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
    () => client.getBalance({ ledgerId, account: { accountCode: "a:b", assetCode: "USD" } }),
  ],
  [
    "the entries of no account",
    Code.NotFound,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
    () => client.listEntries({ ledgerId, account: { accountCode: "a:b", assetCode: "USD" } }),
  ],
  [
    "the trial balance of no ledger",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => client.getTrialBalance({ ledgerId: "nowhere" }),
  ],
  [
    "no ledger",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => client.getLedger({ ledgerId: "nowhere" }),
  ],
])("refuses %s", async (_, code, detail, call) => {
  await expectRefusal(call(), code, detail);
});

const note = { key: "a", value: "" };

test.each<[string, () => Promise<unknown>]>([
  ["an amount of zero", () => client.postTransaction(saleRequest("k", 0n))],
  ["a negative amount", () => client.postTransaction(saleRequest("k", -1n))],
  [
    "one entry",
    () =>
      client.postTransaction({
        ...saleRequest("k", 1n),
        entries: saleRequest("k", 1n).entries.slice(1),
      }),
  ],
  ["no key", () => client.postTransaction(saleRequest("", 1n))],
  ["a key that no column holds", () => client.postTransaction(saleRequest("a\0b", 1n))],
  [
    "a time beyond the year 9999",
    () =>
      client.postTransaction({
        ...saleRequest("k", 1n),
        effectiveTime: { seconds: 2n ** 40n, nanos: 0 },
      }),
  ],
  [
    "a batch for two ledgers",
    () =>
      client.batchPostTransactions({
        ledgerId,
        requests: [{ ...saleRequest("k", 1n), ledgerId: "other" }],
      }),
  ],
  ["a page token of nobody", () => client.listAccounts({ ledgerId, pageToken: "x" })],
  ["a page of negative size", () => client.listAccounts({ ledgerId, pageSize: -1 })],
])("%s is an invalid argument, and uses no key up", async (_, call) => {
  const error = await errorOf(call());
  expect(error.code).toBe(Code.InvalidArgument);
  const [row] = await school.database
    .pool`select count(*)::int as n from idempotency where key = 'k'`;
  expect(row?.["n"]).toBe(0);
});

test("each transaction of a batch has its own answer", async () => {
  const crooked = saleRequest("batch-2", 2n);
  crooked.entries[0]!.amountMinor = 3n;
  const requests = [
    saleRequest("batch-1", 1n),
    crooked,
    saleRequest("batch-3", 3n),
    saleRequest("batch-1", 1n),
    saleRequest("batch-1", 2n),
  ];
  const { results } = await client.batchPostTransactions({ ledgerId, requests });
  expect(results.map(({ result }) => result.case)).toEqual([
    "posted",
    "refused",
    "posted",
    "posted",
    "refused",
  ]);
  expect(results[1]?.result.value).toMatchObject({ refusal: Refusal.UNBALANCED });
  expect(results[3]?.result.value).toMatchObject({ replayed: true });
  expect(results[4]?.result.value).toMatchObject({ refusal: Refusal.IDEMPOTENCY_CONFLICT });
});

test("a transaction is reversed once", async () => {
  const { transaction } = await client.postTransaction(saleRequest("wrong", 9n));
  const ledgerSequence = transaction?.ledgerSequence ?? 0n;
  const before = await balanceOf(client, "assets:cash");
  const request = { ledgerId, idempotencyKey: "undo", ledgerSequence, description: "wrong" };
  const reversed = await client.reverseTransaction(request);
  expect(reversed.transaction).toMatchObject({
    reversesSequence: ledgerSequence,
    entries: [
      { side: Side.CREDIT, amountMinor: 9n },
      { side: Side.DEBIT, amountMinor: 9n },
    ],
  });
  expect(await balanceOf(client, "assets:cash")).toBe(before - 9n);
  expect(await client.reverseTransaction(request)).toMatchObject({ replayed: true });
  const twice = client.reverseTransaction({ ...request, idempotencyKey: "undo again" });
  await expectRefusal(twice, Code.FailedPrecondition, {
    refusal: Refusal.ALREADY_REVERSED,
    ledgerSequence: reversed.transaction?.ledgerSequence ?? 0n,
  });
  await expectRefusal(client.postTransaction(saleRequest("undo", 9n)), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
  });
});
