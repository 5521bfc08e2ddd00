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
  schoolId,
} from "../testing/school.ts";
import { createPageToken } from "./page-token.ts";

let school: School;
let client: LedgerClient;
const ledgerId = schoolId;

// Codes that stand between `wallets:ann` and what is below it, and some with notes.
const codes = ["ann", "ann-2", "ann.3", "ann0", "ann:a", "ann:b:c", "bob", "cid", "dan"];
const tiers: Record<string, string> = { ann: "gold", bob: "gold", cid: "silver", dan: "gold" };

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  await client.batchCreateAccounts({
    ledgerId,
    accounts: codes.flatMap((code) => {
      const tier = tiers[code];
      const metadata = tier ? [note("tier", tier), note("learner", code)] : [];
      const kind = AccountKind.LIABILITY;
      return ["USD", "EUR"].map((assetCode) => {
        const accountCode = `wallets:${code}`;
        return { account: { accountCode, assetCode }, kind, metadata };
      });
    }),
  });
  const account = (code: string) => ({ accountCode: `wallets:${code}`, assetCode: "USD" });
  await client.freezeAccount({ ledgerId, idempotencyKey: "1", account: account("bob") });
  await client.freezeAccount({ ledgerId, idempotencyKey: "2", account: account("cid") });
  await client.closeAccount({ ledgerId, idempotencyKey: "3", account: account("dan") });
});
afterAll(() => school[Symbol.asyncDispose]());

type Filter = {
  codePrefix?: string;
  status?: AccountStatus;
  kind?: AccountKind;
  assetCode?: string;
  metadata?: { key: string; value: string }[];
};

test.each<[string, Filter, string[]]>([
  ["a prefix", { codePrefix: "wallets:ann", assetCode: "USD" }, ["ann", "ann:a", "ann:b:c"]],
  ["a longer prefix", { codePrefix: "wallets:ann:b", assetCode: "EUR" }, ["ann:b:c"]],
  ["a prefix of none", { codePrefix: "wallets:an" }, []],
  ["a status", { status: AccountStatus.FROZEN }, ["bob", "cid"]],
  ["another status", { status: AccountStatus.CLOSED }, ["dan"]],
  [
    "a status and a prefix",
    { status: AccountStatus.OPEN, codePrefix: "wallets", assetCode: "USD" },
    ["ann", "ann-2", "ann.3", "ann0", "ann:a", "ann:b:c"],
  ],
  ["a kind", { kind: AccountKind.LIABILITY, assetCode: "USD" }, codes],
  ["a kind of none", { kind: AccountKind.EQUITY }, []],
  ["a note", { metadata: [note("tier", "gold")], assetCode: "USD" }, ["ann", "bob", "dan"]],
  ["a note's value", { metadata: [note("tier", "copper")] }, []],
  [
    "all of some notes",
    { metadata: [note("tier", "gold"), note("learner", "bob")], assetCode: "EUR" },
    ["bob"],
  ],
  ["a note that says two things", { metadata: [note("tier", "gold"), note("tier", "silver")] }, []],
  [
    "a note below a prefix",
    { metadata: [note("tier", "gold")], codePrefix: "wallets:bob", assetCode: "USD" },
    ["bob"],
  ],
  [
    "everything at once",
    {
      metadata: [note("learner", "cid"), note("tier", "silver")],
      codePrefix: "wallets:cid",
      status: AccountStatus.FROZEN,
      kind: AccountKind.LIABILITY,
      assetCode: "USD",
    },
    ["cid"],
  ],
])("accounts are found by %s, page by page", async (_, filter, expected) => {
  const found: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await client.listAccounts({ ledgerId, ...filter, pageSize: 1, pageToken });
    expect(page.accounts.length).toBeLessThanOrEqual(1);
    found.push(...page.accounts.map(({ accountCode }) => accountCode.replace("wallets:", "")));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(found).toEqual(expected);
});

test("an account in a list is all that it is", async () => {
  const { accounts } = await client.listAccounts({ ledgerId, codePrefix: "wallets:bob" });
  expect(accounts).toHaveLength(2);
  for (const account of accounts) {
    const { accountCode, assetCode } = account;
    const read = await client.getAccount({ ledgerId, account: { accountCode, assetCode } });
    expect(account).toEqual(read.account);
    expect(account.metadata).toMatchObject([note("learner", "bob"), note("tier", "gold")]);
  }
});

