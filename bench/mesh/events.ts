// CPU time of one event, published and consumed: the mesh against nats.js alone.
// Broker and database are there for this measurement only.

import { join } from "node:path";
import { startNatsServer } from "#dev/nats-server.ts";
import { applyRoles, rolesOf, startPostgres, urlAs } from "#dev/postgres.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool } from "#mesh/database/pool.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import type { ConsumerOptions } from "./consumer.ts";
import { stream } from "./payment.ts";
import type { EventsAnswer, PublisherOptions } from "./publisher.ts";
import { median, startWorker } from "./worker.ts";

const rounds = 5;
const eventsARound = 2_000;
const schema = "mesh";

export type EventsResult = {
  /** CPU microseconds of the publishing process, an event. */
  readonly publish: Readonly<Record<PublisherOptions["kind"], number>>;
  /** Of the consuming process. */
  readonly consume: Readonly<Record<ConsumerOptions["kind"], number>>;
};

export async function benchEvents(folder: string): Promise<EventsResult> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startNatsServer({ dataDir: join(folder, "nats") }));
  const postgres = stack.use(await startPostgres({ dataDir: join(folder, "postgres") }));
  await prepareStream(nats.url);
  const databaseUrl = await prepareDatabase(postgres.url);

  const { port } = nats;
  const worker = (name: string, options: object) =>
    startWorker(join(import.meta.dirname, name), options);
  const publisher = async (kind: PublisherOptions["kind"]) =>
    stack.use(await worker("publisher.ts", { kind, port } satisfies PublisherOptions));
  const consumer = async (kind: ConsumerOptions["kind"]) => {
    const options: ConsumerOptions = { kind, port, databaseUrl, schema };
    return stack.use(await worker("consumer.ts", options));
  };
  const publishers = { bare: await publisher("bare"), mesh: await publisher("mesh") };
  const consumers = {
    bare: await consumer("bare"),
    inbox: await consumer("inbox"),
    mesh: await consumer("mesh"),
  };
  const spent = new Map<string, number[]>();
  const note = (what: string, { cpuMicros }: EventsAnswer, count: number) =>
    spent.set(what, [...(spent.get(what) ?? []), cpuMicros / count]);
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    for (const [kind, one] of Object.entries(publishers)) {
      const prefix = `${kind}-${round}`;
      const answer = await one.ask<EventsAnswer>({ count: eventsARound, prefix });
      if (round > 0) note(`publish ${kind}`, answer, eventsARound);
    }
    for (const [kind, one] of Object.entries(consumers)) {
      const count = 2 * eventsARound;
      const answer = await one.ask<EventsAnswer>({ count });
      if (round > 0) note(`consume ${kind}`, answer, count);
    }
  }
  const cost = (what: string) => median(spent.get(what) ?? []);
  return {
    publish: { bare: cost("publish bare"), mesh: cost("publish mesh") },
    consume: {
      bare: cost("consume bare"),
      inbox: cost("consume inbox"),
      mesh: cost("consume mesh"),
    },
  };
}

async function prepareStream(url: string): Promise<void> {
  const log = createLog({ service: "bench", level: "error" });
  const events = [PaymentSucceededSchema];
  const metrics = createMetrics("bench");
  await using broker = openBroker({ url, name: "bench", events, log, metrics });
  await broker.waitUntilConnected(10_000);
  await ensureStream(broker, stream);
}

/** As a service's schema is: the owner makes the tables, the runtime role uses them. */
async function prepareDatabase(url: string): Promise<string> {
  await applyRoles(url, (role) => role, [schema]);
  const { owner, runtime } = rolesOf(schema);
  const ownerUrl = urlAs(url, owner, owner);
  const migrations = new URL("../../mesh/events/migrations/", import.meta.url);
  const log = createLog({ service: "bench", level: "error" });
  await migrate({ url: ownerUrl, schema, migrations, log });
  const pool = openPool({ url: ownerUrl, schema, connectionsMax: 1 });
  await pool`create table if not exists bench_inbox (id text primary key)`;
  await pool.end();
  return urlAs(url, runtime, runtime);
}
