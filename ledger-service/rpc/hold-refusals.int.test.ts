import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { accountKey as account, newKey } from "../testing/holds.ts";
import {
  errorOf,
  expectRefusal,
  type HoldClient,
  openSchool,
  type School,
  schoolId,
} from "../testing/school.ts";

let school: School;
let holds: HoldClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  ({ holds } = school);
});
afterAll(() => school[Symbol.asyncDispose]());

const cash = account("assets:cash");
const sales = account("income:sales");
const minute = { case: "timeToLive", value: { seconds: 60n, nanos: 0 } } as const;

test.each<[string, Code, Record<string, unknown>, () => Promise<unknown>]>([
  [
    "a ledger that does not exist",
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
    () => holds.createHold({ ...holding(), ledgerId: "nowhere" }),
  ],
  [
    "an asset that is not registered",
    Code.FailedPrecondition,
    { refusal: Refusal.ASSET_NOT_FOUND, assetCode: "XAU" },
    () => holds.createHold({ ...holding(), debitAccount: account("a", "XAU") }),
  ],
  [
    "an account that is not open",
    Code.FailedPrecondition,
    { refusal: Refusal.ACCOUNT_NOT_FOUND, account: account("a") },
    () => holds.createHold({ ...holding(), creditAccount: account("a") }),
  ],
  [
    "accounts of two assets",
    Code.FailedPrecondition,
    { refusal: Refusal.ASSET_MISMATCH, account: account("income:sales", "EUR") },
    () => holds.createHold({ ...holding(), creditAccount: account("income:sales", "EUR") }),
  ],
  [
    "amounts beyond int64",
    Code.FailedPrecondition,
    { refusal: Refusal.AMOUNT_OUT_OF_RANGE },
    () => holds.createHold({ ...holding(), amountMinor: 2n ** 63n - 1n, toleranceMinor: 1n }),
  ],
  [
    "a note that appears twice",
    Code.FailedPrecondition,
    { refusal: Refusal.METADATA_DUPLICATE, metadataKey: "a" },
    () => {
      const note = { key: "a", value: "" };
      return holds.createHold({ ...holding(), metadata: [note, note] });
    },
  ],
  [
    "a time that is past",
    Code.FailedPrecondition,
    { refusal: Refusal.EXPIRE_TIME_PAST },
    () => {
      const value = { seconds: 1_600_000_000n, nanos: 0 };
      return holds.createHold({ ...holding(), expiration: { case: "expireTime", value } });
    },
  ],
  [
    "a hold that does not exist",
    Code.NotFound,
    { refusal: Refusal.HOLD_NOT_FOUND, ledgerSequence: 1n },
    () => holds.captureHold({ ledgerId, idempotencyKey: newKey(), holdSequence: 1n }),
  ],
  [
    "a read of a hold that does not exist",
    Code.NotFound,
    { refusal: Refusal.HOLD_NOT_FOUND, ledgerSequence: 1n },
    () => holds.getHold({ ledgerId, holdSequence: 1n }),
  ],
])("refused: %s", (_, code, detail, call) => expectRefusal(call(), code, detail));

test.each<[string, RegExp, () => Promise<unknown>]>([
  [
    "one account on both sides",
    /credit_account must be another/,
    () => holds.createHold({ ...holding(), creditAccount: cash }),
  ],
  ["no amount", /amount_minor/, () => holds.createHold({ ...holding(), amountMinor: 0n })],
  [
    "a tolerance below zero",
    /tolerance_minor/,
    () => holds.createHold({ ...holding(), toleranceMinor: -1n }),
  ],
  [
    "a life of eleven years",
    /time_to_live/,
    () => {
      const value = { ...minute.value, seconds: 11n * 366n * 86_400n };
      return holds.createHold({ ...holding(), expiration: { ...minute, value } });
    },
  ],
  ...[2_000_000_000, -1].map((nanos): [string, RegExp, () => Promise<unknown>] => [
    `a life with ${nanos} nanos`,
    /time_to_live/,
    () => {
      const value = { ...minute.value, nanos };
      return holds.createHold({ ...holding(), expiration: { ...minute, value } });
    },
  ]),
  [
    "an increase by nothing",
    /amount_minor/,
    () => holds.increaseHold({ ledgerId, idempotencyKey: newKey(), holdSequence: 1n }),
  ],
  [
    "a capture of less than nothing",
    /amount_minor/,
    () => {
      const on = { ledgerId, idempotencyKey: newKey(), holdSequence: 1n };
      return holds.captureHold({ ...on, amountMinor: -1n });
    },
  ],
])("invalid: %s", async (_, message, call) => {
  const error = await errorOf(call());
  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.message).toMatch(message);
});

test("another team's ledger, and a scope that was not granted, are out of reach", async () => {
  const calls = (client: HoldClient) => [
    () => client.createHold(holding()),
    () => client.increaseHold({ ...onHold(), amountMinor: 1n }),
    () => client.captureHold(onHold()),
    () => client.voidHold(onHold()),
    () => client.getHold({ ledgerId, holdSequence: 1n }),
    () => client.listHolds({ ledgerId }),
  ];
  for (const name of ["narrow", "reader"]) {
    const client = await school.server.client(HoldService, name);
    for (const call of calls(client)) {
      expect((await errorOf(call())).code).toBe(Code.PermissionDenied);
    }
  }
});

function onHold() {
  return { ledgerId, idempotencyKey: newKey(), holdSequence: 1n };
}

function holding() {
  const accounts = { debitAccount: cash, creditAccount: sales };
  return { ledgerId, idempotencyKey: newKey(), ...accounts, amountMinor: 1n };
}
