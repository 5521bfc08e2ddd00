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

test("an account is told with all that it is, when it is opened and ever after", async () => {
  const account = key("liabilities:wallet:ann");
  const metadata = [note("tier", "gold"), note("learner", "ann")];
  const limits = { floorMinor: 0n, ceilingMinor: 500n };
  const request = { ledgerId, account, kind: AccountKind.LIABILITY, limits, metadata };
  const opened = await client.createAccount(request);
  expect(opened).toMatchObject({
    replayed: false,
    account: {
      ...account,
      kind: AccountKind.LIABILITY,
      status: AccountStatus.OPEN,
      limits,
      metadata: [note("learner", "ann"), note("tier", "gold")],
    },
  });
  expect(opened.account?.changedSequence).toBe(opened.account?.openedSequence);
  const { account: read, balance } = await client.getAccount({ ledgerId, account });
  expect(read).toEqual(opened.account);
  expect(balance).toMatchObject({ ...account, balanceMinor: 0n, availableMinor: 0n, version: 0n });

  const changed = await client.updateAccountMetadata({
    ledgerId,
    idempotencyKey: "ann-1",
    account,
    metadata: [note("tier", "silver")],
  });
  await client.freezeAccount({ ledgerId, idempotencyKey: "ann-2", account, description: "lost" });
  const again = await client.createAccount({ ...request, limits: { floorMinor: 7n } });
  expect(again.replayed).toBe(true);
  expect(again.account).toMatchObject({
    openedSequence: opened.account?.openedSequence,
    status: AccountStatus.FROZEN,
    limits,
    metadata: [note("tier", "silver")],
    changedSequence: changed.account!.changedSequence + 1n,
  });
  expect((await client.getAccount({ ledgerId, account })).account).toEqual(again.account);
});

test("a change is made once a key, and answered from the fact that it wrote", async () => {
  const account = await open("liabilities:wallet:bob");
  const request = { ledgerId, idempotencyKey: "bob-notes", account };
  const metadata = [note("b", "2"), note("a", "1")];
  const first = await client.updateAccountMetadata({ ...request, metadata });
  expect(first).toMatchObject({
    replayed: false,
    account: { metadata: [note("a", "1"), note("b", "2")] },
  });
  const limits = { ceilingMinor: 9n };
  await client.updateAccountLimits({ ledgerId, idempotencyKey: "bob-limits", account, limits });
  const again = await client.updateAccountMetadata({
    ...request,
    metadata: metadata.toReversed(),
  });
  expect(again).toEqual({ ...first, replayed: true });
  for (const other of [
    client.updateAccountMetadata({ ...request, metadata: [note("a", "1")] }),
    client.updateAccountMetadata({ ...request, metadata, expectedChangedSequence: 1n }),
    client.updateAccountLimits({ ...request, limits }),
    client.freezeAccount(request),
    client.postTransaction(saleRequest("bob-notes", 1n)),
  ]) {
    await expectRefusal(other, Code.AlreadyExists, {
      refusal: Refusal.IDEMPOTENCY_CONFLICT,
      ledgerSequence: first.account?.changedSequence,
    });
  }
});

test("notes are replaced as a whole, limits too", async () => {
  const account = await open("liabilities:wallet:cid");
  const notes = async (...metadata: { key: string; value: string }[]) => {
    const idempotencyKey = crypto.randomUUID();
    await client.updateAccountMetadata({ ledgerId, idempotencyKey, account, metadata });
    return (await client.getAccount({ ledgerId, account })).account?.metadata;
  };
  const long = "ü".repeat(1_024);
  expect(await notes(note("a", "1"), note("b", long))).toHaveLength(2);
  expect(await notes(note("b", "3"), note("c", 'q"\\'))).toMatchObject([
    note("b", "3"),
    note("c", 'q"\\'),
  ]);
  expect(await notes()).toEqual([]);

  const limits = async (bounds: object) => {
    const idempotencyKey = crypto.randomUUID();
    await client.updateAccountLimits({ ledgerId, idempotencyKey, account, ...bounds });
    return (await client.getAccount({ ledgerId, account })).account?.limits;
  };
  expect(await limits({ limits: { floorMinor: -5n } })).toMatchObject({ floorMinor: -5n });
  const ceiling = await limits({ limits: { ceilingMinor: 5n } });
  expect(ceiling?.floorMinor).toBeUndefined();
  expect(ceiling?.ceilingMinor).toBe(5n);
  expect(await limits({})).toBeUndefined();
});

test("what changes several times in one batch is told step by step", async () => {
  const account = key("liabilities:wallet:dan");
  const kind = AccountKind.LIABILITY;
  const steps = await Promise.all([
    client.createAccount({ ledgerId, account, kind, metadata: [note("a", "0")] }),
    client.updateAccountMetadata({
      ledgerId,
      idempotencyKey: "dan-1",
      account,
      metadata: [note("a", "1")],
    }),
    client.updateAccountLimits({
      ledgerId,
      idempotencyKey: "dan-2",
      account,
      limits: { floorMinor: -1n },
    }),
    client.freezeAccount({ ledgerId, idempotencyKey: "dan-3", account }),
  ]);
  expect(steps.map((step) => step.account)).toMatchObject([
    { metadata: [note("a", "0")], status: AccountStatus.OPEN },
    { metadata: [note("a", "1")], status: AccountStatus.OPEN },
    { metadata: [note("a", "1")], limits: { floorMinor: -1n }, status: AccountStatus.OPEN },
    { metadata: [note("a", "1")], limits: { floorMinor: -1n }, status: AccountStatus.FROZEN },
  ]);
  expect((await client.getAccount({ ledgerId, account })).account).toEqual(steps[3].account);
});

