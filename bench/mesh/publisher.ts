// The publisher's side of a measured event, as a process: nats.js alone, or the
// mesh. Both wait for the broker's acknowledgement of each event.

import { create, toBinary } from "@bufbuild/protobuf";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { payment, producer } from "./payment.ts";
import { answerQuestions, cpuMicros, workerOptions } from "./worker.ts";

export type PublisherOptions = { readonly kind: "bare" | "mesh"; readonly port: number };
export type PublishQuestion = { readonly count: number; readonly prefix: string };
export type EventsAnswer = { readonly cpuMicros: number };

const concurrency = 64;
const { kind, port } = workerOptions<PublisherOptions>();
const send = kind === "bare" ? await bare() : await mesh();

answerQuestions(async ({ count, prefix }: PublishQuestion): Promise<EventsAnswer> => {
  const startMicros = cpuMicros();
  let next = 0;
  const publisher = async () => {
    while (next < count) {
      const id = `${prefix}-${next}`;
      next += 1;
      await send(id);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, publisher));
  return { cpuMicros: cpuMicros() - startMicros };
});

async function bare() {
  const broker = jetstream(await connect({ servers: `127.0.0.1:${port}` }));
  const subject = PaymentSucceededSchema.typeName;
  return async (id: string) => {
    const message = create(PaymentSucceededSchema, payment(id));
    await broker.publish(subject, toBinary(PaymentSucceededSchema, message), { msgID: id });
  };
}

async function mesh() {
  const broker = openBroker({
    url: `nats://127.0.0.1:${port}`,
    name: producer,
    events: [PaymentSucceededSchema],
    log: createLog({ service: producer, level: "info" }),
    metrics: createMetrics(producer),
  });
  if (!(await broker.waitUntilConnected(10_000))) throw new Error("the broker cannot be reached");
  return async (id: string) => {
    const options = { messageId: id, source: producer, time: new Date() };
    const event = encodeEvent(PaymentSucceededSchema, payment(id), options);
    await publish(broker, event, { deadlineMs: 10_000 });
  };
}
