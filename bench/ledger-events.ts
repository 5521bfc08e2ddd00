// From events on the stream to what they mean in the books: how fast the ledger drains a backlog of
// payments, and how fast all of it is published, beside a raw insert of the same rows.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Clients } from "#dev/clients.ts";
import { eventually } from "#dev/eventually.ts";
import type { House } from "#dev/house.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { insertRaw } from "./ledger-raw.ts";
import { median } from "./mesh/worker.ts";

const rounds = 3;
const eventCount = 20_000;
const warmCount = 2_000;
const groupSize = 1_000;
export const ledgerId = "bench";

export type EventsResult = {
  /** A second. */
  readonly posted: number;
  readonly published: number;
  readonly raw: number;
};

export async function benchEvents(house: House, clients: Clients): Promise<EventsResult> {
  const log = createLog({ service: "bench", level: "silent" });
  const metrics = createMetrics("bench");
  const events = [PaymentSucceededSchema];
  await using broker = openBroker({ url: house.natsUrl, name: "bench", events, log, metrics });
  await eventually(async () => (broker.connected ? true : undefined));
  const url = house.databaseUrl;
  const sql = openPool({ url, connectionsMax: 1, statementTimeoutMs: 0 });
  // What is measured is the ledger, its relay included, and not whoever reads from it.
  const reader = house.process("cms-service");
  reader.kill("SIGSTOP");
  try {
    await publishPayments(broker, warmCount, "warm");
    await until(async () => (await headOf(sql)) >= warmCount);
    const found: EventsResult[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const drained = await drain(house, broker, sql, `p${round}`);
      found.push({ ...drained, raw: await insertRaw(url, eventCount) });
    }
    const { totals } = await clients.ledger.getTrialBalance({ ledgerId });
    if (totals[0]?.debitsMinor !== totals[0]?.creditsMinor) {
      throw new Error("the books do not balance");
    }
    const of = (name: keyof EventsResult) => median(found.map((one) => one[name]));
    return { posted: of("posted"), published: of("published"), raw: of("raw") };
  } finally {
    reader.kill("SIGCONT");
    await sql.end();
  }
}

/** The events are on the stream before the ledger may read the first one. */
async function drain(house: House, broker: Broker, sql: Pool, prefix: string) {
  const ledger = house.process("ledger-service");
  const head = await headOf(sql);
  await until(async () => (await publishedOf(sql)) >= head);
  ledger.kill("SIGSTOP");
  await publishPayments(broker, eventCount, prefix);
  ledger.kill("SIGCONT");
  const startMs = performance.now();
  const perSecond = () => (eventCount * 1_000) / (performance.now() - startMs);
  await until(async () => (await headOf(sql)) >= head + eventCount);
  const posted = perSecond();
  await until(async () => (await publishedOf(sql)) >= head + eventCount);
  return { posted, published: perSecond() };
}

async function publishPayments(broker: Broker, count: number, prefix: string): Promise<void> {
  for (let from = 0; from < count; from += groupSize) {
    const events = Array.from({ length: Math.min(groupSize, count - from) }, (_, n) => {
      const id = `${prefix}_${from + n}`;
      const options = { messageId: id, source: "webhook-gateway", time: new Date() };
      return encodeEvent(PaymentSucceededSchema, payment(id), options);
    });
    for (const outcome of await publishAll(broker, events, { deadlineMs: 20_000 })) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }
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

/** One row, so that looking costs nothing. */
async function headOf(sql: Pool): Promise<number> {
  const [row] = await sql<{ head: bigint }[]>`
    select head_sequence as head from ledger.ledger where ledger_code = ${ledgerId}`;
  return Number(row?.head ?? 0n);
}

async function publishedOf(sql: Pool): Promise<number> {
  const [row] = await sql<{ published: bigint }[]>`
    select published_sequence as published from ledger.relay_position
    join ledger.ledger on ledger.id = ledger_id where ledger_code = ${ledgerId}`;
  return Number(row?.published ?? 0n);
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const done = await eventually(async () => ((await isDone()) ? true : undefined), 120_000);
  if (!done) throw new Error("the ledger did not get through the payments in time");
}
