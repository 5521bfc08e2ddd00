// DeliveryService with all that it needs, for tests of what operators ask for.

import type { Pool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { type Certificates, createCertificates } from "../certificates/certificates.ts";
import { type DeliveryServiceOptions, deliveryService } from "../deliveries.ts";
import { type DeskOptions, deskConsumer } from "../desk.ts";
import type { EndpointsSnapshot } from "../endpoints.ts";
import { createWebhookStore } from "../store-webhook.ts";
import { testEndpoints } from "./senders.ts";

export function testOperators(
  pool: Pool,
  broker: Broker,
  inForce: { readonly current: EndpointsSnapshot } = { current: testEndpoints },
  certificates: Certificates = createCertificates({ now: () => new Date() }),
): DeliveryServiceOptions & { readonly deskOptions: DeskOptions } {
  const [source, log, metrics] = ["webhook-gateway", silentLog(), createMetrics("test")] as const;
  const about = { pool, broker, source, log, metrics, endpoints: inForce };
  const deskOptions: DeskOptions = { ...about, doorBusy: () => false };
  const store = createWebhookStore({ broker, source, log });
  const desk = deskConsumer(deskOptions);
  return { pool, broker, source, desk, inForce, store, certificates, deskOptions };
}

export function testService(pool: Pool, broker: Broker) {
  return deliveryService(testOperators(pool, broker));
}
