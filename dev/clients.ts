// Clients of every service with the developer's identity, as a team's own
// service would open them.

import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { GrantService } from "#gen/bursar/cms/v1/grant_service_pb.ts";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { DeliveryService } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import type { House } from "./house.ts";

export type Clients = ReturnType<typeof openClients>;

export function openClients(house: House) {
  const stack = new AsyncDisposableStack();
  const tls = house.provision.tls.dev;
  const { ledger, cms, gatewayAdmin } = house.urls;
  const open = <S extends Parameters<typeof openClient>[0]>(service: S, url: string) =>
    stack.use(openClient(service, { url, tls, timeoutMs: 10_000 })).rpc;
  return {
    ledger: open(LedgerService, ledger),
    holds: open(HoldService, ledger),
    audit: open(AuditService, ledger),
    courses: open(CourseService, cms),
    catalog: open(CatalogService, cms),
    offers: open(OfferService, cms),
    orders: open(OrderService, cms),
    enrollments: open(EnrollmentService, cms),
    grants: open(GrantService, cms),
    deliveries: open(DeliveryService, gatewayAdmin),
    gatewayConsumer: open(ConsumerService, gatewayAdmin),
    gatewayDeadLetters: open(DeadLetterService, gatewayAdmin),
    ledgerConsumer: open(ConsumerService, ledger),
    ledgerDeadLetters: open(DeadLetterService, ledger),
    cmsConsumer: open(ConsumerService, cms),
    cmsDeadLetters: open(DeadLetterService, cms),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
