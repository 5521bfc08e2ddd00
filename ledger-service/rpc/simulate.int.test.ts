import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  LedgerService,
  type SimulateTransactionResponse,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  errorOf,
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

async function headOf(): Promise<{ sequence: bigint; rows: unknown }> {
  const { ledger } = await client.getLedger({ ledgerId });
  const [rows] = await school.database.pool`
    select (select count(*) from journal) as journal, (select count(*) from entry) as entries,
      (select count(*) from idempotency) as keys
  `;
  return { sequence: ledger?.headSequence ?? 0n, rows };
}

function resultOf({ result }: SimulateTransactionResponse) {
  return result?.result.case === "posted"
    ? result.result.value
    : { refusal: result?.result.case === "refused" && result.result.value.refusal };
}

test("what would be posted is told as it would be, and nothing is written", async () => {
  const before = await headOf();
  const request = saleRequest("k", 30n);
  const simulated = resultOf(await client.simulateTransaction({ request }));
  expect(await headOf()).toEqual(before);
  expect(simulated).toMatchObject({
    replayed: false,
    transaction: { ledgerSequence: before.sequence + 1n, idempotencyKey: "k" },
    balances: [{ balanceMinor: 30n, availableMinor: 30n, version: 1n }, { balanceMinor: 30n }],
  });

  const posted = await client.postTransaction(request);
  const { recordedTime: _, effectiveTime: __, ...transaction } = posted.transaction!;
  expect(simulated).toMatchObject({ transaction, balances: posted.balances });
  expect(resultOf(await client.simulateTransaction({ request }))).toEqual({
    ...posted,
    balances: (await client.postTransaction(request)).balances,
    replayed: true,
  });
});

test("what would be refused is told why, and may be asked again", async () => {
  const account = { accountCode: "assets:cash", assetCode: "USD" };
  const request = {
    ...saleRequest("guarded", 1n),
    preconditions: [{ account, balance: { lteMinor: 0n } }],
  };
  const simulated = resultOf(await client.simulateTransaction({ request }));
  expect(simulated).toEqual({ refusal: Refusal.PRECONDITION_FAILED });
  expect(await client.postTransaction(saleRequest("guarded", 1n))).toMatchObject({
    replayed: false,
  });
  const conflict = resultOf(await client.simulateTransaction({ request }));
  expect(conflict).toEqual({ refusal: Refusal.IDEMPOTENCY_CONFLICT });
});

test("a key that stays refused would stay refused", async () => {
  const request = saleRequest("unknown", 1n, { debit: "assets:later" });
  await errorOf(client.postTransaction(request));
  const account = { accountCode: "assets:later", assetCode: "USD" };
  await client.createAccount({ ledgerId, account, kind: 1 });
  expect(resultOf(await client.simulateTransaction({ request }))).toEqual({
    refusal: Refusal.ACCOUNT_NOT_FOUND,
  });
});

test("it waits for nobody who writes", async () => {
  const request = saleRequest("waits", 1n);
  await school.database.pool.begin(async (tx) => {
    await tx`select 1 from ledger for update`;
    expect(resultOf(await client.simulateTransaction({ request }))).toMatchObject({
      replayed: false,
    });
  });
});

test("a ledger that does not exist, or is not the caller's, is told as everywhere", async () => {
  const request = { ...saleRequest("k", 1n), ledgerId: "nowhere" };
  expect(resultOf(await client.simulateTransaction({ request }))).toEqual({
    refusal: Refusal.LEDGER_NOT_FOUND,
  });
  const narrow = await school.server.client(LedgerService, "narrow");
  const denied = await errorOf(narrow.simulateTransaction({ request: saleRequest("k", 1n) }));
  expect(denied.code).toBe(Code.PermissionDenied);
});
