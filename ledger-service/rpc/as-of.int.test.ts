import { setTimeout as sleep } from "node:timers/promises";
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
/** By the second at which each sale counts, in the order in which they were written. */
const sequences = new Map<bigint, bigint>();

const ledgerId = schoolId;
const account = { accountCode: "assets:cash", assetCode: "USD" };
const written = [300n, 100n, 400n, 200n, 350n];

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  for (const second of written) {
    const request = { ...saleRequest(`at ${second}`, second), effectiveTime: at(second) };
    const { transaction } = await client.postTransaction(request);
    sequences.set(second, transaction!.ledgerSequence);
  }
});
afterAll(() => school[Symbol.asyncDispose]());

test.each<[string, { time?: bigint; known?: bigint }, bigint[]]>([
  ["everything", {}, written],
  ["what counts until a time", { time: 300n }, [300n, 100n, 200n]],
  ["nothing before the first time", { time: 99n }, []],
  ["what was known at a sequence", { known: 400n }, [300n, 100n, 400n]],
  ["what counts until a time, as it was known then", { time: 300n, known: 400n }, [300n, 100n]],
  ["all of it at the end of time", { time: 253_402_300_799n }, written],
])("a balance of the past holds %s", async (_, { time, known }, counted) => {
  const asOf = {
    ...(time !== undefined && { effectiveTime: at(time) }),
    ...(known !== undefined && { ledgerSequence: sequences.get(known)! }),
  };
  const sum = counted.reduce((a, b) => a + b, 0n);
  const { balance } = await client.getBalance({ ledgerId, account, asOf });
  expect(balance).toMatchObject({
    ...account,
    kind: AccountKind.ASSET,
    debitsMinor: sum,
    creditsMinor: 0n,
    balanceMinor: sum,
    version: BigInt(counted.length),
  });
  const { entries } = await client.listEntries({ ledgerId, account, asOf });
  expect(entries.map(({ amountMinor }) => amountMinor)).toEqual(counted);
  const latest = entries.at(-1);
  if (latest) expect(balance?.ledgerSequence).toBe(latest.ledgerSequence);
});

test("a balance of the past tells nothing of what was pending", async () => {
  const now = await client.getBalance({ ledgerId, account });
  expect(now.balance).toMatchObject({ debitsPendingMinor: 0n, creditsPendingMinor: 0n });
  const asOf = { effectiveTime: at(1_000n) };
  const { balance } = await client.getBalance({ ledgerId, account, asOf });
  expect(balance?.balanceMinor).toBe(now.balance?.balanceMinor);
  expect([
    balance?.debitsPendingMinor,
    balance?.creditsPendingMinor,
    balance?.availableMinor,
  ]).toEqual([undefined, undefined, undefined]);
});

test("times count in microseconds, on both sides", async () => {
  const other = { accountCode: "assets:micros", assetCode: "USD" };
  await openAccount(client, other.accountCode, AccountKind.ASSET);
  const request = saleRequest("micros", 1n, { debit: other.accountCode });
  await client.postTransaction({ ...request, effectiveTime: { seconds: 500n, nanos: 1_999 } });
  const versionAt = async (nanos: number) => {
    const asOf = { effectiveTime: { seconds: 500n, nanos } };
    const { balance } = await client.getBalance({ ledgerId, account: other, asOf });
    return balance?.version;
  };
  expect([await versionAt(999), await versionAt(1_000), await versionAt(2_000)]).toEqual([
    0n,
    1n,
    1n,
  ]);
});

test("an account that was opened later held nothing", async () => {
  await openAccount(client, "assets:young", AccountKind.ASSET);
  const young = { accountCode: "assets:young", assetCode: "USD" };
  const asOf = { ledgerSequence: 1n };
  const { balance } = await client.getBalance({ ledgerId, account: young, asOf });
  expect(balance).toMatchObject({ balanceMinor: 0n, version: 0n });
  expect((await client.listEntries({ ledgerId, account: young, asOf })).entries).toEqual([]);
});

test("pages of the past do not shift while later entries are backdated", async () => {
  const asOf = { effectiveTime: at(300n) };
  const amounts: bigint[] = [];
  for (let pageToken = "", page = 0; page === 0 || pageToken !== ""; page++) {
    const request = { ledgerId, account, asOf, pageSize: 1, pageToken };
    const { entries, nextPageToken } = await client.listEntries(request);
    amounts.push(...entries.map(({ amountMinor }) => amountMinor));
    if (page === 0) {
      const backdated = { ...saleRequest("between pages", 50n), effectiveTime: at(50n) };
      await client.postTransaction(backdated);
      const ofAnother = client.listEntries({ ...request, asOf: {}, pageToken: nextPageToken });
      expect((await errorOf(ofAnother)).code).toBe(Code.InvalidArgument);
    }
    pageToken = nextPageToken;
  }
  expect(amounts).toEqual([300n, 100n, 200n, 50n]);
});

