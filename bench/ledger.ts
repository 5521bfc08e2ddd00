// Transactions a second in the ledger, from events and through RPC, against a raw
// insert of the very same rows by unnest, in batches, into tables with the same
// keys and without the ledger's triggers, locks and thinking.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Clients } from "#dev/clients.ts";
import { eventually } from "#dev/eventually.ts";
import type { House } from "#dev/house.ts";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { PostTransactionRequestSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { untilCaughtUp } from "./caught-up.ts";

const eventCount = 20_000;
const rpcSeconds = 5;
const rawBatchCount = 20;
const ledgerId = "bench";

export type LedgerResult = {
  readonly fromEvents: number;
  readonly throughRpc: number;
  readonly throughBatchRpc: number;
  readonly raw: number;
};

export async function benchLedger(house: House, clients: Clients): Promise<LedgerResult> {
  const fromEvents = await drain(house, clients);
  await untilCaughtUp(house);
  const raw = await insertRaw(house);
  await openAccounts(clients);
  const throughRpc = await post(128, 1, async (requests) => {
    await clients.ledger.postTransaction(requests[0]!);
  });
  const throughBatchRpc = await post(8, 100, async (requests) => {
    await clients.ledger.batchPostTransactions({ ledgerId, requests });
  });
  return { fromEvents, throughRpc, throughBatchRpc, raw };
}

/** The events are on the stream before the ledger may read the first one. */
async function drain(house: House, clients: Clients): Promise<number> {
  const ledger = house.process("ledger-service");
  // What is measured is the ledger, its relay included, and not whoever reads from it.
  const reader = house.process("cms-service");
  reader.kill("SIGSTOP");
  await publishPayments(house, 1_000, "warm");
  await untilPosted(house, 1_000);
  ledger.kill("SIGSTOP");
  await publishPayments(house, eventCount, "p");
  ledger.kill("SIGCONT");
  const startMs = performance.now();
  await untilPosted(house, 1_000 + eventCount);
  const seconds = (performance.now() - startMs) / 1_000;
  reader.kill("SIGCONT");
  const { totals } = await clients.ledger.getTrialBalance({ ledgerId });
  if (totals[0]?.debitsMinor !== totals[0]?.creditsMinor)
    throw new Error("the books do not balance");
  return eventCount / seconds;
}

async function publishPayments(house: House, count: number, prefix: string): Promise<void> {
  const log = createLog({ service: "bench", level: "silent" });
  const metrics = createMetrics("bench");
  await using broker = openBroker({
    ...{ url: house.natsUrl, name: "bench", events: [PaymentSucceededSchema], log, metrics },
  });
  await eventually(async () => (broker.connected ? true : undefined));
  let next = 0;
  const publisher = async () => {
    while (next < count) {
      const id = `${prefix}_${next}`;
      next += 1;
      const options = { messageId: id, source: "webhook-gateway", time: new Date() };
      const event = encodeEvent(PaymentSucceededSchema, payment(id), options);
      await publish(broker, event, { deadlineMs: 20_000 });
    }
  };
  await Promise.all(Array.from({ length: 256 }, publisher));
}

function payment(id: string): MessageInitShape<typeof PaymentSucceededSchema> {
  return {
    ledgerId,
    paymentId: `stripe/acct_bench/pi_${id}`,
    amount: { amountMinor: 4_900n, currencyCode: "USD" },
    occurredTime: timestampFromDate(new Date()),
    provenance: {
      webhookId: id,
      endpointId: "bench",
      bodySha256: new Uint8Array(32),
      coverage: Coverage.TIME_BODY,
      receivedTime: timestampFromDate(new Date()),
    },
  };
}

async function untilPosted(house: House, count: number): Promise<void> {
  await using database = open(house);
  const done = await eventually(async () => {
    const [row] = await database.sql`
      select count(*)::int as count from ledger.payment
      join ledger.ledger on ledger.id = payment.ledger_id where ledger_code = ${ledgerId}`;
    return (row?.["count"] as number) >= count ? true : undefined;
  }, 120_000);
  if (!done) throw new Error(`the ledger did not post ${count} payments in time`);
}

async function openAccounts(clients: Clients): Promise<void> {
  for (const [accountCode, kind] of [
    ["assets:bench", AccountKind.ASSET],
    ["income:bench", AccountKind.INCOME],
  ] as const) {
    const account = { accountCode, assetCode: "USD" };
    await clients.ledger.createAccount({ ledgerId, account, kind });
  }
}

type Posting = MessageInitShape<typeof PostTransactionRequestSchema>;

async function post(
  concurrency: number,
  batchSize: number,
  send: (requests: Posting[]) => Promise<void>,
): Promise<number> {
  let posted = 0;
  const endMs = performance.now() + rpcSeconds * 1_000;
  const caller = async (_: unknown, n: number) => {
    for (let round = 0; performance.now() < endMs; round += 1) {
      const key = `rpc-${concurrency}-${n}-${round}`;
      await send(Array.from({ length: batchSize }, (_, item) => posting(`${key}-${item}`)));
      posted += batchSize;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return posted / rpcSeconds;
}

function posting(idempotencyKey: string): Posting {
  const entry = (accountCode: string, side: Side) => ({
    account: { accountCode, assetCode: "USD" },
    side,
    amountMinor: 100n,
  });
  const entries = [entry("assets:bench", Side.DEBIT), entry("income:bench", Side.CREDIT)];
  return { ledgerId, idempotencyKey, entries };
}

/** Reads back what the ledger wrote for the events, and writes it again with nothing else to do. */
async function insertRaw(house: House): Promise<number> {
  await using database = open(house);
  const { sql } = database;
  await sql.unsafe("drop schema if exists bench_raw cascade; create schema bench_raw");
  const tables: Awaited<ReturnType<typeof copyOf>>[] = [];
  for (const name of ["inbox", "journal", "transaction", "entry", "fact", "payment"]) {
    tables.push(await copyOf(sql, name));
  }
  const startMs = performance.now();
  for (let batch = 0; batch < rawBatchCount; batch += 1) {
    await sql.begin(async (tx) => {
      for (const table of tables) {
        const [from, to] = [batch, batch + 1].map((n) => {
          return Math.floor((n * table.rowCount) / rawBatchCount);
        });
        const columns = table.columns.map((values) => values.slice(from, to));
        await tx.unsafe(table.statement, columns);
      }
    });
  }
  const seconds = (performance.now() - startMs) / 1_000;
  await sql.unsafe("drop schema bench_raw cascade");
  return (eventCount + 1_000) / seconds;
}

async function copyOf(sql: Pool, name: string) {
  await sql.unsafe(`create table bench_raw.${name} (like ledger.${name} including indexes)`);
  const types = await sql<{ name: string; type: string }[]>`
    select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = ${`ledger.${name}`}::regclass and attnum > 0 and not attisdropped
      and attgenerated = ''
    order by attnum`;
  const selected = types.map((column) => `${column.name}::text`).join(", ");
  const rows = await sql.unsafe<Record<string, string | null>[]>(
    `select ${selected} from ledger.${name}`,
  );
  const casts = types.map(({ type }, n) => `$${n + 1}::text[]::${type}[]`).join(", ");
  const names = types.map((column) => column.name).join(", ");
  return {
    statement: `insert into bench_raw.${name} (${names}) select * from unnest(${casts})`,
    rowCount: rows.length,
    columns: types.map(({ name }) => rows.map((row) => row[name] ?? null)),
  };
}

function open(house: House) {
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  return { sql, [Symbol.asyncDispose]: () => sql.end() };
}
