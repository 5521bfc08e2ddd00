// Everything that the books refuse of a posting, over the wire: one row a refusal, with its code, its
// stable reason and the values at fault.

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, test } from "vitest";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  expectRefusal,
  type LedgerClient,
  schoolId as ledgerId,
  openAccount,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;
/** Of a sale over 100, of which 30 are reversed. */
let begun = 0n;
let reversed = { original: 0n, by: 0n };

const int64Max = 2n ** 63n - 1n;
const usd = (accountCode: string) => ({ accountCode, assetCode: "USD" });
const cash = usd("assets:cash");

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  const post = async (key: string, amountMinor: bigint, more = {}) => {
    const { transaction } = await client.postTransaction(saleRequest(key, amountMinor, more));
    return transaction?.ledgerSequence ?? 0n;
  };
  const reverse = async (idempotencyKey: string, ledgerSequence: bigint, entries: object[]) => {
    const request = { ledgerId, idempotencyKey, ledgerSequence, entries };
    const { transaction } = await client.reverseTransaction(request);
    return transaction?.ledgerSequence ?? 0n;
  };
  for (const code of ["assets:full", "assets:frozen", "assets:closed", "assets:floor"]) {
    await openAccount(client, code, AccountKind.ASSET);
  }
  for (const code of ["income:full", "income:ceiling"]) {
    await openAccount(client, code, AccountKind.INCOME);
  }
  begun = await post("begun", 100n);
  await reverse("part", begun, part(30n));
  const original = await post("reversed", 50n);
  reversed = { original, by: await reverse("all", original, []) };
  const on = (account: object, idempotencyKey: string) => ({ ledgerId, account, idempotencyKey });
  await client.freezeAccount(on(usd("assets:frozen"), "freeze"));
  await client.closeAccount(on(usd("assets:closed"), "close"));
  await client.updateAccountLimits({
    ...on(usd("assets:floor"), "floor"),
    limits: { floorMinor: 0n },
  });
  await client.updateAccountLimits({
    ...on(usd("income:ceiling"), "ceiling"),
    limits: { ceilingMinor: 10n },
  });
});
afterAll(() => school[Symbol.asyncDispose]());

/** As much of both entries. */
function part(amountMinor: bigint): { entryIndex: number; amountMinor: bigint }[] {
  return [0, 1].map((entryIndex) => ({ entryIndex, amountMinor }));
}

function crooked(key: string, debitMinor: bigint, creditMinor: bigint) {
  const request = saleRequest(key, debitMinor);
  request.entries[1]!.amountMinor = creditMinor;
  return request;
}

const inSixYears = timestampFromMs(Date.now() + 6 * 366 * 86_400_000);

const post = (request: Parameters<LedgerClient["postTransaction"]>[0]) => {
  return client.postTransaction(request);
};
const reverse = (idempotencyKey: string, ledgerSequence: bigint, more: object = {}) => {
  return client.reverseTransaction({ ledgerId, idempotencyKey, ledgerSequence, ...more });
};

type Row = [string, Code, () => Promise<unknown>, () => Record<string, unknown>];

