// From a provider's event to suspense, and from there to where it belongs, through the broker, the
// consumer and the RPCs.

import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { Refusal, type Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { publish } from "#mesh/events/publish.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { handlePayments, paymentEvents } from "./consumer.ts";
import { encode, type Report, refunded, succeeded, usd } from "./testing/payments.ts";
import {
  balanceOf,
  expectRefusal,
  type LedgerClient,
  schoolId as ledgerId,
  openSchool,
  type School,
} from "./testing/school.ts";

let school: School;
let broker: TestBroker;
let client: LedgerClient;
let consumer: AsyncDisposable;
const sales = { accountCode: "income:sales", assetCode: "USD" };
const clearing = { accountCode: "assets:stripe:clearing", assetCode: "USD" };

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
  broker = await openTestBroker();
  consumer = startConsumer({
    consumer: "ledger-service-PAYMENTS",
    stream: "PAYMENTS",
    events: paymentEvents,
    batchMax: 200,
    pool: school.database.pool,
    broker: broker.broker,
    log: silentLog(),
    metrics: createMetrics("test"),
    handle: handlePayments,
  });
});

afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
  await school[Symbol.asyncDispose]();
});

test("a payment on a frozen account posts, and is released once it is open again", async () => {
  await client.freezeAccount({ ledgerId, idempotencyKey: "freeze", account: sales });
  const transaction = await send(succeeded("pi_1", 10_000n, { fee: usd(320n) }), {
    key: "payment/stripe/acct_1/pi_1/succeeded",
  });
  const { ledgerSequence } = transaction;
  expect(transaction).toMatchObject({
    entries: [
      { account: clearing, side: Side.DEBIT, amountMinor: 9_680n },
      { account: { accountCode: "expenses:fees:stripe" }, side: Side.DEBIT, amountMinor: 320n },
      { account: suspense, side: Side.CREDIT, amountMinor: 10_000n },
    ],
    suspendedEntries: [{ entryIndex: 2, account: sales, refusal: Refusal.ACCOUNT_FROZEN }],
    // What the learner's access follows from is as ever.
    paymentState: { paymentId: "stripe/acct_1/pi_1", paidMinor: 10_000n, ledgerSequence },
  });
  expect(transaction.occurredTime).toBeUndefined();
  const { items } = await client.listSuspenseItems({ ledgerId });
  expect(items).toMatchObject([
    {
      ledgerSequence,
      entryIndex: 2,
      account: sales,
      side: Side.CREDIT,
      amountMinor: 10_000n,
      refusal: Refusal.ACCOUNT_FROZEN,
      recordedTime: transaction.recordedTime,
      releasedSequence: 0n,
    },
  ]);

  const release = { ledgerId, ledgerSequence, entryIndex: 2 };
  const early = { ...release, idempotencyKey: "too early" };
  for (let times = 0; times < 2; times++) {
    await expectRefusal(client.releaseSuspenseItem(early), Code.FailedPrecondition, {
      refusal: Refusal.ACCOUNT_FROZEN,
      account: sales,
    });
  }
  await client.unfreezeAccount({ ledgerId, idempotencyKey: "unfreeze", account: sales });
  const request = { ...release, idempotencyKey: "release", description: "it was in order" };
  const released = await client.releaseSuspenseItem(request);
  expect(released).toMatchObject({
    replayed: false,
    transaction: {
      description: "it was in order",
      releases: { ledgerSequence, entryIndex: 2 },
      entries: [
        { account: suspense, side: Side.DEBIT, amountMinor: 10_000n },
        { account: sales, side: Side.CREDIT, amountMinor: 10_000n },
      ],
    },
    balances: [
      { accountCode: "liabilities:suspense", balanceMinor: 0n },
      { accountCode: "income:sales", balanceMinor: 10_000n },
    ],
  });
  expect(released.transaction?.paymentState).toBeUndefined();
  const again = await client.releaseSuspenseItem(request);
  expect(again).toMatchObject({ replayed: true, transaction: released.transaction! });
  expect(again.balances.map(({ balanceMinor }) => balanceMinor)).toEqual([0n, 10_000n]);

  const twice = client.releaseSuspenseItem({ ...release, idempotencyKey: "twice" });
  const releasedSequence = released.transaction?.ledgerSequence;
  await expectRefusal(twice, Code.FailedPrecondition, {
    refusal: Refusal.SUSPENSE_RELEASED,
    ledgerSequence: releasedSequence,
  });
  expect((await client.listSuspenseItems({ ledgerId })).items).toEqual([]);
  const all = await client.listSuspenseItems({ ledgerId, released: true });
  expect(all.items).toMatchObject([{ ledgerSequence, releasedSequence }]);
});

test("a refund that a limit does not allow leaves clearing as it is", async () => {
  await send(succeeded("pi_2", 5_000n), { key: "payment/stripe/acct_1/pi_2/succeeded" });
  const before = await balanceOf(client, clearing.accountCode);
  const limits = { floorMinor: 0n, ceilingMinor: before };
  await client.updateAccountLimits({
    ledgerId,
    idempotencyKey: "limit",
    account: clearing,
    limits,
  });
  const paid = await send(succeeded("pi_3", 700n), {
    key: "payment/stripe/acct_1/pi_3/succeeded",
  });
  expect(paid.suspendedEntries).toMatchObject([
    { entryIndex: 0, account: clearing, refusal: Refusal.ABOVE_CEILING },
  ]);
  const back = await send(refunded("pi_2", "re_1", 5_000n), { key: "refund/stripe/acct_1/re_1" });
  expect(back.suspendedEntries).toEqual([]);
  // There is room again, so it goes where it belongs.
  await client.releaseSuspenseItem({
    ledgerId,
    idempotencyKey: "room",
    ledgerSequence: paid.ledgerSequence,
    entryIndex: 0,
  });
  expect(await balanceOf(client, clearing.accountCode)).toBe(before - 4_300n);
  await client.updateAccountLimits({ ledgerId, idempotencyKey: "no limit", account: clearing });
});

