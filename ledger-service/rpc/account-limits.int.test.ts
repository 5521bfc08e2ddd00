import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind, AccountStatus } from "#gen/bursar/ledger/v1/account_pb.ts";
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
const refusedCode = Code.FailedPrecondition;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
});
afterAll(() => school[Symbol.asyncDispose]());

test("a frozen account takes nothing until it is unfrozen", async () => {
  const account = await open("liabilities:wallet:eve");
  const pay = (idempotencyKey: string) => {
    return client.postTransaction(saleRequest(idempotencyKey, 5n, { credit: account.accountCode }));
  };
  await pay("eve-1");
  await client.freezeAccount({ ledgerId, idempotencyKey: "eve-2", account });
  for (const _ of ["first", "again"]) {
    const call = pay("eve-3");
    await expectRefusal(call, refusedCode, {
      refusal: Refusal.ACCOUNT_FROZEN,
      account: expect.objectContaining(account),
    });
  }
  const unfrozen = await client.unfreezeAccount({ ledgerId, idempotencyKey: "eve-4", account });
  expect(unfrozen.account?.status).toBe(AccountStatus.OPEN);
  expect((await pay("eve-5")).balances).toContainEqual(
    expect.objectContaining({ ...account, balanceMinor: 10n }),
  );
  await expectRefusal(pay("eve-3"), refusedCode, { refusal: Refusal.ACCOUNT_FROZEN });
});

test("what is posted before an account is frozen in the same batch stands", async () => {
  const account = await open("liabilities:wallet:fay");
  const pay = (idempotencyKey: string) => {
    return client.postTransaction(saleRequest(idempotencyKey, 5n, { credit: account.accountCode }));
  };
  const [, , refused] = await Promise.all([
    pay("fay-1"),
    client.freezeAccount({ ledgerId, idempotencyKey: "fay-2", account }),
    errorOf(pay("fay-3")),
  ]);
  expect(refused.code).toBe(refusedCode);
  const { balance } = await client.getAccount({ ledgerId, account });
  expect(balance?.balanceMinor).toBe(5n);
});

test("limits are kept, and told with what would have broken them", async () => {
  const account = await open("liabilities:wallet:gus", { floorMinor: 0n, ceilingMinor: 20n });
  const move = (idempotencyKey: string, amountMinor: bigint) => {
    const { accountCode } = account;
    return client.postTransaction(
      amountMinor > 0n
        ? saleRequest(idempotencyKey, amountMinor, { credit: accountCode })
        : saleRequest(idempotencyKey, -amountMinor, { debit: accountCode }),
    );
  };
  const named = { account: expect.objectContaining(account), assetCode: "USD" };
  await expectRefusal(move("gus-1", -1n), refusedCode, {
    ...named,
    refusal: Refusal.BELOW_FLOOR,
    limitMinor: 0n,
    actualMinor: -1n,
  });
  await move("gus-2", 20n);
  await expectRefusal(move("gus-3", 1n), refusedCode, {
    ...named,
    refusal: Refusal.ABOVE_CEILING,
    limitMinor: 20n,
    actualMinor: 21n,
  });
  const limit = (idempotencyKey: string, limits: object) => {
    return client.updateAccountLimits({ ledgerId, idempotencyKey, account, limits });
  };
  await expectRefusal(limit("gus-4", { ceilingMinor: 19n }), refusedCode, {
    ...named,
    refusal: Refusal.LIMITS_VIOLATED,
    idempotencyKey: "gus-4",
    limitMinor: 19n,
    actualMinor: 20n,
  });
  await limit("gus-5", { floorMinor: -5n });
  expect((await move("gus-6", -25n)).replayed).toBe(false);
  await expectRefusal(move("gus-7", -1n), refusedCode, { actualMinor: -6n, limitMinor: -5n });
});

test("limits that would be broken at once are refused with the account", async () => {
  const kind = AccountKind.ASSET;
  const account = key("assets:limited");
  const call = (limits: object) => client.createAccount({ ledgerId, account, kind, limits });
  const detail = { refusal: Refusal.LIMITS_VIOLATED, actualMinor: 0n };
  await expectRefusal(call({ floorMinor: 1n }), refusedCode, { ...detail, limitMinor: 1n });
  await expectRefusal(call({ ceilingMinor: -1n }), refusedCode, { ...detail, limitMinor: -1n });
  expect((await call({ floorMinor: 0n, ceilingMinor: 0n })).replayed).toBe(false);
});

