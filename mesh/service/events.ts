// What a service with events has: a connection to the broker, a relay that publishes what it
// committed, a consumer for each stream it reads, and the RPCs by which operators look after them.

import type { DescMessage } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import type { Pool } from "../database/pool.ts";
import { openBroker } from "../events/broker.ts";
import { startConsumer } from "../events/consume.ts";
import type { ConsumerDefinition } from "../events/consumer-definition.ts";
import { consumerService } from "../events/consumer-service.ts";
import { deadLetterService } from "../events/dead-letter-service.ts";
import { startOutboxRelay } from "../events/outbox-relay.ts";
import type { BrokerConfig } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { StreamHandler } from "./event-handler.ts";

export type EventOptions = {
  readonly service: string;
  readonly config: BrokerConfig;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly pool: Pool;
  readonly produces: readonly DescMessage[];
  readonly consumers: readonly StreamHandler[];
};

export type Events = AsyncDisposable & {
  /** Of the services for operators. */
  routes(router: ConnectRouter): void;
};

export async function startEvents(options: EventOptions): Promise<Events> {
  const { service, config, log, metrics, pool, produces, consumers } = options;
  await using stack = new AsyncDisposableStack();
  const events = [...new Set([...produces, ...consumers.flatMap((consumer) => consumer.events)])];
  const broker = stack.use(openBroker({ ...config, name: service, events, log, metrics }));
  const common = { pool, broker, log, metrics };
  const relay = produces.length > 0 ? stack.use(startOutboxRelay(common)) : undefined;
  const afterCommit = () => relay?.wake();
  for (const consumer of consumers) {
    stack.use(startConsumer({ ...consumer, ...common, afterCommit }));
  }
  const opened = stack.move();
  return {
    routes: operatorRoutes(pool, consumers, produces),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

export function operatorRoutes(
  pool: Pool,
  consumers: readonly ConsumerDefinition[],
  produces: readonly DescMessage[],
) {
  return (router: ConnectRouter) => {
    router.service(ConsumerService, consumerService(pool));
    router.service(DeadLetterService, deadLetterService(pool, consumers, produces));
  };
}
