import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CourseService } from "#gen/bursar/cms/v1/course_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { EnrollmentGrantedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { OfferService } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { publish } from "#mesh/events/publish.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { ConfigError } from "#mesh/process/config.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { startService } from "#mesh/service/start-service.ts";
import { openTestBroker, silentLog } from "#mesh/testing/broker.ts";
import { testCertificates } from "#mesh/testing/certificates.ts";
import { openTestDatabase } from "#mesh/testing/database.ts";
import { cmsService, migrations, schema } from "./app.ts";
import { makeCourse, makeOffer, makeOrder } from "./testing/cms.ts";
import { posted } from "./testing/ledger.ts";

test("money that arrives on the broker opens a course, and the broker hears of it", async () => {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await openTestBroker());
  const database = stack.use(await openTestDatabase({ schema, migrations }));
  const certificates = stack.use(await testCertificates());
  const own = await certificates.identity("cms-service");
  const accessFile = join(certificates.dir, "access.json");
  const grants = [{ identity: "spiffe://bursar/shop", scopes: ["cms.*.*"] }];
  writeFileSync(accessFile, JSON.stringify({ grants }));
  const env = {
    DATABASE_URL: database.url,
    DATABASE_OWNER_URL: database.ownerUrl,
    NATS_URL: broker.url,
    TLS_CA_FILE: own.caFile,
    TLS_CERT_FILE: own.certFile,
    TLS_KEY_FILE: own.keyFile,
    ACCESS_FILE: accessFile,
  };
  const { port } = stack.use(await startService(cmsService, env, silentLog()));

  const connect = { url: `https://localhost:${port}`, tls: await certificates.identity("shop") };
  const courses = stack.use(openClient(CourseService, connect)).rpc;
  const offers = stack.use(openClient(OfferService, connect)).rpc;
  const orders = stack.use(openClient(OrderService, connect)).rpc;
  const enrollments = stack.use(openClient(EnrollmentService, connect)).rpc;

  const { courseId } = await makeCourse({ courses });
  const orderId = await makeOrder({ orders }, await makeOffer({ offers }, [courseId]), "ada");
  const paid = posted({ orderId, paymentId: "stripe/acct/pi_1", ledgerSequence: 5n });
  await ensureStream(broker.broker, "LEDGER");
  await publish(broker.broker, paid, { deadlineMs: 10_000 });
  await eventually(async () => {
    return (await enrollments.checkAccess({ learnerId: "ada", courseId })).allowed;
  });

  const manager = await broker.broker.jsm();
  await eventually(async () => (await manager.streams.info("CMS")).state.messages === 3);
  const subject = "bursar.cms.v1.EnrollmentGranted";
  const told = await manager.streams.getMessage("CMS", { last_by_subj: subject });
  expect(fromBinary(EnrollmentGrantedSchema, told!.data)).toMatchObject({
    learnerId: "ada",
    courseId,
    orderId,
  });
});

test("a service that cannot be configured says everything that is wrong", async () => {
  const started = startService(cmsService, { PORT: "x" }, silentLog());
  await expect(started).rejects.toThrow(ConfigError);
});

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(10)) {
    if (await holds().catch(() => false)) return;
  }
  throw new Error("it did not come about in time");
}
