// The gateway's connection to the broker, and the events that travel over it. Every process of the
// gateway has one of its own.

import { BodyPartSchema } from "#gen/bursar/body/v1/body_pb.ts";
import { WebhookQuarantinedSchema } from "#gen/bursar/quarantine/v1/quarantine_pb.ts";
import {
  WebhookConfirmedSchema,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { checkEvents, type EventRoles } from "#mesh/policy/check.ts";
import { warmUp } from "#mesh/policy/validation.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { type Config, service } from "./config.ts";
import { paymentEventSchemas } from "./normalise/outcome.ts";

const roles: EventRoles = {
  service,
  produces: [
    WebhookReceivedSchema,
    WebhookConfirmedSchema,
    BodyPartSchema,
    WebhookQuarantinedSchema,
    ...paymentEventSchemas,
  ],
  // The parts of a body are fetched by their sequence, one by one.
  consumes: [
    WebhookReceivedSchema,
    WebhookConfirmedSchema,
    WebhookQuarantinedSchema,
    BodyPartSchema,
  ],
};

export type GatewayBrokerOptions = {
  readonly config: Config;
  readonly service: string;
  readonly log: Log;
  readonly metrics: Metrics;
};

export function openGatewayBroker(options: GatewayBrokerOptions): AsyncDisposable & Broker {
  const { config, service: name, log, metrics } = options;
  checkEvents(roles);
  const events = roles.produces;
  warmUp(events);
  return openBroker({ ...config.broker, name, events, log, metrics });
}