test("an account is closed when it is empty, and for ever", async () => {
  const account = await open("liabilities:wallet:hal");
  const { accountCode } = account;
  const close = (idempotencyKey: string) => {
    return client.closeAccount({ ledgerId, idempotencyKey, account });
  };
  await client.postTransaction(saleRequest("hal-1", 5n, { credit: accountCode }));
  await expectRefusal(close("hal-2"), refusedCode, {
    refusal: Refusal.ACCOUNT_NOT_EMPTY,
    account: expect.objectContaining(account),
    actualMinor: 5n,
  });
  await client.postTransaction(saleRequest("hal-3", 5n, { debit: accountCode }));
  await expectRefusal(close("hal-2"), refusedCode, { refusal: Refusal.ACCOUNT_NOT_EMPTY });
  const closed = await close("hal-4");
  expect(closed).toMatchObject({ replayed: false, account: { status: AccountStatus.CLOSED } });
  expect(await close("hal-4")).toEqual({ ...closed, replayed: true });

  const gone = { refusal: Refusal.ACCOUNT_CLOSED, account: expect.objectContaining(account) };
  const pay = client.postTransaction(saleRequest("hal-5", 5n, { credit: accountCode }));
  await expectRefusal(pay, refusedCode, gone);
  const request = { ledgerId, account };
  for (const call of [
    client.freezeAccount({ ...request, idempotencyKey: "hal-6" }),
    client.unfreezeAccount({ ...request, idempotencyKey: "hal-7" }),
    client.updateAccountLimits({ ...request, idempotencyKey: "hal-8" }),
    client.updateAccountMetadata({ ...request, idempotencyKey: "hal-9" }),
    close("hal-10"),
  ]) {
    await expectRefusal(call, refusedCode, gone);
  }
  const again = await client.createAccount({ ...request, kind: AccountKind.LIABILITY });
  expect(again).toMatchObject({ replayed: true, account: { status: AccountStatus.CLOSED } });
});

test("what holds set aside counts for limits, and keeps an account from being closed", async () => {
  const account = await open("liabilities:wallet:ivy", { floorMinor: 0n });
  const { accountCode } = account;
  await client.postTransaction(saleRequest("ivy-1", 10n, { credit: accountCode }));
  const { hold } = await school.holds.createHold({
    ledgerId,
    idempotencyKey: "ivy-2",
    debitAccount: account,
    creditAccount: key("income:sales"),
    amountMinor: 8n,
  });
  const spend = (idempotencyKey: string, amountMinor: bigint) => {
    return client.postTransaction(saleRequest(idempotencyKey, amountMinor, { debit: accountCode }));
  };
  await expectRefusal(spend("ivy-3", 3n), refusedCode, {
    refusal: Refusal.BELOW_FLOOR,
    limitMinor: 0n,
    actualMinor: -1n,
  });
  await spend("ivy-4", 2n);
  const limits = { floorMinor: 1n };
  const limit = client.updateAccountLimits({ ledgerId, idempotencyKey: "ivy-5", account, limits });
  await expectRefusal(limit, refusedCode, { refusal: Refusal.LIMITS_VIOLATED, actualMinor: 0n });
  const { balance } = await client.getAccount({ ledgerId, account });
  expect(balance).toMatchObject({ balanceMinor: 8n, availableMinor: 0n, debitsPendingMinor: 8n });

  await expectRefusal(spend("ivy-6", 8n), refusedCode, { actualMinor: -8n });
  const lifted = { ledgerId, idempotencyKey: "ivy-7", account, limits: { floorMinor: -8n } };
  await client.updateAccountLimits(lifted);
  await spend("ivy-8", 8n);
  const close = (idempotencyKey: string) => {
    return client.closeAccount({ ledgerId, idempotencyKey, account });
  };
  await expectRefusal(close("ivy-9"), refusedCode, {
    refusal: Refusal.ACCOUNT_NOT_EMPTY,
    actualMinor: 0n,
  });
  const { holdSequence } = hold!;
  await school.holds.voidHold({ ledgerId, idempotencyKey: "ivy-10", holdSequence });
  expect((await close("ivy-11")).account?.status).toBe(AccountStatus.CLOSED);
});

test("the suspense account stays open, and without limits", async () => {
  const account = await open("liabilities:suspense");
  const request = { ledgerId, account };
  const reserved = { refusal: Refusal.ACCOUNT_RESERVED };
  for (const call of [
    client.freezeAccount({ ...request, idempotencyKey: "suspense-1" }),
    client.closeAccount({ ...request, idempotencyKey: "suspense-2" }),
    client.updateAccountLimits({ ...request, idempotencyKey: "suspense-3" }),
  ]) {
    await expectRefusal(call, refusedCode, {
      ...reserved,
      account: expect.objectContaining(account),
    });
  }
  const euros = { ...account, assetCode: "EUR" };
  const opening = { ledgerId, account: euros, kind: AccountKind.LIABILITY };
  const limited = client.createAccount({ ...opening, limits: { floorMinor: 0n } });
  await expectRefusal(limited, refusedCode, reserved);
  expect((await client.createAccount(opening)).replayed).toBe(false);
});

function key(accountCode: string) {
  return { accountCode, assetCode: "USD" };
}

/** A wallet; other codes are of the kind that they begin with. */
async function open(accountCode: string, limits = {}) {
  const account = key(accountCode);
  const kind = accountCode.startsWith("assets") ? AccountKind.ASSET : AccountKind.LIABILITY;
  await client.createAccount({ ledgerId, account, kind, limits });
  return account;
}
