import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
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

let school: School;
let client: LedgerClient;
const ledgerId = schoolId;
/** Right after the first sale. */
let firstSequence = 0n;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  for (const code of ["assets:stripe", "assets:stripe:clearing", "assets:stripe:disputed"]) {
    await openAccount(client, code, AccountKind.ASSET);
  }
  await openAccount(client, "assets:stripe2", AccountKind.ASSET);
  await openAccount(client, "income:sales:courses", AccountKind.INCOME);
  await openAccount(client, "mixed:a", AccountKind.ASSET);
  await openAccount(client, "mixed:b", AccountKind.LIABILITY);
  const credit = "income:sales:courses";
  const first = await client.postTransaction({
    ...saleRequest("1", 100n, { debit: "assets:stripe:clearing", credit }),
    effectiveTime: timestampFromDate(new Date("2020-01-01T00:00:00Z")),
  });
  firstSequence = first.transaction!.ledgerSequence;
  const moves: [string, bigint, string, string][] = [
    ["2", 20n, "assets:stripe:disputed", credit],
    ["3", 3n, "assets:stripe", "income:sales"],
    ["4", 50n, "assets:stripe2", "income:sales"],
    ["5", 7n, "mixed:a", "mixed:b"],
    ["6", 1n, "assets:cash", "assets:stripe:clearing"],
  ];
  for (const [key, amount, debit, credited] of moves) {
    await client.postTransaction(saleRequest(key, amount, { debit, credit: credited }));
  }
  await client.postTransaction(saleRequest("7", 9n, { assetCode: "EUR" }));
});
afterAll(() => school[Symbol.asyncDispose]());

type Sum = readonly [string, string, bigint, bigint, bigint, (bigint | undefined)?];

test.each<[string, object, Sum[]]>([
  ["of a prefix", { codePrefix: "assets:stripe" }, [["assets:stripe", "USD", 3n, 123n, 1n, 122n]]],
  [
    "of a prefix, by the next segment",
    { codePrefix: "assets:stripe", depth: 1 },
    [
      ["assets:stripe", "USD", 1n, 3n, 0n, 3n],
      ["assets:stripe:clearing", "USD", 1n, 100n, 1n, 99n],
      ["assets:stripe:disputed", "USD", 1n, 20n, 0n, 20n],
    ],
  ],
  [
    "of all accounts",
    {},
    [
      ["", "EUR", 2n, 9n, 9n],
      ["", "USD", 9n, 181n, 181n],
    ],
  ],
  [
    "of all accounts in one asset, by the first segment",
    { depth: 1, assetCode: "USD" },
    [
      ["assets", "USD", 5n, 174n, 1n, 173n],
      ["income", "USD", 2n, 0n, 173n, 173n],
      ["mixed", "USD", 2n, 7n, 7n],
    ],
  ],
  [
    "of whole segments only",
    { codePrefix: "assets", depth: 1 },
    [
      ["assets:cash", "EUR", 1n, 9n, 0n, 9n],
      ["assets:cash", "USD", 1n, 1n, 0n, 1n],
      ["assets:stripe", "USD", 3n, 123n, 1n, 122n],
      ["assets:stripe2", "USD", 1n, 50n, 0n, 50n],
    ],
  ],
  ["of one account", { codePrefix: "mixed:b", depth: 8 }, [["mixed:b", "USD", 1n, 0n, 7n, 7n]]],
  ["of no account", { codePrefix: "assets:s" }, []],
  ["of an asset that is not there", { assetCode: "XAU" }, []],
])("balances are summed up: %s", async (_, request, sums) => {
  const { balances, ledgerSequence } = await client.aggregateBalances({ ledgerId, ...request });
  expect(balances.map(rowOf)).toEqual(
    sums.map((sum) => (sum.length === 6 ? sum : [...sum, undefined])),
  );
  expect(ledgerSequence).toBe((await client.getLedger({ ledgerId })).ledger?.headSequence);
});

