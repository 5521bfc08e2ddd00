import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { report } from "../testing/facts.ts";
import { succeeded } from "../testing/payments.ts";
import {
  balanceOf,
  errorOf,
  expectRefusal,
  type LedgerClient,
  schoolId as ledgerId,
  openAccount,
  openSchool,
  type School,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;
/** Of the transactions with an entry in suspense, at place 1, in order. */
let sequences: bigint[];
const key = (accountCode: string, assetCode = "USD") => ({ accountCode, assetCode });
const sales = key("income:sales");

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  await client.freezeAccount({ ledgerId, idempotencyKey: "freeze", account: sales });
  const payments = Array.from({ length: 5 }, (_, n) => succeeded(`pi_${n}`, 100n + BigInt(n)));
  await report(school.database.pool, payments, ledgerId);
  const { items } = await client.listSuspenseItems({ ledgerId });
  sequences = items.map(({ ledgerSequence }) => ledgerSequence);
});
afterAll(() => school[Symbol.asyncDispose]());

test("items are listed oldest first, in pages that a release does not shift", async () => {
  const first = await client.listSuspenseItems({ ledgerId, pageSize: 2 });
  expect(first.items.map(({ amountMinor }) => amountMinor)).toEqual([100n, 101n]);
  await openAccount(client, "income:other", AccountKind.INCOME);
  await release("other", 1, { account: key("income:other") });
  const pageToken = first.nextPageToken;
  const second = await client.listSuspenseItems({ ledgerId, pageSize: 2, pageToken });
  expect(second.items.map(({ amountMinor }) => amountMinor)).toEqual([102n, 103n]);
  const rest = { ledgerId, pageSize: 2, pageToken: second.nextPageToken };
  const third = await client.listSuspenseItems(rest);
  expect(third).toMatchObject({ items: [{ amountMinor: 104n }], nextPageToken: "" });
  const open = await client.listSuspenseItems({ ledgerId });
  expect(open.items.map(({ ledgerSequence }) => ledgerSequence)).not.toContain(sequences[1]);
  const all = await client.listSuspenseItems({ ledgerId, released: true });
  expect(all.items.map(({ ledgerSequence }) => ledgerSequence)).toEqual(sequences);
  expect(await balanceOf(client, "income:other")).toBe(101n);
  const mixed = client.listSuspenseItems({ ledgerId, released: true, pageToken });
  expect((await errorOf(mixed)).code).toBe(Code.InvalidArgument);
});

test("the same release under the same key is replayed, another is a conflict", async () => {
  const once = await release("twice", 2, { account: key("income:other") });
  const again = await release("twice", 2, { account: key("income:other") });
  expect(again).toMatchObject({ replayed: true, transaction: once.transaction! });
  expect(again.balances.map(({ balanceMinor }) => balanceMinor)).toEqual(
    once.balances.map(({ balanceMinor }) => balanceMinor),
  );
  await expectRefusal(release("twice", 2, {}), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
    ledgerSequence: once.transaction?.ledgerSequence,
  });
});

test.each<[string, () => Promise<unknown>, Code, Record<string, unknown>]>([
  [
    "no ledger",
    () => client.releaseSuspenseItem({ ...request("k", 0), ledgerId: "nowhere" }),
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
  ],
  [
    "no transaction",
    () => client.releaseSuspenseItem({ ...request("none", 0), ledgerSequence: 99_999n }),
    Code.NotFound,
    { refusal: Refusal.SUSPENSE_NOT_FOUND, ledgerSequence: 99_999n, index: 1 },
  ],
  [
    "an entry that stands where it belongs",
    () => client.releaseSuspenseItem({ ...request("in place", 0), entryIndex: 0 }),
    Code.NotFound,
    { refusal: Refusal.SUSPENSE_NOT_FOUND, index: 0 },
  ],
  [
    "an entry that was released",
    () => release("released", 1, {}),
    Code.FailedPrecondition,
    { refusal: Refusal.SUSPENSE_RELEASED },
  ],
  [
    "an account of another asset",
    () => release("asset", 0, { account: key("income:sales", "EUR") }),
    Code.FailedPrecondition,
    { refusal: Refusal.ASSET_MISMATCH, account: key("income:sales", "EUR") },
  ],
  [
    "the suspense account itself",
    () => release("itself", 0, { account: key("liabilities:suspense") }),
    Code.FailedPrecondition,
    { refusal: Refusal.ACCOUNT_RESERVED },
  ],
  [
    "an account that does not exist",
    () => release("nobody", 0, { account: key("income:nobody") }),
    Code.FailedPrecondition,
    { refusal: Refusal.ACCOUNT_NOT_FOUND },
  ],
  [
    "an account that is frozen still",
    () => release("frozen", 0, {}),
    Code.FailedPrecondition,
    { refusal: Refusal.ACCOUNT_FROZEN, account: sales },
  ],
  [
    "a time years ahead",
    () =>
      release("ahead", 0, {
        account: key("income:other"),
        effectiveTime: { seconds: 32_503_680_000n, nanos: 0 },
      }),
    Code.FailedPrecondition,
    { refusal: Refusal.EFFECTIVE_TIME_TOO_LATE },
  ],
  [
    "items of no ledger",
    () => client.listSuspenseItems({ ledgerId: "nowhere" }),
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
  ],
])("refuses %s", async (_, call, code, detail) => {
  await expectRefusal(call(), code, detail);
});

test.each<[string, () => Promise<unknown>]>([
  ["no key", () => release("", 0, {})],
  ["no sequence", () => client.releaseSuspenseItem({ ...request("k", 0), ledgerSequence: 0n })],
  ["a negative place", () => client.releaseSuspenseItem({ ...request("k", 0), entryIndex: -1 })],
  ["no code", () => release("k", 0, { account: key("") })],
  ["a crooked asset", () => release("k", 0, { account: key("income:sales", "usd") })],
  [
    "a time beyond the year 9999",
    () => release("k", 0, { effectiveTime: { seconds: 2n ** 50n, nanos: 0 } }),
  ],
  ["a negative page size", () => client.listSuspenseItems({ ledgerId, pageSize: -1 })],
])("%s is an invalid argument", async (_, call) => {
  expect((await errorOf(call())).code).toBe(Code.InvalidArgument);
});

test("a caller who may not touch the ledger sees and releases nothing", async () => {
  const narrow = await school.server.client(LedgerService, "narrow");
  const released = narrow.releaseSuspenseItem(request("k", 0));
  expect((await errorOf(released)).code).toBe(Code.PermissionDenied);
  const listed = narrow.listSuspenseItems({ ledgerId });
  expect((await errorOf(listed)).code).toBe(Code.PermissionDenied);
});

function request(idempotencyKey: string, place: number) {
  const ledgerSequence = sequences[place] ?? 0n;
  return { ledgerId, idempotencyKey, ledgerSequence, entryIndex: 1 };
}

type More = {
  account?: { accountCode: string; assetCode: string };
  effectiveTime?: { seconds: bigint; nanos: number };
};

function release(idempotencyKey: string, place: number, more: More) {
  return client.releaseSuspenseItem({ ...request(idempotencyKey, place), ...more });
}