test("replayed writes tell the balances as they were right after them", async () => {
  const key = "replayed";
  const first = await client.postTransaction(saleRequest(key, 11n));
  const reversing = {
    ...{ ledgerId, idempotencyKey: "replayed reversal" },
    ledgerSequence: first.transaction!.ledgerSequence,
  };
  const reversed = await client.reverseTransaction(reversing);
  await client.postTransaction(saleRequest("after them", 12n));
  const again = await client.postTransaction(saleRequest(key, 11n));
  const reversedAgain = await client.reverseTransaction(reversing);
  const batch = await client.batchPostTransactions({
    ledgerId,
    requests: [saleRequest("new one", 1n), saleRequest(key, 11n)],
  });
  expect(batch.results[1]?.result.value).toMatchObject({ replayed: true });
  for (const [before, after] of [
    [first, again],
    [reversed, reversedAgain],
    [first, batch.results[1]!.result.value as typeof first],
  ] as const) {
    expect(after.replayed).toBe(true);
    expect(after.balances.map(postedOf)).toEqual(before.balances.map(postedOf));
    expect(after.balances.map(({ availableMinor }) => availableMinor)).toEqual([
      undefined,
      undefined,
    ]);
  }
});

test.each<[string, Record<string, unknown>]>([
  ["after the year 9999", { effectiveTime: { seconds: 253_402_300_800n, nanos: 0 } }],
  ["before the year 1", { effectiveTime: { seconds: -62_135_596_801n, nanos: 0 } }],
  ["with a fraction of a second that is none", { effectiveTime: { seconds: 1n, nanos: -1 } }],
  ["at a negative sequence", { ledgerSequence: -1n }],
])("a moment %s is an invalid argument", async (_, asOf) => {
  for (const read of readsAsOf(asOf)) {
    const error = await errorOf(read());
    expect([error.code, error.message]).toEqual([
      Code.InvalidArgument,
      expect.stringContaining("as_of"),
    ]);
  }
});

test("a moment that the ledger has not come to is refused", async () => {
  const { ledger } = await client.getLedger({ ledgerId });
  const ledgerSequence = ledger!.headSequence + 1n;
  for (const read of readsAsOf({ ledgerSequence })) {
    const refusal = Refusal.SEQUENCE_NOT_REACHED;
    await expectRefusal(read(), Code.FailedPrecondition, { refusal, ledgerSequence });
  }
});

test("a read waits for the sequence that it must know, and not for long", async () => {
  const { ledger } = await client.getLedger({ ledgerId });
  const minLedgerSequence = ledger!.headSequence + 1n;
  const waiting = Promise.all([
    client.getBalance({ ledgerId, account, minLedgerSequence }),
    client.listEntries({ ledgerId, account, minLedgerSequence }),
    client.listTransactions({ ledgerId, minLedgerSequence }),
    client.listPaymentStates({ ledgerId, minLedgerSequence }),
    client.getTransaction({
      ...{ ledgerId, minLedgerSequence },
      name: { case: "ledgerSequence", value: minLedgerSequence },
    }),
  ]);
  await sleep(30);
  await client.postTransaction(saleRequest("awaited", 1n));
  const [, , , , { transaction }] = await waiting;
  expect(transaction?.idempotencyKey).toBe("awaited");

  const never = { ledgerId, account, minLedgerSequence: minLedgerSequence + 9n };
  for (const read of [
    () => client.getBalance(never),
    () => client.listEntries(never, { timeoutMs: 300 }),
  ]) {
    await expectRefusal(read(), Code.FailedPrecondition, {
      refusal: Refusal.SEQUENCE_NOT_REACHED,
      ledgerSequence: minLedgerSequence + 9n,
    });
  }
});

test("whether the ledger and the account are there comes first", async () => {
  const asOf = { ledgerSequence: 1_000_000n };
  const elsewhere = { ledgerId: "nowhere", account, asOf, minLedgerSequence: 1_000_000n };
  const refusal = Refusal.LEDGER_NOT_FOUND;
  await expectRefusal(client.getBalance(elsewhere), Code.NotFound, { refusal });
  await expectRefusal(client.listEntries(elsewhere), Code.NotFound, { refusal });
  const nobody = { accountCode: "assets:nobody", assetCode: "USD" };
  const lost = { ledgerId, account: nobody, asOf: { effectiveTime: at(1n) } };
  for (const read of [() => client.getBalance(lost), () => client.listEntries(lost)]) {
    await expectRefusal(read(), Code.NotFound, { refusal: Refusal.ACCOUNT_NOT_FOUND });
  }
});

function readsAsOf(asOf: Record<string, unknown>): (() => Promise<unknown>)[] {
  return [
    () => client.getBalance({ ledgerId, account, asOf }),
    () => client.listEntries({ ledgerId, account, asOf }),
  ];
}

function postedOf({ accountCode, debitsMinor, creditsMinor, ...rest }: PostedBalance) {
  const { balanceMinor, version, ledgerSequence } = rest;
  return { accountCode, debitsMinor, creditsMinor, balanceMinor, version, ledgerSequence };
}

type PostedBalance = Awaited<ReturnType<LedgerClient["postTransaction"]>>["balances"][number];

function at(seconds: bigint) {
  return { seconds, nanos: 0 };
}
