import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { publish } from "#mesh/events/publish.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { handlePayments, paymentEvents } from "./consumer.ts";
import { decodeTransaction } from "./journal.ts";
import {
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  sale,
  submit,
} from "./testing/ledger.ts";
import {
  again,
  disputeLost,
  disputeOpened,
  encode,
  payoutFailed,
  payoutPaid,
  type Report,
  refunded,
  refundedTotal,
  refundFailed,
  succeeded,
  usd,
} from "./testing/payments.ts";
import { verifyLedger } from "./verify/verify.ts";

const consumer = "ledger-service-PAYMENTS";

function consume(database: TestDatabase, { broker }: TestBroker, pool: Pool = database.pool) {
  return startConsumer({
    consumer,
    stream: "PAYMENTS",
    events: paymentEvents,
    batchMax: 200,
    pool,
    broker,
    log: silentLog(),
    metrics: createMetrics("test"),
    handle: handlePayments,
  });
}

async function send({ broker }: TestBroker, reports: readonly Report[]): Promise<void> {
  for (const report of reports) await publish(broker, encode(report), { deadlineMs: 10_000 });
}

/** Until so many messages are settled by the consumer. */
async function settled(pool: Pool, count: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const [row] = await pool<{ count: bigint }[]>`select count(*) as count from inbox`;
    if (Number(row?.count) >= count) return;
    if (Date.now() > deadline) throw new Error(`only ${row?.count} of ${count} were settled`);
    await sleep(20);
  }
}

const life = (id: string): Report[] => [
  succeeded(id, 10_000n, { fee: usd(320n), orderId: `order-${id}` }),
  refunded(id, `re-a-${id}`, 3_000n),
  refundedTotal(id, 5_000n),
  refunded(id, `re-b-${id}`, 2_000n),
  refundFailed(id, `re-b-${id}`, 2_000n),
  disputeOpened(id, `dp-${id}`, 4_000n),
  disputeLost(id, `dp-${id}`, 4_000n),
];

test("the events of a payment become a ledger, its chart and its transactions", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using _consumer = consume(database, broker);
  await send(broker, [...life("pi_1"), payoutPaid("po_1", 500n), payoutFailed("po_1", 500n)]);
  await settled(database.pool, 9);

  expect(await balances(database.pool)).toEqual({
    "assets:stripe:clearing": 9_680n - 3_000n - 4_000n,
    "expenses:disputes": 4_000n,
    "expenses:fees:stripe": 320n,
    "income:refunds": 3_000n,
    "income:sales": -10_000n,
  });
  expect(await payments(database.pool)).toEqual(["stripe/acct_1/pi_1 10000 3000 0 4000"]);
  const transactions = await posted(database.pool);
  expect(transactions.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
    "payment/stripe/acct_1/pi_1/succeeded",
    "refund/stripe/acct_1/re-a-pi_1",
    "refunded_total/stripe/acct_1/pi_1/5000",
    "refund/stripe/acct_1/re-b-pi_1/failed",
    "dispute/stripe/acct_1/dp-pi_1/opened",
    "dispute/stripe/acct_1/dp-pi_1/closed",
    "payout/stripe/acct_1/po_1/paid",
    "payout/stripe/acct_1/po_1/failed",
  ]);
  for (const { paymentState, ledgerSequence, idempotencyKey } of transactions) {
    if (idempotencyKey.startsWith("payout/")) expect(paymentState).toBeUndefined();
    else expect(paymentState?.ledgerSequence).toBe(ledgerSequence);
  }
  expect(transactions[0]).toMatchObject({
    effectiveTime: { seconds: 1_700_000_000n },
    metadata: [
      { key: "endpoint_id", value: "stripe-main" },
      { key: "provider_event_id", value: "evt_1" },
      { key: "webhook_id", value: "wh_1" },
    ],
    paymentState: { orderId: "order-pi_1", paidMinor: 10_000n, ledgerId },
  });
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
  expect(await deadLetters(database.pool)).toEqual([]);
});

test("shuffled and doubled events of many payments end in the same books", async () => {
  const seed = Number(process.env["SEED"]) || Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const random = createRandom(seed);
  const ids = Array.from({ length: 8 }, (_, n) => `pi_${n}`);
  const expected = ids.map((id) => `stripe/acct_1/${id} 10000 3000 0 4000`);
  for (let round = 0; round < 3; round++) {
    await using database = await openLedgerDatabase();
    await using broker = await openTestBroker();
    const reports = ids.flatMap(life).flatMap((report) => [
      report,
      // As another event about the same fact, and as the same event delivered twice.
      ...(random() < 0.5 ? [again(report, `${report.messageId}/again`)] : []),
      ...(random() < 0.3 ? [report] : []),
    ]);
    shuffle(reports, random);
    await send(broker, reports);
    await using _consumer = consume(database, broker);
    await settled(database.pool, new Set(reports.map(({ messageId }) => messageId)).size);
    await sleep(50);
    expect(await payments(database.pool)).toEqual(expected);
    expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
    expect(await deadLetters(database.pool)).toEqual([]);
    const [parked] = await database.pool`select count(*)::int as count from parked`;
    expect(parked?.["count"]).toBe(0);
  }
});