test("sums are told as they were, on both axes", async () => {
  const request = { ledgerId, codePrefix: "assets:stripe", depth: 1 };
  const then = await client.aggregateBalances({
    ...request,
    asOf: { ledgerSequence: firstSequence },
  });
  expect(then.ledgerSequence).toBe(firstSequence);
  expect(then.balances.map(rowOf)).toEqual([
    ["assets:stripe", "USD", 1n, 0n, 0n, 0n],
    ["assets:stripe:clearing", "USD", 1n, 100n, 0n, 100n],
    ["assets:stripe:disputed", "USD", 1n, 0n, 0n, 0n],
  ]);
  const effectiveTime = timestampFromDate(new Date("2021-01-01T00:00:00Z"));
  const { ledger } = await client.getLedger({ ledgerId });
  const early = await client.aggregateBalances({ ...request, asOf: { effectiveTime } });
  expect(early.ledgerSequence).toBe(ledger?.headSequence);
  expect(early.balances.map(rowOf)).toEqual(then.balances.map(rowOf));
  const before = await client.aggregateBalances({
    ...request,
    asOf: { effectiveTime, ledgerSequence: firstSequence - 1n },
  });
  expect(before.balances.map(({ debitsMinor }) => debitsMinor)).toEqual([0n, 0n, 0n]);
  const unopened = await client.aggregateBalances({ ...request, asOf: { ledgerSequence: 1n } });
  expect(unopened).toMatchObject({ balances: [], ledgerSequence: 1n });
});

test("what cannot be summed up is refused", async () => {
  for (const request of [
    { codePrefix: "assets:" },
    { codePrefix: "assets:stripe;" },
    { depth: 9 },
    { depth: -1 },
    { asOf: { ledgerSequence: -1n } },
    { asOf: { effectiveTime: { seconds: -(10n ** 12n), nanos: 0 } } },
  ]) {
    const error = await errorOf(client.aggregateBalances({ ledgerId, ...request }));
    expect(error.code).toBe(Code.InvalidArgument);
  }
  const { ledger } = await client.getLedger({ ledgerId });
  const later = ledger!.headSequence + 1n;
  for (const request of [{ asOf: { ledgerSequence: later } }, { minLedgerSequence: later }]) {
    const call = client.aggregateBalances({ ledgerId, ...request });
    await expectRefusal(call, Code.FailedPrecondition, { refusal: Refusal.SEQUENCE_NOT_REACHED });
  }
  const missing = client.aggregateBalances({ ledgerId: "missing" });
  await expectRefusal(missing, Code.NotFound, { refusal: Refusal.LEDGER_NOT_FOUND });
});

test("more than 10000 sums are refused, and more accounts than that are summed up", async () => {
  const kind = AccountKind.ASSET;
  for (let start = 0; start < 10_001; start += 1_000) {
    const accounts = Array.from({ length: Math.min(1_000, 10_001 - start) }, (_, n) => {
      return { account: { accountCode: `many:n${start + n}`, assetCode: "USD" }, kind };
    });
    await client.batchCreateAccounts({ ledgerId, accounts });
  }
  const { balances } = await client.aggregateBalances({ ledgerId, codePrefix: "many" });
  expect(balances.map(rowOf)).toEqual([["many", "USD", 10_001n, 0n, 0n, 0n]]);
  const request = { ledgerId, codePrefix: "many", depth: 1 };
  expect((await errorOf(client.aggregateBalances(request))).code).toBe(Code.ResourceExhausted);
  const whole = await errorOf(client.getTrialBalance({ ledgerId }));
  expect([whole.code, whole.message]).toEqual([
    Code.ResourceExhausted,
    expect.stringContaining("page_size"),
  ]);
  const asOf = { ledgerSequence: firstSequence };
  expect((await client.getTrialBalance({ ledgerId, asOf })).balances).toHaveLength(11);
  const page = await client.getTrialBalance({ ledgerId, pageSize: 5_000 });
  expect(page.balances).toHaveLength(1_000);
  expect(page.nextPageToken).not.toBe("");
});

function rowOf(sum: {
  codePrefix: string;
  assetCode: string;
  accounts: bigint;
  debitsMinor: bigint;
  creditsMinor: bigint;
  balanceMinor?: bigint | undefined;
}): Sum {
  const { codePrefix, assetCode, accounts, debitsMinor, creditsMinor, balanceMinor } = sum;
  return [codePrefix, assetCode, accounts, debitsMinor, creditsMinor, balanceMinor];
}
