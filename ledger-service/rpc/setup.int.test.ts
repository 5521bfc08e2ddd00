import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
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

test("a ledger is created once, and named once", async () => {
  const first = await client.createLedger({ ledgerId: "other", displayName: "Other" });
  expect(first).toMatchObject({
    ledger: { ledgerId: "other", displayName: "Other", headSequence: 1n },
    replayed: false,
  });
  expect(first.ledger?.headHash).toHaveLength(32);
  const again = await client.createLedger({ ledgerId: "other", displayName: "Other" });
  expect(again).toMatchObject({ ledger: { headSequence: 1n }, replayed: true });
  const renamed = client.createLedger({ ledgerId: "other", displayName: "Another" });
  await expectRefusal(renamed, Code.AlreadyExists, { refusal: Refusal.LEDGER_EXISTS });
  const { ledger } = await client.getLedger({ ledgerId: "other" });
  expect(ledger).toEqual(first.ledger);
});

test("a currency has its own scale, and an account of the chart its own kind", async () => {
  const asset = { ledgerId, assetCode: "JPY", scale: 2 };
  await expectRefusal(client.registerAsset(asset), Code.FailedPrecondition, {
    refusal: Refusal.ASSET_SCALE,
    assetCode: "JPY",
  });
  expect(await client.registerAsset({ ...asset, scale: 0 })).toMatchObject({ replayed: false });
  const points = await client.registerAsset({ ...asset, assetCode: "POINTS", scale: 7 });
  expect(points).toMatchObject({ asset: { scale: 7 } });

  const key = { accountCode: "assets:stripe:clearing", assetCode: "JPY" };
  const account = { ledgerId, account: key, kind: AccountKind.LIABILITY };
  await expectRefusal(client.createAccount(account), Code.FailedPrecondition, {
    refusal: Refusal.ACCOUNT_KIND,
    account: expect.objectContaining(key),
  });
  const right = { ...account, kind: AccountKind.ASSET };
  expect(await client.createAccount(right)).toMatchObject({ replayed: false });
  const own = { ...account, account: { ...key, accountCode: "assets:mine" } };
  expect(await client.createAccount(own)).toMatchObject({ replayed: false });
});

test("assets and accounts are registered once", async () => {
  const asset = { ledgerId, assetCode: "USD", scale: 2 };
  expect(await client.registerAsset(asset)).toMatchObject({ replayed: true });
  await expectRefusal(client.registerAsset({ ...asset, scale: 3 }), Code.AlreadyExists, {
    refusal: Refusal.ASSET_EXISTS,
    assetCode: "USD",
    ledgerSequence: 2n,
  });
  const key = { accountCode: "assets:cash", assetCode: "USD" };
  const account = { ledgerId, account: key, kind: AccountKind.ASSET };
  expect(await client.createAccount(account)).toMatchObject({
    account: { ...key, ledgerId, kind: AccountKind.ASSET, openedSequence: 4n },
    replayed: true,
  });
  const kind = AccountKind.EXPENSE;
  await expectRefusal(client.createAccount({ ...account, kind }), Code.AlreadyExists, {
    refusal: Refusal.ACCOUNT_EXISTS,
  });
  const strange = { ...account, account: { ...key, assetCode: "XAU" } };
  await expectRefusal(client.createAccount(strange), Code.FailedPrecondition, {
    refusal: Refusal.ASSET_NOT_FOUND,
    assetCode: "XAU",
  });
  const { assets } = await client.listAssets({ ledgerId });
  expect(assets.map(({ assetCode, scale }) => [assetCode, scale])).toEqual([
    ["EUR", 2],
    ["JPY", 0],
    ["POINTS", 7],
    ["USD", 2],
  ]);
});

test("a caller touches only the ledgers it was granted", async () => {
  const narrow = await school.server.client(LedgerService, "narrow");
  await narrow.createLedger({ ledgerId: "another", displayName: "" });
  const { ledgers } = await narrow.listLedgers({});
  expect(ledgers.map((it) => it.ledgerId)).toEqual(["another", "other"]);
  const name = { case: "ledgerSequence", value: 5n } as const;
  const account = { accountCode: "assets:cash", assetCode: "USD" };
  for (const call of [
    () => narrow.createLedger({ ledgerId, displayName: "School" }),
    () => narrow.getLedger({ ledgerId }),
    () => narrow.registerAsset({ ledgerId, assetCode: "CHF", scale: 2 }),
    () => narrow.listAssets({ ledgerId }),
    () => narrow.createAccount({ ledgerId, account, kind: AccountKind.ASSET }),
    () =>
      narrow.batchCreateAccounts({ ledgerId, accounts: [{ account, kind: AccountKind.ASSET }] }),
    () => narrow.getAccount({ ledgerId, account }),
    () => narrow.listAccounts({ ledgerId }),
    () => narrow.updateAccountMetadata({ ledgerId, idempotencyKey: "mine", account }),
    () => narrow.updateAccountLimits({ ledgerId, idempotencyKey: "mine", account }),
    () => narrow.freezeAccount({ ledgerId, idempotencyKey: "mine", account }),
    () => narrow.unfreezeAccount({ ledgerId, idempotencyKey: "mine", account }),
    () => narrow.closeAccount({ ledgerId, idempotencyKey: "mine", account }),
    () => narrow.postTransaction(saleRequest("mine", 1n)),
    () => narrow.batchPostTransactions({ ledgerId, requests: [saleRequest("mine", 1n)] }),
    () => narrow.reverseTransaction({ ledgerId, idempotencyKey: "mine", ledgerSequence: 8n }),
    () => narrow.getTransaction({ ledgerId, name }),
    () => narrow.listTransactions({ ledgerId }),
    () => narrow.getBalance({ ledgerId, account }),
    () => narrow.listEntries({ ledgerId, account }),
    () => narrow.getTrialBalance({ ledgerId }),
    () => narrow.aggregateBalances({ ledgerId }),
    () => narrow.listPaymentStates({ ledgerId }),
  ]) {
    const error = await errorOf(call());
    expect(error.code).toBe(Code.PermissionDenied);
  }
});

test("a caller without the scope may not post", async () => {
  const reader = await school.server.client(LedgerService, "reader");
  const error = await errorOf(reader.postTransaction(saleRequest("mine", 1n)));
  expect(error.code).toBe(Code.PermissionDenied);
  expect((await reader.getTrialBalance({ ledgerId })).totals).not.toEqual([]);
});