test("two processes that consume the same events post each fact once", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  const options = { url: database.url, schema: "ledger", connectionsMax: 3 };
  const other = openPool({ ...options, applicationName: "other" });
  try {
    const reports = Array.from({ length: 20 }, (_, n) => life(`pi_${n}`)).flat();
    const doubled = reports.map((report) => again(report, `${report.messageId}/again`));
    shuffle(doubled, createRandom(7));
    {
      await using _one = consume(database, broker);
      await using _two = consume(database, broker, other);
      await send(broker, [...reports, ...doubled]);
      await settled(database.pool, reports.length + doubled.length);
    }
    expect(await payments(database.pool)).toHaveLength(20);
    expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
    expect(await deadLetters(database.pool)).toEqual([]);
  } finally {
    await other.end();
  }
});

test("what cannot be posted goes to the dead letters, and its neighbours are posted", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using _consumer = consume(database, broker);
  await send(
    broker,
    [
      succeeded("pi_a", 100n),
      succeeded("pi_zero", 0n),
      succeeded("pi_currency", 100n, { amount: { amountMinor: 100n, currencyCode: "ZZZ" } }),
      succeeded("pi_fee", 100n, { fee: usd(101n) }),
      again(succeeded("pi_a", 99n), "pi_a/other amount"),
      succeeded("pi_time", 100n, { occurredTime: { seconds: 2n ** 50n, nanos: 0 } }),
      succeeded("pi_b", 200n),
    ].map((report) => ({ ...report, messageId: report.messageId.replaceAll(" ", "_") })),
  );
  await settled(database.pool, 7);
  expect(await payments(database.pool)).toEqual([
    "stripe/acct_1/pi_a 100 0 0 0",
    "stripe/acct_1/pi_b 200 0 0 0",
  ]);
  expect(await deadLetters(database.pool)).toEqual([
    [DeadLetterReason.REFUSED, expect.stringContaining("over nothing")],
    [DeadLetterReason.CURRENCY_UNKNOWN, expect.stringContaining("ZZZ")],
    [DeadLetterReason.REFUSED, expect.stringContaining("fee of")],
    [DeadLetterReason.CONFLICT, expect.stringContaining("USD 100")],
    [DeadLetterReason.REFUSED, expect.stringContaining("occurred_time")],
  ]);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a refund waits for its payment, visibly, and a caller's posting does not count", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  await using _consumer = consume(database, broker);
  await send(broker, [refunded("pi_1", "re_1", 30n)]);
  await settled(database.pool, 1);
  const parked = await database.pool`select waits_for from parked`;
  expect(parked.map((row) => row["waits_for"])).toEqual(["payment/stripe/acct_1/pi_1"]);
  const missing = await poster
    .submit(
      ledgerId,
      [sale("payment/stripe/acct_1/pi_1/succeeded", 1n)],
      AbortSignal.timeout(5_000),
    )
    .then(([answer]) => answer?.kind);
  // Nothing was posted yet, so nobody has created the ledger.
  expect(missing).toBe("refused");

  await send(broker, [succeeded("pi_1", 100n)]);
  await settled(database.pool, 2);
  expect(await payments(database.pool)).toEqual(["stripe/acct_1/pi_1 100 30 0 0"]);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a caller who used the key of a fact neither blocks nor forges it", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using poster = openPoster(database);
  const key = "payment/stripe/acct_1/pi_1/succeeded";
  await submit(
    poster,
    { kind: "create-ledger", displayName: "Main" },
    { kind: "register-asset", assetCode: "USD", scale: 2 },
    ...["assets:cash", "income:sales"].map((accountCode) => opening(accountCode, "asset")),
    sale(key, 1n),
  );
  await using _consumer = consume(database, broker);
  await send(broker, [succeeded("pi_1", 100n)]);
  await settled(database.pool, 1);
  expect(await payments(database.pool)).toEqual(["stripe/acct_1/pi_1 100 0 0 0"]);
  expect(await deadLetters(database.pool)).toEqual([]);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

async function balances(pool: Pool): Promise<Record<string, bigint>> {
  const rows = await pool<{ code: string; amount: bigint }[]>`
    select account_code as code, debits_minor - credits_minor as amount
    from account join account_state using (account_id)
    where debits_minor <> credits_minor order by account_code
  `;
  return Object.fromEntries(rows.map(({ code, amount }) => [code, amount]));
}

async function payments(pool: Pool): Promise<string[]> {
  const rows = await pool<{ text: string }[]>`
    select payment_id || ' ' || paid_minor || ' '
      || greatest(refunds_named_minor, refunds_stated_minor) - refunds_failed_minor || ' '
      || disputed_minor || ' ' || lost_minor as text
    from payment order by payment_id
  `;
  return rows.map(({ text }) => text);
}

async function posted(pool: Pool) {
  const rows = await pool<{ data: Uint8Array }[]>`
    select data from journal where subject = ${TransactionPostedSchema.typeName} order by sequence
  `;
  return rows.map(({ data }) => decodeTransaction(data));
}

async function deadLetters(pool: Pool): Promise<[number, string][]> {
  const rows = await pool<{ reason: number; detail: string }[]>`
    select reason, detail from dead_letter order by dead_letter_id
  `;
  return rows.map(({ reason, detail }) => [reason, detail]);
}

function shuffle<T>(items: T[], random: () => number): void {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
}

/** Mulberry32: small, and the same on every machine. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