test.each<Row>([
  [
    "a key that was used for another request",
    Code.AlreadyExists,
    () => post(saleRequest("begun", 101n)),
    () => ({
      refusal: Refusal.IDEMPOTENCY_CONFLICT,
      idempotencyKey: "begun",
      ledgerSequence: begun,
    }),
  ],
  [
    "a ledger that does not exist",
    Code.NotFound,
    () => post({ ...saleRequest("k1", 1n), ledgerId: "nowhere" }),
    () => ({ refusal: Refusal.LEDGER_NOT_FOUND }),
  ],
  [
    "an asset that is not registered",
    Code.FailedPrecondition,
    () => post(saleRequest("k2", 1n, { assetCode: "XAU" })),
    () => ({ refusal: Refusal.ASSET_NOT_FOUND, assetCode: "XAU", idempotencyKey: "k2" }),
  ],
  [
    "an account that does not exist",
    Code.FailedPrecondition,
    () => post(saleRequest("k3", 1n, { debit: "assets:nobody" })),
    () => ({ refusal: Refusal.ACCOUNT_NOT_FOUND, account: usd("assets:nobody") }),
  ],
  [
    "an account of a precondition that does not exist",
    Code.FailedPrecondition,
    () =>
      post({
        ...saleRequest("k4", 1n),
        preconditions: [{ account: usd("assets:nobody"), version: 0n }],
      }),
    () => ({ refusal: Refusal.ACCOUNT_NOT_FOUND, account: usd("assets:nobody") }),
  ],
  [
    "a frozen account",
    Code.FailedPrecondition,
    () => post(saleRequest("k5", 1n, { debit: "assets:frozen" })),
    () => ({ refusal: Refusal.ACCOUNT_FROZEN, account: usd("assets:frozen") }),
  ],
  [
    "a closed account",
    Code.FailedPrecondition,
    () => post(saleRequest("k6", 1n, { debit: "assets:closed" })),
    () => ({ refusal: Refusal.ACCOUNT_CLOSED, account: usd("assets:closed") }),
  ],
  [
    "debits that differ from credits",
    Code.FailedPrecondition,
    () => post(crooked("k7", 5n, 4n)),
    () => ({
      refusal: Refusal.UNBALANCED,
      assetCode: "USD",
      debitsMinor: 5n,
      creditsMinor: 4n,
    }),
  ],
  [
    "assets that do not balance each other",
    Code.FailedPrecondition,
    () => {
      const request = saleRequest("k8", 5n);
      request.entries[1]!.account.assetCode = "EUR";
      return post(request);
    },
    () => ({ refusal: Refusal.UNBALANCED, assetCode: "USD", debitsMinor: 5n, creditsMinor: 0n }),
  ],
  [
    "debits whose sum lies beyond int64",
    Code.FailedPrecondition,
    () => {
      const request = saleRequest("k9", int64Max);
      request.entries.push({ ...request.entries[0]! });
      return post(request);
    },
    () => ({ refusal: Refusal.UNBALANCED, debitsMinor: 0n, creditsMinor: 0n }),
  ],
  [
    "an account whose total would leave int64 by two entries",
    Code.FailedPrecondition,
    () => {
      const request = saleRequest("k10", int64Max, { assetCode: "EUR" });
      const { entries } = saleRequest("", 1n, { assetCode: "EUR" });
      return post({ ...request, entries: [...request.entries, ...entries] });
    },
    () => ({
      refusal: Refusal.AMOUNT_OUT_OF_RANGE,
      account: { accountCode: "assets:cash", assetCode: "EUR" },
    }),
  ],
  [
    "an asset whose total would leave int64 over two accounts",
    Code.FailedPrecondition,
    () => post(saleRequest("k11", int64Max, { debit: "assets:full", credit: "income:full" })),
    () => ({ refusal: Refusal.AMOUNT_OUT_OF_RANGE, assetCode: "USD" }),
  ],
  [
    "notes with the same key",
    Code.FailedPrecondition,
    () => {
      const note = { key: "a", value: "" };
      return post({ ...saleRequest("k12", 1n), metadata: [note, note] });
    },
    () => ({ refusal: Refusal.METADATA_DUPLICATE, metadataKey: "a" }),
  ],
  [
    "a time in the far future",
    Code.FailedPrecondition,
    () => post({ ...saleRequest("k13", 1n), effectiveTime: inSixYears }),
    () => ({
      refusal: Refusal.EFFECTIVE_TIME_TOO_LATE,
      limitTime: { $typeName: "google.protobuf.Timestamp" },
    }),
  ],
  [
    "a balance that is not as it should be",
    Code.FailedPrecondition,
    () =>
      post({
        ...saleRequest("k14", 1n),
        preconditions: [
          { account: cash, balance: { gteMinor: 0n } },
          { account: cash, balance: { gteMinor: 70n, lteMinor: 70n, eqMinor: 71n } },
        ],
      }),
    () => ({
      refusal: Refusal.PRECONDITION_FAILED,
      index: 1,
      account: cash,
      actualMinor: 70n,
    }),
  ],
  [
    "what is available is not as it should be",
    Code.FailedPrecondition,
    () =>
      post({
        ...saleRequest("k15", 1n),
        preconditions: [{ account: cash, available: { gteMinor: 71n } }],
      }),
    () => ({ refusal: Refusal.PRECONDITION_FAILED, index: 0, actualMinor: 70n }),
  ],
  [
    "a version that has passed",
    Code.FailedPrecondition,
    () => post({ ...saleRequest("k16", 1n), preconditions: [{ account: cash, version: 1n }] }),
    () => ({ refusal: Refusal.PRECONDITION_FAILED, index: 0, actualMinor: 4n }),
  ],
  [
    "a balance below the floor",
    Code.FailedPrecondition,
    () => post(saleRequest("k17", 1n, { debit: "assets:cash", credit: "assets:floor" })),
    () => ({
      refusal: Refusal.BELOW_FLOOR,
      account: usd("assets:floor"),
      limitMinor: 0n,
      actualMinor: -1n,
    }),
  ],
  [
    "a balance above the ceiling",
    Code.FailedPrecondition,
    () => post(saleRequest("k18", 11n, { credit: "income:ceiling" })),
    () => ({
      refusal: Refusal.ABOVE_CEILING,
      account: usd("income:ceiling"),
      limitMinor: 10n,
      actualMinor: 11n,
    }),
  ],
  [
    "a reversal of nothing",
    Code.NotFound,
    () => reverse("r1", 1n),
    () => ({ refusal: Refusal.TRANSACTION_NOT_FOUND, ledgerSequence: 1n }),
  ],
  [
    "a reversal of what is reversed",
    Code.FailedPrecondition,
    () => reverse("r2", reversed.original),
    () => ({ refusal: Refusal.ALREADY_REVERSED, ledgerSequence: reversed.by }),
  ],
  [
    "a part of what is reversed",
    Code.FailedPrecondition,
    () => reverse("r3", reversed.original, { entries: part(1n) }),
    () => ({ refusal: Refusal.ALREADY_REVERSED, ledgerSequence: reversed.by }),
  ],
  [
    "more of an entry than is left",
    Code.FailedPrecondition,
    () => reverse("r4", begun, { entries: part(71n) }),
    () => ({ refusal: Refusal.REVERSAL_EXCEEDED, index: 0, limitMinor: 70n, actualMinor: 71n }),
  ],
  [
    "an entry that the original has not",
    Code.FailedPrecondition,
    () => reverse("r5", begun, { entries: [{ entryIndex: 999, amountMinor: 1n }] }),
    () => ({ refusal: Refusal.REVERSAL_EXCEEDED, index: 999, limitMinor: 0n, actualMinor: 1n }),
  ],
  [
    "a part that is not balanced",
    Code.FailedPrecondition,
    () => reverse("r6", begun, { entries: part(1n).slice(1) }),
    () => ({ refusal: Refusal.UNBALANCED, debitsMinor: 1n, creditsMinor: 0n }),
  ],
])("refuses %s, again and again", async (_, code, call, detail) => {
  await expectRefusal(call(), code, detail());
  await expectRefusal(call(), code, detail());
});

test("a time in a closed period", async () => {
  const endTime = { seconds: 1_000_000_000n, nanos: 0 };
  await client.closePeriod({ ledgerId, idempotencyKey: "2001", endTime });
  const early = { ...saleRequest("k19", 1n), effectiveTime: { seconds: 999_999_999n, nanos: 0 } };
  await expectRefusal(post(early), Code.FailedPrecondition, {
    refusal: Refusal.PERIOD_CLOSED,
    limitTime: { seconds: 1_000_000_000n },
  });
  const request = { effectiveTime: early.effectiveTime, entries: part(1n) };
  await expectRefusal(reverse("r7", begun, request), Code.FailedPrecondition, {
    refusal: Refusal.PERIOD_CLOSED,
  });
});
