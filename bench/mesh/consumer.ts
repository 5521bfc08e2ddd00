// The consumer's side of a measured event, as a process. Bare: nats.js decodes
// and acknowledges, and a repetition would be handled twice. Inbox: what most
// teams write against that, one SQL transaction an event that notes its id. The
// mesh: validated, noted and settled in batches.

import { fromBinary } from "@bufbuild/protobuf";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { consumer, stream } from "./payment.ts";
import type { EventsAnswer } from "./publisher.ts";
import { answerQuestions, cpuMicros, workerOptions } from "./worker.ts";

export type ConsumerOptions = {
  readonly kind: "bare" | "inbox" | "mesh";
  readonly port: number;
  readonly databaseUrl: string;
  readonly schema: string;
};

/** Consumes until so many events are settled. */
type Consume = (count: number) => Promise<void>;

const options = workerOptions<ConsumerOptions>();
const { kind, port, databaseUrl, schema } = options;
const pool = openPool({ url: databaseUrl, schema, connectionsMax: 4 });
const consume = kind === "mesh" ? await mesh() : await plain(kind === "inbox" ? pool : undefined);

answerQuestions(async ({ count }: { count: number }): Promise<EventsAnswer> => {
  const startMicros = cpuMicros();
  await consume(count);
  return { cpuMicros: cpuMicros() - startMicros };
});

async function plain(inbox: Pool | undefined): Promise<Consume> {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  const name = `bench-${kind}`;
  const manager = await jetstreamManager(connection);
  await manager.consumers.add(stream, {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_ack_pending: 1_000,
  });
  const durable = await jetstream(connection).consumers.get(stream, name);
  return async (count) => {
    const messages = await durable.consume({ max_messages: 200 });
    let settled = 0;
    for await (const message of messages) {
      const { orderId } = fromBinary(PaymentSucceededSchema, message.data);
      if (orderId === "") throw new Error("not the event that was published");
      const id = message.headers?.get("Nats-Msg-Id") ?? "";
      if (inbox) {
        await inTransaction(inbox, (tx) => tx`insert into bench_inbox (id) values (${id})`);
      }
      message.ack();
      settled += 1;
      if (settled === count) break;
    }
    await messages.close();
    await connection.flush();
  };
}

async function mesh(): Promise<Consume> {
  const log = createLog({ service: consumer, level: "info" });
  const metrics = createMetrics(consumer);
  const events = [PaymentSucceededSchema] as const;
  const url = `nats://127.0.0.1:${port}`;
  const broker = openBroker({ url, name: consumer, events, log, metrics });
  if (!(await broker.waitUntilConnected(10_000))) throw new Error("the broker cannot be reached");
  return async (count) => {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    let handled = 0;
    await using _running = startConsumer<typeof events>({
      consumer: `${consumer}-${stream}`,
      stream,
      events,
      batchMax: 100,
      pool,
      broker,
      log,
      metrics: createMetrics(consumer),
      async handle(_tx, batch) {
        handled += batch.length;
        return { verdicts: batch.map(() => ({ kind: "handled" }) as const), arrived: [] };
      },
      afterCommit: () => {
        if (handled >= count) resolve();
      },
    });
    await done;
  };
}
