// The gateway's connection to the broker, and the events that travel over it. Every process of the
// gateway has one of its own.

import { BodyPartSchema } from "#gen/bursar/body/v1/body_pb.ts";
import { WebhookQuarantinedSchema } from "#gen/bursar/quarantine/v1/quarantine_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { checkEvents } from "#mesh/policy/check.ts";
import { warmUp } from "#mesh/policy/validation.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import type { Config } from "./config.ts";
import { paymentEventSchemas } from "./normalise/outcome.ts";

export type GatewayBrokerOptions = {
  readonly config: Config;
  readonly service: string;
  readonly log: Log;
  readonly metrics: Metrics;
};

export function openGatewayBroker(options: GatewayBrokerOptions): AsyncDisposable & Broker {
  const { config, service, log, metrics } = options;
  const events = [
    WebhookReceivedSchema,
    BodyPartSchema,
    WebhookQuarantinedSchema,
    ...paymentEventSchemas,
  ];
  checkEvents({
    service,
    produces: events,
    consumes: [WebhookReceivedSchema, WebhookQuarantinedSchema],
  });
  warmUp(events);
  return openBroker({ ...config.broker, name: service, events, log, metrics });
}