test("a change that expects another state is refused, with the fact that changed it", async () => {
  const account = await open("liabilities:wallet:ida");
  const { account: seen } = await client.getAccount({ ledgerId, account });
  const expectedChangedSequence = seen!.changedSequence;
  const update = (idempotencyKey: string) => {
    const request = { ledgerId, idempotencyKey, account, expectedChangedSequence };
    return client.updateAccountMetadata(request);
  };
  const first = await update("ida-1");
  await expectRefusal(update("ida-2"), refusedCode, {
    refusal: Refusal.ACCOUNT_CHANGED,
    ledgerSequence: first.account?.changedSequence,
  });
  await expectRefusal(
    client.updateAccountLimits({
      ledgerId,
      idempotencyKey: "ida-3",
      account,
      expectedChangedSequence,
    }),
    refusedCode,
    { refusal: Refusal.ACCOUNT_CHANGED },
  );
});

test("a refused change uses its key up, and takes a sequence", async () => {
  const account = key("liabilities:wallet:nobody");
  const before = (await client.getLedger({ ledgerId })).ledger!.headSequence;
  const freeze = () => client.freezeAccount({ ledgerId, idempotencyKey: "nobody", account });
  const detail = { refusal: Refusal.ACCOUNT_NOT_FOUND, idempotencyKey: "nobody" };
  await expectRefusal(freeze(), refusedCode, detail);
  await open(account.accountCode);
  await expectRefusal(freeze(), refusedCode, detail);
  const after = (await client.getLedger({ ledgerId })).ledger!.headSequence;
  expect(after).toBe(before + 2n);
});

test("the accounts of a batch are opened or refused one by one", async () => {
  await client.freezeAccount({
    ledgerId,
    idempotencyKey: "batch",
    account: await open("assets:b"),
  });
  const kind = AccountKind.ASSET;
  const { results } = await client.batchCreateAccounts({
    ledgerId,
    accounts: [
      { account: key("assets:a"), kind, metadata: [note("n", "1")], limits: { floorMinor: 0n } },
      { account: key("assets:b"), kind },
      { account: key("assets:a"), kind },
      { account: key("assets:a"), kind: AccountKind.EXPENSE },
      { account: { accountCode: "assets:a", assetCode: "XAU" }, kind },
      { account: key("assets:c"), kind, metadata: [note("n", "1"), note("n", "2")] },
      { account: key("assets:d"), kind, limits: { floorMinor: 1n } },
    ],
  });
  const a = { metadata: [note("n", "1")], limits: { floorMinor: 0n } };
  expect(results.map(({ result }) => result)).toMatchObject([
    { case: "opened", value: { replayed: false, account: { ...key("assets:a"), ...a } } },
    { case: "opened", value: { replayed: true, account: { status: AccountStatus.FROZEN } } },
    { case: "opened", value: { replayed: true, account: a } },
    { case: "refused", value: { refusal: Refusal.ACCOUNT_EXISTS } },
    { case: "refused", value: { refusal: Refusal.ASSET_NOT_FOUND } },
    { case: "refused", value: { refusal: Refusal.METADATA_DUPLICATE, metadataKey: "n" } },
    { case: "refused", value: { refusal: Refusal.LIMITS_VIOLATED } },
  ]);
});

test("what no account can be is refused before the books are asked", async () => {
  const account = key("assets:cash");
  const kind = AccountKind.ASSET;
  const idempotencyKey = "bad";
  for (const call of [
    client.getAccount({ ledgerId }),
    client.getAccount({ ledgerId, account: key("Assets") }),
    client.createAccount({ ledgerId, account, kind: AccountKind.UNSPECIFIED }),
    client.createAccount({ ledgerId, account, kind, metadata: [note("Key", "")] }),
    client.createAccount({ ledgerId, account, kind, metadata: [note("key", "a\0b")] }),
    client.batchCreateAccounts({ ledgerId, accounts: [] }),
    client.batchCreateAccounts({
      ledgerId,
      accounts: [{ account, kind, metadata: [note("key", "\0")] }],
    }),
    client.updateAccountMetadata({ ledgerId, idempotencyKey: "", account }),
    client.updateAccountMetadata({
      ledgerId,
      idempotencyKey,
      account,
      metadata: Array.from({ length: 33 }, (_, n) => note(`k${n}`, "")),
    }),
    client.updateAccountMetadata({
      ledgerId,
      idempotencyKey,
      account,
      metadata: [note("key", "\0")],
    }),
    client.updateAccountLimits({ ledgerId, idempotencyKey, account, expectedChangedSequence: -1n }),
    client.freezeAccount({ ledgerId, idempotencyKey }),
    client.closeAccount({ ledgerId, idempotencyKey, account, description: "x".repeat(513) }),
  ]) {
    expect((await errorOf(call)).code).toBe(Code.InvalidArgument);
  }
});

test("an account that is not there is named", async () => {
  const account = key("assets:nowhere");
  await expectRefusal(client.getAccount({ ledgerId, account }), Code.NotFound, {
    refusal: Refusal.ACCOUNT_NOT_FOUND,
    account: expect.objectContaining(account),
  });
  const lost = client.freezeAccount({ ledgerId: "lost", idempotencyKey: "lost", account });
  await expectRefusal(lost, Code.NotFound, { refusal: Refusal.LEDGER_NOT_FOUND });
});

function key(accountCode: string) {
  return { accountCode, assetCode: "USD" };
}

function note(name: string, value: string) {
  return { key: name, value };
}

/** A wallet; other codes are of the kind that they begin with. */
async function open(accountCode: string, limits = {}) {
  const account = key(accountCode);
  const kind = accountCode.startsWith("assets") ? AccountKind.ASSET : AccountKind.LIABILITY;
  await client.createAccount({ ledgerId, account, kind, limits });
  return account;
}