test("accounts are found by the notes that they have now", async () => {
  const account = { accountCode: "wallets:eve", assetCode: "USD" };
  const kind = AccountKind.LIABILITY;
  await client.createAccount({ ledgerId, account, kind, metadata: [note("city", "Rome")] });
  const inCity = async (city: string) => {
    const { accounts } = await client.listAccounts({ ledgerId, metadata: [note("city", city)] });
    return accounts.map(({ accountCode }) => accountCode);
  };
  expect(await inCity("Rome")).toEqual(["wallets:eve"]);
  const moved = { ledgerId, idempotencyKey: "eve", account, metadata: [note("city", "Oslo")] };
  await client.updateAccountMetadata(moved);
  expect([await inCity("Rome"), await inCity("Oslo")]).toEqual([[], ["wallets:eve"]]);
});

test("pages do not shift when accounts are opened in between", async () => {
  const prefix = { ledgerId, codePrefix: "wallets", assetCode: "EUR", pageSize: 3 };
  const first = await client.listAccounts(prefix);
  const kind = AccountKind.LIABILITY;
  for (const accountCode of ["wallets:aaa", "wallets:zoe"]) {
    await client.createAccount({ ledgerId, account: { accountCode, assetCode: "EUR" }, kind });
  }
  const second = await client.listAccounts({ ...prefix, pageToken: first.nextPageToken });
  const listed = [...first.accounts, ...second.accounts].map((it) => it.accountCode);
  expect(listed).toEqual(codes.slice(0, 6).map((code) => `wallets:${code}`));
});

test("a page token is bound to every filter", async () => {
  const request = { ledgerId, pageSize: 1 };
  const { nextPageToken: pageToken } = await client.listAccounts(request);
  for (const filter of [
    { codePrefix: "wallets" },
    { status: AccountStatus.OPEN },
    { kind: AccountKind.ASSET },
    { assetCode: "USD" },
    { metadata: [note("tier", "gold")] },
  ]) {
    const error = await errorOf(client.listAccounts({ ...request, ...filter, pageToken }));
    expect(error.code).toBe(Code.InvalidArgument);
  }
  const notes = [note("a", "1"), note("b", "2")];
  const turned = { ...request, metadata: notes.toReversed() };
  const noted = createPageToken(["ListAccounts", ledgerId, "", "note a 1", "note b 2"], 1n);
  expect((await client.listAccounts({ ...turned, pageToken: noted })).accounts).toEqual([]);
});

test("a forged page token tells nothing of another ledger", async () => {
  const other = { ledgerId: "rival" };
  await client.createLedger({ ...other, displayName: "" });
  await client.registerAsset({ ...other, assetCode: "USD", scale: 2 });
  const account = { accountCode: "a:secret", assetCode: "USD" };
  await client.createAccount({ ...other, account, kind: AccountKind.ASSET });
  const [row] = await school.database.pool<{ id: bigint }[]>`
    select account_id as id from account where account_code = 'a:secret'
  `;
  const pageToken = createPageToken(["ListAccounts", ledgerId, ""], row!.id);
  const page = await client.listAccounts({ ledgerId, pageToken });
  expect(page).toMatchObject({ accounts: [], nextPageToken: "" });
});

test("what no account can be found by is refused", async () => {
  for (const filter of [
    { codePrefix: "wallets:" },
    { codePrefix: ":wallets" },
    { codePrefix: "Wallets" },
    { codePrefix: "wallets:%" },
    { status: 9 as AccountStatus },
    { kind: 9 as AccountKind },
    { pageSize: -1 },
    { pageToken: "abc" },
    { minLedgerSequence: -1n },
    { metadata: [note("Key", "")] },
    { metadata: [note("key", "\0")] },
    { metadata: ["a", "b", "c", "d", "e"].map((name) => note(name, "")) },
  ]) {
    expect((await errorOf(client.listAccounts({ ledgerId, ...filter }))).code).toBe(
      Code.InvalidArgument,
    );
  }
  const missing = client.listAccounts({ ledgerId: "missing" });
  await expectRefusal(missing, Code.NotFound, { refusal: Refusal.LEDGER_NOT_FOUND });
});

test("an account is read as of a fact that was seen, or not at all", async () => {
  const account = { accountCode: "wallets:bob", assetCode: "USD" };
  const { ledger } = await client.getLedger({ ledgerId });
  const minLedgerSequence = ledger!.headSequence;
  expect(await client.getAccount({ ledgerId, account, minLedgerSequence })).toMatchObject({
    account,
  });
  const later = { ledgerId, minLedgerSequence: minLedgerSequence + 1n };
  const detail = { refusal: Refusal.SEQUENCE_NOT_REACHED };
  await expectRefusal(client.getAccount({ ...later, account }), Code.FailedPrecondition, detail);
  await expectRefusal(client.listAccounts(later), Code.FailedPrecondition, detail);
});

function note(name: string, value: string) {
  return { key: name, value };
}
