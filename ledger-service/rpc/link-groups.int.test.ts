import { afterAll, beforeAll, expect, test } from "vitest";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  balanceOf,
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

const linked = (key: string, linkGroup: string, more = {}) => {
  return { ...saleRequest(key, 10n, more), linkGroup };
};

test("groups of a batch are posted all or none, and a retry is answered the same", async () => {
  const requests = [
    linked("a1", "a"),
    linked("b1", "b"),
    saleRequest("alone", 1n),
    linked("a2", "a", { debit: "assets:nobody" }),
    linked("b2", "b"),
    linked("a3", "a"),
  ];
  const { results } = await client.batchPostTransactions({ ledgerId, requests });
  expect(results.map(({ result }) => result.case)).toEqual([
    "refused",
    "posted",
    "posted",
    "refused",
    "posted",
    "refused",
  ]);
  const at = (place: number) => results[place]?.result.value;
  expect(at(0)).toMatchObject({ refusal: Refusal.LINKED_REFUSED, index: 3, idempotencyKey: "a1" });
  expect(at(3)).toMatchObject({ refusal: Refusal.ACCOUNT_NOT_FOUND, idempotencyKey: "a2" });
  expect(at(5)).toMatchObject({ refusal: Refusal.LINKED_REFUSED, index: 3, idempotencyKey: "a3" });
  expect(await balanceOf(client, "assets:cash")).toBe(21n);

  const again = await client.batchPostTransactions({ ledgerId, requests });
  for (const [place, { result }] of results.entries()) {
    const { value } = again.results[place]!.result;
    if (result.case === "refused") expect(value).toEqual(result.value);
    else expect(value).toMatchObject({ transaction: result.value?.transaction, replayed: true });
  }
  expect(await balanceOf(client, "assets:cash")).toBe(21n);
});

test("the group is part of the request", async () => {
  const requests = [linked("c1", "c")];
  await client.batchPostTransactions({ ledgerId, requests });
  const { results } = await client.batchPostTransactions({
    ledgerId,
    requests: [saleRequest("c1", 10n), linked("d1", "d"), linked("c1", "d")],
  });
  expect(results.map(({ result }) => result.value)).toMatchObject([
    { refusal: Refusal.IDEMPOTENCY_CONFLICT },
    { refusal: Refusal.LINKED_REFUSED, index: 2 },
    { refusal: Refusal.IDEMPOTENCY_CONFLICT },
  ]);
});

test("a group may be as large as a batch, and costs no more than its size", async () => {
  const requests = Array.from({ length: 1_000 }, (_, n) => linked(`e${n}`, "e"));
  const before = await balanceOf(client, "assets:cash");
  requests[999]!.entries[0]!.amountMinor = 11n;
  const { results } = await client.batchPostTransactions({ ledgerId, requests });
  expect(results[999]?.result.value).toMatchObject({ refusal: Refusal.UNBALANCED });
  expect(results[0]?.result.value).toMatchObject({ refusal: Refusal.LINKED_REFUSED, index: 999 });
  expect(await balanceOf(client, "assets:cash")).toBe(before);
});
