import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  errorOf,
  expectRefusal,
  type LedgerClient,
  schoolId as ledgerId,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;
const first = { seconds: 1_577_836_800n, nanos: 0 };
const second = { seconds: 1_609_459_200n, nanos: 123_456_000 };
const later = { seconds: 1_640_995_200n, nanos: 0 };

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
});
afterAll(() => school[Symbol.asyncDispose]());

test("closed periods are listed, latest first, in pages that later ones do not shift", async () => {
  expect(await client.listPeriods({ ledgerId })).toMatchObject({ periods: [], nextPageToken: "" });
  const closed = await close("2019", first, "the first year");
  expect(closed).toMatchObject({
    replayed: false,
    period: { ledgerId, endTime: first, description: "the first year" },
  });
  await close("2020", { ...second, nanos: second.nanos + 789 });
  const page = await client.listPeriods({ ledgerId, pageSize: 1 });
  expect(page.periods).toMatchObject([{ endTime: second }]);
  await close("2021", later);
  const { nextPageToken: pageToken } = page;
  const next = await client.listPeriods({ ledgerId, pageSize: 1, pageToken });
  expect(next).toMatchObject({ periods: [closed.period], nextPageToken: "" });
  const all = (await client.listPeriods({ ledgerId })).periods;
  expect(all.map(({ endTime }) => endTime)).toMatchObject([later, second, first]);
});

test("a close is replayed, another under its key is a conflict", async () => {
  const again = await close("2019", first, "the first year");
  expect(again).toMatchObject({ replayed: true, period: { endTime: first } });
  await expectRefusal(close("2019", first, "another text"), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
    ledgerSequence: again.period?.closedSequence,
  });
  await expectRefusal(close("2019", later, "the first year"), Code.AlreadyExists, {
    refusal: Refusal.IDEMPOTENCY_CONFLICT,
  });
});

test("nothing new counts before the end, in nanoseconds as the caller tells it", async () => {
  const at = (nanos: number) => ({ ...later, seconds: later.seconds - 1n, nanos });
  const before = { ...saleRequest("before", 1n), effectiveTime: at(999_999_999) };
  await expectRefusal(client.postTransaction(before), Code.FailedPrecondition, {
    refusal: Refusal.PERIOD_CLOSED,
    limitTime: later,
  });
  const { transaction } = await client.postTransaction({
    ...saleRequest("at", 1n),
    effectiveTime: later,
  });
  const back = { ledgerId, idempotencyKey: "back", ledgerSequence: transaction?.ledgerSequence };
  await expectRefusal(
    client.reverseTransaction({
      ...back,
      ledgerSequence: back.ledgerSequence!,
      effectiveTime: first,
    }),
    Code.FailedPrecondition,
    { refusal: Refusal.PERIOD_CLOSED },
  );
});

test.each<[string, () => Promise<unknown>, Code, Record<string, unknown>]>([
  [
    "no ledger",
    () => client.closePeriod({ ledgerId: "nowhere", idempotencyKey: "k", endTime: first }),
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
  ],
  [
    "the end of the last period again",
    () => close("same end", later),
    Code.FailedPrecondition,
    { refusal: Refusal.PERIOD_ORDER, limitTime: later, idempotencyKey: "same end" },
  ],
  [
    "an end before it",
    () => close("earlier", first),
    Code.FailedPrecondition,
    { refusal: Refusal.PERIOD_ORDER, limitTime: later },
  ],
  [
    "an end in the future",
    () => close("future", { seconds: 32_503_680_000n, nanos: 0 }),
    Code.FailedPrecondition,
    { refusal: Refusal.PERIOD_ORDER, limitTime: expect.anything() },
  ],
  [
    "periods of no ledger",
    () => client.listPeriods({ ledgerId: "nowhere" }),
    Code.NotFound,
    { refusal: Refusal.LEDGER_NOT_FOUND },
  ],
])("refuses %s", async (_, call, code, detail) => {
  await expectRefusal(call(), code, detail);
});

test.each<[string, () => Promise<unknown>]>([
  ["no end", () => client.closePeriod({ ledgerId, idempotencyKey: "k" })],
  ["an end beyond the year 9999", () => close("k", { seconds: 2n ** 50n, nanos: 0 })],
  ["an end of too many nanoseconds", () => close("k", { ...first, nanos: 1_000_000_000 })],
  ["no key", () => close("", first)],
  ["a long description", () => close("k", first, "x".repeat(513))],
  ["a negative page size", () => client.listPeriods({ ledgerId, pageSize: -1 })],
  ["a token of nobody", () => client.listPeriods({ ledgerId, pageToken: "AAAA" })],
])("%s is an invalid argument", async (_, call) => {
  expect((await errorOf(call())).code).toBe(Code.InvalidArgument);
});

test("a caller who may not touch the ledger closes nothing", async () => {
  const narrow = await school.server.client(LedgerService, "narrow");
  const request = { ledgerId, idempotencyKey: "k", endTime: later };
  expect((await errorOf(narrow.closePeriod(request))).code).toBe(Code.PermissionDenied);
  expect((await errorOf(narrow.listPeriods({ ledgerId }))).code).toBe(Code.PermissionDenied);
});

function close(
  idempotencyKey: string,
  endTime: { seconds: bigint; nanos: number },
  description = "",
) {
  return client.closePeriod({ ledgerId, idempotencyKey, endTime, description });
}
