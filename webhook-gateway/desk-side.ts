// The desk and what serves operators: the mesh port, the consumer of what the doors stored, the
// database behind both. A machine has one, however many doors it has.

import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { consumerService } from "#mesh/events/consumer-service.ts";
import { deadLetterService } from "#mesh/events/dead-letter-service.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { startServer } from "#mesh/rpc/server.ts";
import { createCertificates } from "./certificates/certificates.ts";
import type { Config } from "./config.ts";
import { startConfirmer } from "./confirm/confirmer.ts";
import { deliveryService } from "./deliveries.ts";
import { type DeskOptions, deskConsumer, startDesk } from "./desk.ts";
import type { EndpointsInForce } from "./endpoints-in-force.ts";
import { prepareDatabase, prepareStreams } from "./prepare.ts";
import { quarantineConsumer } from "./quarantine/rows.ts";
import { startReplayer } from "./replay/replayer.ts";
import type { StatisticsDeltas } from "./statistics/collect.ts";
import { writeStatistics } from "./statistics/rows.ts";
import { watchEndpoints } from "./statistics/watch.ts";
import { createWebhookStore } from "./store-webhook.ts";
import { startSweeper } from "./sweep.ts";

export type DeskSideOptions = {
  readonly config: Config;
  readonly endpoints: EndpointsInForce;
  /** Identity of this service. */
  readonly source: string;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
  /** True while a door has something to do: it goes first. */
  readonly doorBusy: () => boolean;
  /** What keeps the doors from doing their job; empty: nothing. */
  readonly doorProblems: () => readonly string[];
};

export type DeskSide = AsyncDisposable & {
  /** Of the mesh. */
  readonly port: number;
  /** What the doors counted; throws a fault while the database is away. */
  writeStatistics(deltas: StatisticsDeltas): Promise<void>;
};

export async function startDeskSide(options: DeskSideOptions): Promise<DeskSide> {
  const { config, endpoints, source, broker, log, metrics, doorBusy, doorProblems } = options;
  await using stack = new AsyncDisposableStack();
  const pool = openPool({ ...config.database, schema: "gateway", applicationName: source });
  stack.defer(() => pool.end({ timeout: 5 }));
  const desk: DeskOptions = { pool, broker, source, log, metrics, endpoints, doorBusy };
  const operators = {
    ...{ pool, broker, source, desk: deskConsumer(desk), inForce: endpoints },
    store: createWebhookStore({ broker, source, log }),
    certificates: createCertificates({ now: () => new Date() }),
  };
  const server = stack.use(
    await startServer({
      service: source,
      config: config.mesh,
      log,
      metrics,
      routes: (router) => {
        router.service(DeliveryService, deliveryService(operators));
        router.service(ConsumerService, consumerService(pool));
        router.service(
          DeadLetterService,
          deadLetterService(pool, [operators.desk, quarantineConsumer]),
        );
      },
      readiness: () => [
        ...(broker.connected ? [] : ["the broker is not connected"]),
        ...doorProblems(),
      ],
    }),
  );
  stack.use(prepareStreams({ broker, log }));
  const startAll = () => {
    const started = new AsyncDisposableStack();
    started.use(startDesk(desk));
    started.use(startReplayer({ ...operators, log, doorBusy }));
    started.use(startConsumer({ ...quarantineConsumer, batchMax: 16, pool, broker, log, metrics }));
    started.use(watchEndpoints({ pool, inForce: endpoints, metrics, log }));
    started.use(startSweeper({ pool, log }));
    const inForce = () => endpoints.current.endpoints;
    const now = () => new Date();
    started.use(startConfirmer({ pool, broker, source, endpoints: inForce, log, metrics, now }));
    return started;
  };
  stack.use(prepareDatabase({ url: config.database.ownerUrl, log }, startAll));

  const opened = stack.move();
  return {
    port: server.port,
    writeStatistics: (deltas) => writeStatistics(pool, deltas),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
