// Builds the course service from its configuration. What is opened last is
// closed first: calls end before the consumer, and both before the database.

import type { ConnectRouter } from "@connectrpc/connect";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool } from "#mesh/database/pool.ts";
import { watchDatabase } from "#mesh/database/watch.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import { consumerService } from "#mesh/events/consumer-service.ts";
import { deadLetterService } from "#mesh/events/dead-letter-service.ts";
import { startOutboxRelay } from "#mesh/events/outbox-relay.ts";
import type { Log } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { type Server, startServer } from "#mesh/rpc/server.ts";
import { enrollmentService } from "./access/service.ts";
import { catalogService } from "./catalog/service.ts";
import { offerService } from "./commerce/offer-service.ts";
import { type OrderServiceOptions, orderService } from "./commerce/order-service.ts";
import type { Config } from "./config.ts";
import { ledgerConsumer } from "./consumer.ts";
import { courseService } from "./courses/service.ts";

export const service = "cms-service";
export const schema = "cms";
export const migrations = new URL("./migrations/", import.meta.url);

export async function startCms(config: Config, log: Log): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const metrics = createMetrics(service);

  await migrate({ url: config.database.ownerUrl, schema, migrations, log });
  const pool = openPool({ ...config.database, schema, applicationName: service });
  stack.defer(() => pool.end({ timeout: 5 }));
  const database = stack.use(watchDatabase(pool));

  const broker = stack.use(openBroker({ ...config.broker, name: service, log, metrics }));
  const relay = stack.use(startOutboxRelay({ pool, broker, log, metrics }));
  const afterCommit = () => relay.wake();
  stack.use(startConsumer({ ...ledgerConsumer, pool, broker, log, metrics, afterCommit }));

  const server = stack.use(
    await startServer({
      service,
      config: config.mesh,
      log,
      metrics,
      routes: cmsRoutes({ pool }),
      // Without the broker everything but the newest money still answers.
      readiness: () => database.problems(),
    }),
  );

  const opened = stack.move();
  return { port: server.port, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

export function cmsRoutes(options: OrderServiceOptions): (router: ConnectRouter) => void {
  const { pool } = options;
  return (router) => {
    router.service(CourseService, courseService(pool));
    router.service(CatalogService, catalogService(pool));
    router.service(OfferService, offerService(pool));
    router.service(OrderService, orderService(options));
    router.service(EnrollmentService, enrollmentService(pool));
    router.service(ConsumerService, consumerService(pool));
    router.service(DeadLetterService, deadLetterService(pool, [ledgerConsumer]));
  };
}
