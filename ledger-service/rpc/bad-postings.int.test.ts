// Requests to post that are no requests: each is an invalid argument before the books are asked, and
// names the field at fault.

import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import {
  errorOf,
  expectRefusal,
  type LedgerClient,
  schoolId as ledgerId,
  openAccount,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;
let sold = 0n;

const int64Max = 2n ** 63n - 1n;
const cash = { accountCode: "assets:cash", assetCode: "USD" };

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  const { transaction } = await client.postTransaction(saleRequest("sold", 100n));
  sold = transaction?.ledgerSequence ?? 0n;
});
afterAll(() => school[Symbol.asyncDispose]());

/** As much of both entries. */
function part(amountMinor: bigint): { entryIndex: number; amountMinor: bigint }[] {
  return [0, 1].map((entryIndex) => ({ entryIndex, amountMinor }));
}

const post = (request: Parameters<LedgerClient["postTransaction"]>[0]) => {
  return client.postTransaction(request);
};
const reverse = (idempotencyKey: string, ledgerSequence: bigint, more: object = {}) => {
  return client.reverseTransaction({ ledgerId, idempotencyKey, ledgerSequence, ...more });
};

const lines = (count: number) => {
  return Array.from({ length: count }, (_, n) => ({
    account: cash,
    side: n % 2 === 0 ? Side.DEBIT : Side.CREDIT,
    amountMinor: 1n,
  }));
};

test.each<[string, string, () => Promise<unknown>]>([
  ["no entries", "entries", () => post({ ...saleRequest("i", 1n), entries: [] })],
  ["one entry", "entries", () => post({ ...saleRequest("i", 1n), entries: lines(1) })],
  ["1,001 entries", "entries", () => post({ ...saleRequest("i", 1n), entries: lines(1_001) })],
  ["an amount of zero", "entries[0].amount_minor", () => post(saleRequest("i", 0n))],
  ["a negative amount", "entries[0].amount_minor", () => post(saleRequest("i", -1n))],
  [
    "an entry without a side",
    "entries[0].side",
    () => {
      const request = saleRequest("i", 1n);
      request.entries[0]!.side = Side.UNSPECIFIED;
      return post(request);
    },
  ],
  ["no key", "idempotency_key", () => post(saleRequest("", 1n))],
  [
    "a time beyond the year 9999",
    "effective_time",
    () => post({ ...saleRequest("i", 1n), effectiveTime: { seconds: 2n ** 40n, nanos: 0 } }),
  ],
  [
    "a link group outside a batch",
    "link_group",
    () => post({ ...saleRequest("i", 1n), linkGroup: "g" }),
  ],
  [
    "a precondition of nothing",
    "preconditions[0]",
    () => post({ ...saleRequest("i", 1n), preconditions: [{ account: cash }] }),
  ],
  [
    "a range without a bound",
    "preconditions[0].balance",
    () => post({ ...saleRequest("i", 1n), preconditions: [{ account: cash, balance: {} }] }),
  ],
  [
    "101 preconditions",
    "preconditions",
    () =>
      post({
        ...saleRequest("i", 1n),
        preconditions: Array.from({ length: 101 }, () => ({ account: cash, version: 0n })),
      }),
  ],
  [
    "a batch with a request for another ledger",
    "requests[1].ledger_id",
    () =>
      client.batchPostTransactions({
        ledgerId,
        requests: [saleRequest("i", 1n), { ...saleRequest("i", 1n), ledgerId: "other" }],
      }),
  ],
  [
    "a link group that no batch of the books holds",
    "requests[8].link_group",
    () =>
      client.batchPostTransactions({
        ledgerId,
        requests: Array.from({ length: 10 }, (_, n) => {
          return { ...saleRequest(`i${n}`, 1n), entries: lines(1_000), linkGroup: "g" };
        }),
      }),
  ],
  [
    "a batch of more entries than a call may have",
    "requests",
    () =>
      client.batchPostTransactions({
        ledgerId,
        requests: Array.from({ length: 21 }, (_, n) => {
          return { ...saleRequest(`i${n}`, 1n), entries: lines(1_000) };
        }),
      }),
  ],
  [
    "an entry that is to be reversed twice",
    "entries[1].entry_index",
    () => reverse("i", sold, { entries: [part(1n)[0], part(2n)[0]] }),
  ],
  [
    "nothing of an entry to be reversed",
    "entries[0].amount_minor",
    () => reverse("i", sold, { entries: part(0n) }),
  ],
  [
    "an entry before the first one",
    "entries[0].entry_index",
    () => reverse("i", sold, { entries: [{ entryIndex: -1, amountMinor: 1n }] }),
  ],
  ["a reversal of sequence zero", "ledger_sequence", () => reverse("i", 0n)],
  [
    "a simulated link group",
    "request.link_group",
    () => client.simulateTransaction({ request: { ...saleRequest("i", 1n), linkGroup: "g" } }),
  ],
])("%s is an invalid argument that names its field, and uses no key up", async (_, field, call) => {
  const error = await errorOf(call());
  expect(error.code).toBe(Code.InvalidArgument);
  expect(requestRefusalOf(error)?.problems.map((problem) => problem.field)).toContain(field);
  const rows = await school.database.pool`select key from idempotency where key like 'i%'`;
  expect(rows).toEqual([]);
});

test("the largest amount fits, once", async () => {
  await client.createLedger({ ledgerId: "large", displayName: "" });
  await client.registerAsset({ ledgerId: "large", assetCode: "USD", scale: 2 });
  for (const [code, kind] of [
    ["assets:cash", AccountKind.ASSET],
    ["income:sales", AccountKind.INCOME],
  ] as const) {
    await openAccount(client, code, kind, { ledgerId: "large" });
  }
  const large = (key: string, amountMinor: bigint) => {
    return { ...saleRequest(key, amountMinor), ledgerId: "large" };
  };
  const { balances } = await post(large("all", int64Max));
  expect(balances).toMatchObject([{ balanceMinor: int64Max }, { balanceMinor: int64Max }]);
  await expectRefusal(post(large("more", 1n)), Code.FailedPrecondition, {
    refusal: Refusal.AMOUNT_OUT_OF_RANGE,
    account: cash,
  });
});
