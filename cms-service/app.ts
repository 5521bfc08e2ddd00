// The course service: what it keeps, publishes, consumes and answers.

import type { ConnectRouter } from "@connectrpc/connect";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CertificateService } from "#gen/bursar/cms/v1/certificate_service_pb.ts";
import { CouponService } from "#gen/bursar/cms/v1/coupon_service_pb.ts";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import {
  CourseArchivedSchema,
  CourseCompletedSchema,
  CoursePublishedSchema,
  CourseUnarchivedSchema,
  CourseUnpublishedSchema,
  EnrollmentExpiredSchema,
  EnrollmentGrantedSchema,
  EnrollmentRevokedSchema,
  EnrollmentSuspendedSchema,
  OrderChangedSchema,
} from "#gen/bursar/cms/v1/events_pb.ts";
import { GrantService } from "#gen/bursar/cms/v1/grant_service_pb.ts";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { PreviewService } from "#gen/bursar/cms/v1/preview_service_pb.ts";
import { ProgressService } from "#gen/bursar/cms/v1/progress_service_pb.ts";
import { PublishingService } from "#gen/bursar/cms/v1/publishing_service_pb.ts";
import { QuizService } from "#gen/bursar/cms/v1/quiz_service_pb.ts";
import { TransferService } from "#gen/bursar/cms/v1/transfer_service_pb.ts";
import { runService, type ServiceDefinition } from "#mesh/service/run-service.ts";
import { startAccessExpiry } from "./access/expiry.ts";
import { grantService } from "./access/grant-service.ts";
import { type LedgerReads, openLedgerReads } from "./access/ledger-reads.ts";
import { enrollmentService } from "./access/service.ts";
import { catalogService } from "./catalog/service.ts";
import { couponService } from "./commerce/coupon-service.ts";
import { offerService } from "./commerce/offer-service.ts";
import { startOrderExpiry } from "./commerce/order-expiry.ts";
import { type OrderServiceOptions, orderService } from "./commerce/order-service.ts";
import { readCmsConfig } from "./config.ts";
import { ledgerConsumer } from "./consumer.ts";
import { startPurge } from "./courses/purge.ts";
import { courseService } from "./courses/service.ts";
import { type CertificateOptions, certificateService } from "./learning/certificate-service.ts";
import { progressService } from "./learning/progress-service.ts";
import { quizService } from "./learning/quiz-service.ts";
import { previewService } from "./publishing/preview-service.ts";
import { publishingService } from "./publishing/service.ts";
import { startSweeper } from "./publishing/sweeper.ts";
import { startSearchUpkeep } from "./search/upkeep.ts";
import { transferService } from "./transfer/service.ts";

export const schema = "cms";
export const migrations = new URL("./migrations/", import.meta.url);

export const cmsService = {
  service: "cms-service",
  database: { schema, migrations },
  produces: [
    CoursePublishedSchema,
    CourseUnpublishedSchema,
    CourseArchivedSchema,
    CourseUnarchivedSchema,
    OrderChangedSchema,
    EnrollmentGrantedSchema,
    EnrollmentSuspendedSchema,
    EnrollmentRevokedSchema,
    EnrollmentExpiredSchema,
    CourseCompletedSchema,
  ],
  consumes: [ledgerConsumer],
  routes: (router, parts) => {
    const { pool, log, metrics, own } = parts;
    own(startAccessExpiry({ pool, log, metrics }));
    own(startOrderExpiry({ pool, log, metrics }));
    own(startPurge({ pool, log }));
    own(startSweeper({ pool, log, metrics }));
    own(startSearchUpkeep({ pool, log }));
    const { ledgerUrl, certificates } = readCmsConfig(parts.env);
    const ledger = openLedgerReads(ledgerUrl, parts);
    cmsRoutes({ pool, ledger, certificates })(router);
  },
} as const satisfies ServiceDefinition;

export const run = () => runService(cmsService);

export type CmsRoutesOptions = OrderServiceOptions & {
  /** Undefined where the service was not told where the ledger is. */
  readonly ledger?: LedgerReads | undefined;
  /** Left out: nothing can be signed. */
  readonly certificates?: CertificateOptions;
};

export function cmsRoutes(options: CmsRoutesOptions): (router: ConnectRouter) => void {
  const { pool } = options;
  return (router) => {
    router.service(CourseService, courseService(pool));
    router.service(PublishingService, publishingService(pool));
    router.service(PreviewService, previewService(pool));
    router.service(TransferService, transferService(pool));
    router.service(CatalogService, catalogService(pool));
    router.service(OfferService, offerService(pool));
    router.service(CouponService, couponService(pool));
    router.service(OrderService, orderService(options));
    router.service(EnrollmentService, enrollmentService(pool));
    router.service(ProgressService, progressService(pool));
    router.service(QuizService, quizService(pool));
    router.service(CertificateService, certificateService(pool, options.certificates));
    router.service(GrantService, grantService(options));
  };
}
