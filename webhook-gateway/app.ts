// Builds the gateway from its configuration. What is opened last is closed first:
// the door stops taking webhooks before anything it needs goes away. The door
// waits for nobody: it opens while the database and even the broker are away.

import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { consumerService } from "#mesh/events/consumer-service.ts";
import { deadLetterService } from "#mesh/events/dead-letter-service.ts";
import { checkEvents } from "#mesh/policy/check.ts";
import { warmUp } from "#mesh/policy/validation.ts";
import type { Env } from "#mesh/process/config.ts";
import type { Log } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { runUntilSignal } from "#mesh/process/run.ts";
import { createServiceLog } from "#mesh/process/service-log.ts";
import { startServer } from "#mesh/rpc/server.ts";
import { startTelemetry } from "#mesh/telemetry/start.ts";
import { type Config, readConfig } from "./config.ts";
import { deliveryService } from "./deliveries.ts";
import { type DeskOptions, deskConsumer, startDesk } from "./desk.ts";
import { startDoor } from "./door/listen.ts";
import { createLoad } from "./door/load.ts";
import { createDoorMetrics } from "./door/metrics.ts";
import { readEndpoints } from "./endpoints.ts";
import { paymentEventSchemas } from "./normalise/outcome.ts";
import { prepareDatabase, prepareStreams } from "./prepare.ts";
import { createReceiver } from "./receive.ts";
import { createPublisher } from "./store-webhook.ts";

export const service = "webhook-gateway";

export type Gateway = AsyncDisposable & { readonly port: number; readonly doorPort: number };

export async function run(): Promise<void> {
  const { env } = process;
  const log = createServiceLog(service, env);
  await runUntilSignal(log, async () => startGateway(readConfig(env), env, log));
}

export async function startGateway(config: Config, env: Env, log: Log): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const endpoints = readEndpoints(config.endpointsFile, env, new Date());
  const events = [WebhookReceivedSchema, ...paymentEventSchemas];
  checkEvents({ service, produces: events, consumes: [WebhookReceivedSchema] });
  warmUp(events);
  const metrics = createMetrics(service);
  stack.use(await startTelemetry({ service, config: config.telemetry, log, metrics }));
  const load = createLoad(config.load);

  const broker = stack.use(openBroker({ ...config.broker, name: service, events, log, metrics }));
  const pool = openPool({ ...config.database, schema: "gateway", applicationName: service });
  stack.defer(() => pool.end({ timeout: 5 }));

  const desk: DeskOptions = {
    pool,
    broker,
    source: service,
    log,
    metrics,
    doorBusy: () => load.requests > 0,
  };
  const server = stack.use(
    await startServer({
      service,
      config: config.mesh,
      log,
      metrics,
      routes: (router) => {
        router.service(DeliveryService, deliveryService(pool, broker));
        router.service(ConsumerService, consumerService(pool));
        router.service(DeadLetterService, deadLetterService(pool, [deskConsumer(desk)]));
      },
      readiness: () => (broker.connected ? [] : ["the broker is not connected"]),
    }),
  );

  stack.use(prepareStreams({ broker, log }));
  stack.use(prepareDatabase({ url: config.database.ownerUrl, log }, () => startDesk(desk)));

  const receive = createReceiver({
    endpoints,
    store: createPublisher({ broker, source: service, deadlineMs: config.publishTimeoutMs, log }),
    load,
    metrics: createDoorMetrics(metrics, load),
    log,
    bodyTimeoutMs: config.bodyTimeoutMs,
    now: () => new Date(),
  });
  const door = stack.use(await startDoor(config.door, log, receive, metrics));

  const opened = stack.move();
  return {
    port: server.port,
    doorPort: door.port,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