test("a payment of a closed period counts from its end on, its result waits", async () => {
  const endTime = { seconds: 1_700_000_000n, nanos: 1_000 };
  const asOf = { effectiveTime: { seconds: 1_700_000_000n, nanos: 0 } };
  const ofPeriod = async () => {
    const read = { ledgerId, asOf };
    const accounts = [clearing, sales, suspense].map((account) => ({ ...read, account }));
    const balances = await Promise.all(accounts.map((request) => client.getBalance(request)));
    return balances.map(({ balance }) => balance?.balanceMinor);
  };
  const before = await ofPeriod();
  await client.closePeriod({ ledgerId, idempotencyKey: "2023", endTime });
  const transaction = await send(succeeded("pi_4", 900n, { tax: usd(100n) }), {
    key: "payment/stripe/acct_1/pi_4/succeeded",
  });
  expect(transaction).toMatchObject({
    effectiveTime: endTime,
    occurredTime: { seconds: 1_700_000_000n, nanos: 0 },
    suspendedEntries: [{ entryIndex: 1, account: sales, refusal: Refusal.PERIOD_CLOSED }],
    paymentState: { paidMinor: 900n },
  });
  const { ledgerSequence } = transaction;
  const release = { ledgerId, ledgerSequence, entryIndex: 1 };
  const within = { ...release, effectiveTime: { seconds: 1_600_000_000n, nanos: 0 } };
  const closed = client.releaseSuspenseItem({ ...within, idempotencyKey: "within" });
  await expectRefusal(closed, Code.FailedPrecondition, {
    refusal: Refusal.PERIOD_CLOSED,
    limitTime: endTime,
  });
  const effective = { ...release, effectiveTime: endTime, idempotencyKey: "first open time" };
  const released = await client.releaseSuspenseItem(effective);
  expect(released.transaction?.effectiveTime).toMatchObject(endTime);
  expect(await ofPeriod()).toEqual(before);
});

test("an entry that is reversed where it stands is over, and one that was released is not", async () => {
  await client.freezeAccount({ ledgerId, idempotencyKey: "freeze again", account: sales });
  const [one, other] = [
    await send(succeeded("pi_5", 50n), { key: "payment/stripe/acct_1/pi_5/succeeded" }),
    await send(succeeded("pi_6", 60n), { key: "payment/stripe/acct_1/pi_6/succeeded" }),
  ];
  await client.unfreezeAccount({ ledgerId, idempotencyKey: "unfreeze again", account: sales });
  const reversed = await client.reverseTransaction({
    ledgerId,
    idempotencyKey: "reversed",
    ledgerSequence: one.ledgerSequence,
  });
  const late = { ledgerId, idempotencyKey: "late", ledgerSequence: one.ledgerSequence };
  await expectRefusal(
    client.releaseSuspenseItem({ ...late, entryIndex: 1 }),
    Code.FailedPrecondition,
    {
      refusal: Refusal.SUSPENSE_RELEASED,
      ledgerSequence: reversed.transaction?.ledgerSequence,
    },
  );
  const ledgerSequence = other.ledgerSequence;
  const released = await client.releaseSuspenseItem({
    ledgerId,
    idempotencyKey: "release 6",
    ledgerSequence,
    entryIndex: 1,
  });
  const back = client.reverseTransaction({ ledgerId, idempotencyKey: "back", ledgerSequence });
  await expectRefusal(back, Code.FailedPrecondition, {
    refusal: Refusal.SUSPENSE_RELEASED,
    ledgerSequence: released.transaction?.ledgerSequence,
  });
  expect((await client.listSuspenseItems({ ledgerId })).items).toEqual([]);
  expect(await balanceOf(client, "liabilities:suspense")).toBe(0n);
});

test("what a reversal took from suspense is not released once more", async () => {
  await client.freezeAccount({ ledgerId, idempotencyKey: "freeze once more", account: sales });
  const { ledgerSequence } = await send(succeeded("pi_7", 70n), {
    key: "payment/stripe/acct_1/pi_7/succeeded",
  });
  await client.unfreezeAccount({ ledgerId, idempotencyKey: "unfreeze once more", account: sales });
  const entries = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: 20n }));
  const part = { ledgerId, ledgerSequence, entries };
  await client.reverseTransaction({ ...part, idempotencyKey: "a part" });
  const before = await balanceOf(client, sales.accountCode);
  const release = { ledgerId, ledgerSequence, entryIndex: 1, idempotencyKey: "the rest" };
  await client.releaseSuspenseItem(release);
  expect(await balanceOf(client, sales.accountCode)).toBe(before + 50n);
  expect(await balanceOf(client, "liabilities:suspense")).toBe(0n);
});

const suspense = { accountCode: "liabilities:suspense", assetCode: "USD" };

/** Published, consumed and posted under its key. */
async function send(report: Report, { key }: { key: string }): Promise<Transaction> {
  const event = { ...report.event, ledgerId } as Report["event"];
  await publish(broker.broker, encode({ ...report, event }), { deadlineMs: 10_000 });
  const name = { case: "idempotencyKey", value: key } as const;
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await client.getTransaction({ ledgerId, name }).catch(() => undefined);
    if (found?.transaction) return found.transaction;
    if (Date.now() > deadline) throw new Error(`${key} was not posted`);
    await sleep(20);
  }
}
