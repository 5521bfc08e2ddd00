// A course service for tests: its routes on a real server and a database of its
// own, clients for all of it, and short ways to what most tests begin with.

import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, ConnectError } from "@connectrpc/connect";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { CertificateService } from "#gen/bursar/cms/v1/certificate_service_pb.ts";
import { CouponService } from "#gen/bursar/cms/v1/coupon_service_pb.ts";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { GrantService } from "#gen/bursar/cms/v1/grant_service_pb.ts";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { PreviewService } from "#gen/bursar/cms/v1/preview_service_pb.ts";
import { ProgressService } from "#gen/bursar/cms/v1/progress_service_pb.ts";
import { PublishingService } from "#gen/bursar/cms/v1/publishing_service_pb.ts";
import { QuizService } from "#gen/bursar/cms/v1/quiz_service_pb.ts";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/cms/v1/refusal_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { operatorRoutes } from "#mesh/service/events.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { startTestServer, type TestServer } from "#mesh/testing/rpc.ts";
import { type CmsRoutesOptions, cmsRoutes, cmsService, migrations, schema } from "../app.ts";
import { ledgerConsumer } from "../consumer.ts";

const { service } = cmsService;

export type TestCms = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly server: TestServer;
  readonly courses: Client<typeof CourseService>;
  readonly publishing: Client<typeof PublishingService>;
  readonly previews: Client<typeof PreviewService>;
  readonly catalog: Client<typeof CatalogService>;
  readonly offers: Client<typeof OfferService>;
  readonly coupons: Client<typeof CouponService>;
  readonly orders: Client<typeof OrderService>;
  readonly enrollments: Client<typeof EnrollmentService>;
  readonly grants: Client<typeof GrantService>;
  readonly progress: Client<typeof ProgressService>;
  readonly quizzes: Client<typeof QuizService>;
  readonly certificates: Client<typeof CertificateService>;
  readonly consumers: Client<typeof ConsumerService>;
  readonly deadLetters: Client<typeof DeadLetterService>;
  /** Options of a call that carries the learner's token. */
  as(learnerId: string): Promise<{ readonly headers: Record<string, string> }>;
  /** One statement as the owner of the schema, who may do most. */
  asOwner(statement: string): Promise<readonly Record<string, unknown>[]>;
};

export async function openTestCms(options: Omit<CmsRoutesOptions, "pool"> = {}): Promise<TestCms> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openTestDatabase({ schema, migrations, connectionsMax: 8 }));
  const tokens = stack.adopt(await createTokens(), ({ dir }) => rmSync(dir, { recursive: true }));
  const server = stack.use(
    await startTestServer({
      service,
      routes(router) {
        cmsRoutes({ ...options, pool: database.pool })(router);
        operatorRoutes(database.pool, [ledgerConsumer], cmsService.produces)(router);
      },
      config: { jwksFile: tokens.jwksFile },
    }),
  );
  const owner = openPool({
    url: database.ownerUrl,
    schema,
    connectionsMax: 1,
    applicationName: "test-owner",
  });
  stack.defer(() => owner.end({ timeout: 5 }));
  const clients = {
    courses: await server.client(CourseService),
    publishing: await server.client(PublishingService),
    previews: await server.client(PreviewService),
    catalog: await server.client(CatalogService),
    offers: await server.client(OfferService),
    coupons: await server.client(CouponService),
    orders: await server.client(OrderService),
    enrollments: await server.client(EnrollmentService),
    grants: await server.client(GrantService),
    progress: await server.client(ProgressService),
    quizzes: await server.client(QuizService),
    certificates: await server.client(CertificateService),
    consumers: await server.client(ConsumerService),
    deadLetters: await server.client(DeadLetterService),
  };
  const opened = stack.move();
  return {
    database,
    server,
    ...clients,
    as: async (learnerId) => ({
      headers: { authorization: `Bearer ${await tokens.sign(learnerId)}` },
    }),
    asOwner: (statement) => owner.unsafe(statement),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function createTokens() {
  const dir = mkdtempSync(join(tmpdir(), "bursar-cms-"));
  const jwksFile = join(dir, "jwks.json");
  const { publicKey, privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  writeFileSync(
    jwksFile,
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "k" }] }),
  );
  const sign = (learnerId: string) =>
    new SignJWT({ scope: "cms.*.*" })
      .setProtectedHeader({ alg: "EdDSA", kid: "k" })
      .setSubject(learnerId)
      .setAudience(service)
      .setExpirationTime("5m")
      .sign(privateKey);
  return { dir, jwksFile, sign };
}

export const requestId = () => randomUUID();

/** A course of one module with a lesson for learners and a free one, not published. */
export async function makeDraft({ courses }: Pick<TestCms, "courses">, slug = `c-${randomUUID()}`) {
  const { course } = await courses.createCourse({ requestId: requestId(), slug, title: "Algebra" });
  const { courseId } = course!;
  const { module } = await courses.addModule({ requestId: requestId(), courseId, title: "Groups" });
  const { moduleId } = module!;
  const first = { title: "Axioms", bodyMarkdown: "*One*", freePreview: false };
  const { lesson } = await courses.addLesson({ requestId: requestId(), moduleId, ...first });
  const free = { title: "Welcome", bodyMarkdown: "Hello", freePreview: true };
  const added = await courses.addLesson({ requestId: requestId(), moduleId, ...free });
  return {
    courseId,
    slug,
    moduleId,
    lessonId: lesson!.lessonId,
    freeLessonId: added.lesson!.lessonId,
    etag: added.course!.etag,
  };
}

export async function makeCourse(cms: Pick<TestCms, "courses">, slug?: string) {
  const draft = await makeDraft(cms, slug);
  await cms.courses.publishCourse({ courseId: draft.courseId, etag: draft.etag });
  return draft;
}

/** An offer of the courses at 100.00 USD or 90.00 EUR. */
export async function makeOffer({ offers }: Pick<TestCms, "offers">, courseIds: string[]) {
  const { offer } = await offers.createOffer({
    requestId: requestId(),
    title: "Everything",
    courseIds,
    prices: [
      { currencyCode: "USD", amountMinor: 10_000n },
      { currencyCode: "EUR", amountMinor: 9_000n },
    ],
  });
  return offer!.offerId;
}

export async function makeOrder(
  { orders }: Pick<TestCms, "orders">,
  offerId: string,
  learnerId: string,
) {
  const { order } = await orders.createOrder({
    requestId: requestId(),
    learnerId,
    offerId,
    currencyCode: "USD",
  });
  return order!.orderId;
}

/** What a call that must be refused was refused with. */
export async function refusalOf(call: Promise<unknown>) {
  const error = ConnectError.from(
    await call.then(
      () => new Error("was not refused"),
      (e) => e,
    ),
  );
  const [detail] = error.findDetails(RefusalDetailSchema);
  const names = Object.keys(Refusal) as (keyof typeof Refusal)[];
  return {
    code: error.code,
    refusal: names.find((name) => Refusal[name] === detail?.refusal),
    resource: detail?.resource,
    currentEtag: detail?.currentEtag,
  };
}
