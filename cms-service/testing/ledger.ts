// The ledger's side of the stream for tests: facts of payments, published as the
// ledger publishes them and consumed as the course service consumes them.

import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { PaymentStateSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { type EncodedEvent, encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { ledgerConsumer } from "../consumer.ts";
import type { TestCms } from "./cms.ts";

export type Totals = MessageInitShape<typeof PaymentStateSchema> & {
  readonly orderId: string;
  readonly paymentId: string;
  readonly ledgerSequence: bigint;
  /** When the fact takes effect; left out: when the tests began. */
  readonly effectiveTime?: Date;
};

const begun = new Date();

/** A payment of 100.00 USD unless told otherwise. */
export function posted({ effectiveTime = begun, ...totals }: Totals): EncodedEvent {
  const state = { ledgerId: "main", currencyCode: "USD", paidMinor: 10_000n, ...totals };
  const { ledgerId, ledgerSequence } = state;
  return encoded(TransactionPostedSchema, {
    ledgerId,
    ledgerSequence,
    transaction: {
      ledgerId,
      ledgerSequence,
      idempotencyKey: `${totals.paymentId}/${ledgerSequence}`,
      effectiveTime: timestampFromDate(effectiveTime),
      recordedTime: timestampFromDate(new Date(0)),
      paymentState: state,
    },
  });
}

export function encoded<D extends DescMessage>(
  desc: D,
  event: MessageInitShape<D> & { readonly ledgerId: string; readonly ledgerSequence: bigint },
): EncodedEvent {
  const { ledgerId, ledgerSequence } = event;
  const messageId = `${ledgerId}/${ledgerSequence}`;
  return encodeEvent(desc, event, { messageId, source: "ledger-service", time: new Date(0) });
}

export type TestLedger = AsyncDisposable & {
  readonly broker: TestBroker;
  /** Publishes the events in this order and waits until the service has settled them. */
  post(...events: readonly EncodedEvent[]): Promise<void>;
  /** Without waiting. */
  publish(...events: readonly EncodedEvent[]): Promise<void>;
  /** Waits until every one of these is settled, whichever way. */
  settled(messageIds: readonly string[]): Promise<void>;
  /** One more replica of the consumer. */
  consume(batchMax?: number): AsyncDisposable;
};

export async function openTestLedger({ database }: Pick<TestCms, "database">): Promise<TestLedger> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await openTestBroker("cms-service"));
  await ensureStream(broker.broker, "LEDGER");
  const { pool } = database;

  const ledger = {
    broker,
    async post(...events: readonly EncodedEvent[]) {
      await ledger.publish(...events);
      await ledger.settled(events.map(({ messageId }) => messageId));
    },
    async publish(...events: readonly EncodedEvent[]) {
      for (const event of events) await publish(broker.broker, event, { deadlineMs: 10_000 });
    },
    async settled(messageIds: readonly string[]) {
      const wanted = new Set(messageIds).size;
      for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(5)) {
        const [row] = await pool<{ count: bigint }[]>`
          select count(*) from inbox where message_id = any(${[...messageIds]})
        `;
        if (Number(row?.count) === wanted) return;
      }
      throw new Error("the events were not settled in time");
    },
    consume: (batchMax: number = ledgerConsumer.batchMax) =>
      startConsumer({
        ...ledgerConsumer,
        batchMax,
        pool,
        broker: broker.broker,
        log: silentLog(),
        metrics: createMetrics("test"),
      }),
  };
  const opened = stack.move();
  return { ...ledger, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
