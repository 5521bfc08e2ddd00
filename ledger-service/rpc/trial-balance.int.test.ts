import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind, type Balance } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  errorOf,
  expectRefusal,
  type LedgerClient,
  openAccount,
  openSchool,
  type School,
  saleRequest,
  schoolId,
} from "../testing/school.ts";
import { createPinnedToken } from "./page-token.ts";

let school: School;
let client: LedgerClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  await client.postTransaction(saleRequest("dollar", 3n));
  await client.postTransaction(saleRequest("euro", 4n, { assetCode: "EUR" }));
});
afterAll(() => school[Symbol.asyncDispose]());

test("all pages show the same sequence, whatever is written in between", async () => {
  const whole = await client.getTrialBalance({ ledgerId });
  const balances: Balance[] = [];
  let debitsMinor = 0n;
  let creditsMinor = 0n;
  for (let pageToken = "", n = 0; ; n++) {
    const page = await client.getTrialBalance({ ledgerId, pageSize: 1, pageToken });
    expect(page.balances).toHaveLength(1);
    expect(page.ledgerSequence).toBe(whole.ledgerSequence);
    expect(page.totals).toMatchObject([{ assetCode: page.balances[0]?.assetCode }]);
    balances.push(...page.balances);
    for (const total of page.totals) {
      debitsMinor += total.debitsMinor;
      creditsMinor += total.creditsMinor;
    }
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
    await client.postTransaction(saleRequest(`between-${n}`, 100n));
    await openAccount(client, `assets:late${n}`, AccountKind.ASSET);
  }
  expect(balances).toMatchObject(whole.balances.map(shown));
  expect(debitsMinor).toBe(creditsMinor);
});

test("what is pending is told of now, and not of the past", async () => {
  const [now] = (await client.getTrialBalance({ ledgerId })).balances;
  expect(now).toMatchObject({ debitsPendingMinor: 0n, creditsPendingMinor: 0n });
  expect(now?.availableMinor).toBe(now?.balanceMinor);
  const [paged] = (await client.getTrialBalance({ ledgerId, pageSize: 1 })).balances;
  expect(paged?.availableMinor).toBeUndefined();
});

test("the books are shown as they were, on both axes", async () => {
  const early = { effectiveTime: timestampFromDate(new Date("2020-06-01T00:00:00Z")) };
  const backdated = { ...saleRequest("backdated", 40n), ...early };
  const before = (await client.getLedger({ ledgerId })).ledger!.headSequence;
  const { transaction } = await client.postTransaction(backdated);
  const cashAsOf = async (asOf: object) => {
    const { balances, totals, ledgerSequence } = await client.getTrialBalance({ ledgerId, asOf });
    for (const total of totals) expect(total.debitsMinor).toBe(total.creditsMinor);
    const cash = balances.find((it) => it.accountCode === "assets:cash" && it.assetCode === "USD");
    return [cash?.balanceMinor, ledgerSequence];
  };
  const head = transaction!.ledgerSequence;
  expect(await cashAsOf(early)).toEqual([40n, head]);
  expect(await cashAsOf({ ...early, ledgerSequence: before })).toEqual([0n, before]);
  const effectiveTime = timestampFromDate(new Date("2020-05-31T23:59:59Z"));
  expect(await cashAsOf({ effectiveTime })).toEqual([0n, head]);
  const opened = await client.getTrialBalance({ ledgerId, asOf: { ledgerSequence: 4n } });
  expect(opened.balances.map(({ accountCode }) => accountCode)).toEqual(["assets:cash"]);
});

test("pages of the past are pages of one moment, too", async () => {
  const asOf = { effectiveTime: timestampFromDate(new Date("2020-07-01T00:00:00Z")) };
  const first = await client.getTrialBalance({ ledgerId, asOf, pageSize: 2 });
  const late = { ...saleRequest("late", 1_000n), effectiveTime: asOf.effectiveTime };
  await client.postTransaction(late);
  const { nextPageToken: pageToken } = first;
  const second = await client.getTrialBalance({ ledgerId, asOf, pageToken });
  expect(second.ledgerSequence).toBe(first.ledgerSequence);
  const all = [...first.balances, ...second.balances];
  const of = (code: string) => {
    return all.find((it) => it.accountCode === code && it.assetCode === "USD")?.balanceMinor;
  };
  expect([of("assets:cash"), of("income:sales")]).toEqual([40n, 40n]);
});

test("an empty ledger has an empty trial balance", async () => {
  await client.createLedger({ ledgerId: "empty", displayName: "" });
  for (const pageSize of [0, 5]) {
    const trial = await client.getTrialBalance({ ledgerId: "empty", pageSize });
    expect(trial).toMatchObject({
      balances: [],
      totals: [],
      ledgerSequence: 1n,
      nextPageToken: "",
    });
  }
});

test("what cannot be shown is refused", async () => {
  const { nextPageToken: pageToken } = await client.getTrialBalance({ ledgerId, pageSize: 1 });
  for (const request of [
    { pageSize: -1 },
    { pageToken: "abc" },
    { pageToken, asOf: { ledgerSequence: 4n } },
    { asOf: { ledgerSequence: -1n } },
    { asOf: { effectiveTime: { seconds: 10n ** 12n, nanos: 0 } } },
  ]) {
    const error = await errorOf(client.getTrialBalance({ ledgerId, ...request }));
    expect(error.code).toBe(Code.InvalidArgument);
  }
  const { ledger } = await client.getLedger({ ledgerId });
  const sequence = ledger!.headSequence + 1n;
  for (const request of [
    { asOf: { ledgerSequence: sequence } },
    { minLedgerSequence: sequence },
    { pageToken: createPinnedToken(["GetTrialBalance", ledgerId], { after: 1n, sequence }) },
  ]) {
    const call = client.getTrialBalance({ ledgerId, ...request });
    await expectRefusal(call, Code.FailedPrecondition, { refusal: Refusal.SEQUENCE_NOT_REACHED });
  }
  const missing = client.getTrialBalance({ ledgerId: "missing" });
  await expectRefusal(missing, Code.NotFound, { refusal: Refusal.LEDGER_NOT_FOUND });
});

/** Without what is told of now only. */
function shown({ accountCode, assetCode, kind, balanceMinor, version, ledgerSequence }: Balance) {
  return { accountCode, assetCode, kind, balanceMinor, version, ledgerSequence };
}
