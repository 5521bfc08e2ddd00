import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  balanceOf,
  errorOf,
  expectRefusal,
  type LedgerClient,
  schoolId as ledgerId,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
});
afterAll(() => school[Symbol.asyncDispose]());

async function sell(key: string, amountMinor: bigint): Promise<bigint> {
  const { transaction } = await client.postTransaction(saleRequest(key, amountMinor));
  return transaction?.ledgerSequence ?? 0n;
}

/** As much of cash and of sales. */
function part(amountMinor: bigint) {
  return [0, 1].map((entryIndex) => ({ entryIndex, amountMinor }));
}

test("a part is reversed with its own notes and time, and told so for ever", async () => {
  const ledgerSequence = await sell("sale", 100n);
  const before = await balanceOf(client, "assets:cash");
  const request = {
    ledgerId,
    idempotencyKey: "part",
    ledgerSequence,
    description: "one seat of three",
    entries: part(30n),
    metadata: [
      { key: "b", value: "2" },
      { key: "a", value: "1" },
    ],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 5 },
  };
  const { transaction, balances, replayed } = await client.reverseTransaction(request);
  expect(replayed).toBe(false);
  expect(transaction).toMatchObject({
    reversesSequence: ledgerSequence,
    reversesEntries: [0, 1],
    description: "one seat of three",
    metadata: [{ key: "a" }, { key: "b" }],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 5 },
    entries: [
      { side: Side.CREDIT, amountMinor: 30n },
      { side: Side.DEBIT, amountMinor: 30n },
    ],
  });
  expect(balances).toMatchObject([{ balanceMinor: before - 30n }, {}]);

  const again = await client.reverseTransaction({
    ...request,
    metadata: request.metadata.toReversed(),
  });
  expect(again).toMatchObject({ transaction, replayed: true });
  const other = client.reverseTransaction({ ...request, entries: part(31n) });
  await expectRefusal(other, Code.AlreadyExists, { refusal: Refusal.IDEMPOTENCY_CONFLICT });
});

test("what is left is reversed by one that names no entries", async () => {
  const ledgerSequence = await sell("three parts", 9n);
  const request = { ledgerId, ledgerSequence };
  const reverse = (idempotencyKey: string, more: object = {}) => {
    return client.reverseTransaction({ ...request, idempotencyKey, ...more });
  };
  await reverse("first", { entries: part(4n) });
  const rest = await reverse("rest");
  expect(rest.transaction).toMatchObject({
    reversesEntries: [0, 1],
    entries: [{ amountMinor: 5n }, { amountMinor: 5n }],
  });
  await expectRefusal(reverse("again"), Code.FailedPrecondition, {
    refusal: Refusal.ALREADY_REVERSED,
    ledgerSequence: rest.transaction?.ledgerSequence,
  });
});

test("however many reverse at once, no more is reversed than there was", async () => {
  const before = await balanceOf(client, "assets:cash");
  const ledgerSequence = await sell("raced", 100n);
  const calls = Array.from({ length: 40 }, (_, n) =>
    client.reverseTransaction({
      ledgerId,
      ledgerSequence,
      idempotencyKey: `race-${n}`,
      entries: part(7n),
    }),
  );
  const outcomes = await Promise.allSettled(calls);
  const reversed = outcomes.filter(({ status }) => status === "fulfilled");
  expect(reversed).toHaveLength(14);
  const failed = outcomes.find(({ status }) => status === "rejected");
  expect(failed).toMatchObject({ reason: { code: Code.FailedPrecondition } });
  expect(await balanceOf(client, "assets:cash")).toBe(before + 2n);
  const [row] = await school.database.pool`
    select min(reversed_minor) as least, max(reversed_minor) as most from reversed_entry
    where sequence = ${ledgerSequence}
  `;
  expect(row).toEqual({ least: 98n, most: 98n });
});

test("a transaction of 1,000 entries is reversed in parts, and then all of it", async () => {
  const entries = Array.from({ length: 500 }, () => saleRequest("", 3n).entries).flat();
  const request = { ...saleRequest("wide", 3n), entries };
  const { transaction } = await client.postTransaction(request);
  const ledgerSequence = transaction?.ledgerSequence ?? 0n;
  const some = entries.map((_, entryIndex) => ({ entryIndex, amountMinor: 1n }));
  const reverse = (idempotencyKey: string, more: object = {}) => {
    return client.reverseTransaction({ ledgerId, ledgerSequence, idempotencyKey, ...more });
  };
  await reverse("wide part", { entries: some });
  const { transaction: rest } = await reverse("wide rest");
  expect(rest?.entries).toHaveLength(1_000);
  expect(rest?.entries.every(({ amountMinor }) => amountMinor === 2n)).toBe(true);
});

test("a reversal can be reversed, which makes no room for another one", async () => {
  const ledgerSequence = await sell("twice", 10n);
  const undo = { ledgerId, ledgerSequence, idempotencyKey: "undo twice" };
  const { transaction } = await client.reverseTransaction(undo);
  await client.reverseTransaction({
    ledgerId,
    ledgerSequence: transaction?.ledgerSequence ?? 0n,
    idempotencyKey: "redo",
    entries: part(10n),
  });
  const third = await errorOf(client.reverseTransaction({ ...undo, idempotencyKey: "undo 3" }));
  expect(third.code).toBe(Code.FailedPrecondition);
});
