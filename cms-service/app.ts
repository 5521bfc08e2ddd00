// The course service: what it keeps, publishes, consumes and answers.

import type { ConnectRouter } from "@connectrpc/connect";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import {
  CoursePublishedSchema,
  EnrollmentGrantedSchema,
  EnrollmentRevokedSchema,
  EnrollmentSuspendedSchema,
  OrderChangedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { runService, type ServiceDefinition } from "#mesh/service/run-service.ts";
import { enrollmentService } from "./access/service.ts";
import { catalogService } from "./catalog/service.ts";
import { offerService } from "./commerce/offer-service.ts";
import { type OrderServiceOptions, orderService } from "./commerce/order-service.ts";
import { ledgerConsumer } from "./consumer.ts";
import { courseService } from "./courses/service.ts";

export const schema = "cms";
export const migrations = new URL("./migrations/", import.meta.url);

export const cmsService = {
  service: "cms-service",
  database: { schema, migrations },
  produces: [
    CoursePublishedSchema,
    OrderChangedSchema,
    EnrollmentGrantedSchema,
    EnrollmentSuspendedSchema,
    EnrollmentRevokedSchema,
  ],
  consumes: [ledgerConsumer],
  routes: (router, { pool }) => cmsRoutes({ pool })(router),
} as const satisfies ServiceDefinition;

export const run = () => runService(cmsService);

export function cmsRoutes(options: OrderServiceOptions): (router: ConnectRouter) => void {
  const { pool } = options;
  return (router) => {
    router.service(CourseService, courseService(pool));
    router.service(CatalogService, catalogService(pool));
    router.service(OfferService, offerService(pool));
    router.service(OrderService, orderService(options));
    router.service(EnrollmentService, enrollmentService(pool));
  };
}
