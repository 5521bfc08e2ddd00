import { setTimeout as sleep } from "node:timers/promises";
import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EnrollmentState, GrantSource, GrantState } from "#gen/bursar/cms/v1/enrollment_pb.ts";
import { AccessReason } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, refusalOf, requestId, type TestCms } from "../testing/cms.ts";
import { insertPublishedCourse, insertTestOrder } from "../testing/published.ts";
import { startAccessExpiry } from "./expiry.ts";
import { settlePayments } from "./settle-payments.ts";

let cms: TestCms;
let courseId: string;
let otherCourseId: string;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  cms = stack.use(await openTestCms());
  courseId = await insertPublishedCourse(cms.database.pool);
  otherCourseId = await insertPublishedCourse(cms.database.pool);
});
afterAll(() => stack.disposeAsync());

let learners = 0;
const newLearner = () => `learner-${learners++}`;
const { MANUAL, COHORT, GIFT } = GrantSource;

test("a grant by hand opens its courses, and says who gave it, why and for how long", async () => {
  const learnerId = newLearner();
  const expireTime = soon(3_600_000);
  const { grants } = await cms.grants.createGrant({
    ...{ requestId: requestId(), learnerId, courseIds: [courseId, otherCourseId] },
    ...{ source: MANUAL, sourceId: "ticket 7", reason: "lost its password", expireTime },
  });
  expect(grants.map((grant) => grant.courseId)).toEqual([courseId, otherCourseId]);
  const [grant] = grants;
  expect(grant).toMatchObject({
    ...{ learnerId, source: MANUAL, sourceId: "ticket 7", state: GrantState.ACTIVE },
    ...{ reason: "lost its password", actor: "test-client", sourceVersion: 1n, etag: '"1"' },
    ...{ ledgerId: "", paymentId: "", orderId: "", expireTime },
  });
  expect(await reasonFor(learnerId)).toBe(AccessReason.GRANTED);
  expect(await cms.grants.getGrant({ grantId: grant!.grantId })).toMatchObject({ grant });
  const { enrollment } = await cms.enrollments.getEnrollment({ learnerId, courseId });
  expect(enrollment).toMatchObject({ state: EnrollmentState.ACTIVE, expireTime, grants: [grant] });
  expect(await toldOf(learnerId)).toEqual(["EnrollmentGranted", "EnrollmentGranted"]);
});

test("a repeated request gets the first answer, and a source grants a course once", async () => {
  const learnerId = newLearner();
  const request = {
    ...{ requestId: requestId(), learnerId, courseIds: [courseId] },
    ...{ source: GIFT, sourceId: "gift 1", reason: "a birthday" },
  };
  const first = await cms.grants.createGrant(request);
  expect(await cms.grants.createGrant(request)).toEqual(first);
  const again = { ...request, requestId: requestId(), courseIds: [otherCourseId, courseId] };
  expect(await refusalOf(cms.grants.createGrant(again))).toMatchObject({
    code: Code.AlreadyExists,
    refusal: "GRANT_EXISTS",
    resource: courseId,
  });
  // All or none.
  const { enrollments } = await cms.enrollments.listEnrollments({ learnerId });
  expect(enrollments.map((enrollment) => enrollment.courseId)).toEqual([courseId]);
  await revoke(first.grants[0]!);
  await cms.grants.createGrant(again);
  expect(await reasonFor(learnerId)).toBe(AccessReason.GRANTED);
});

// One row a bad request.
test.each([
  ["a course that is not there", { courseIds: [newId("crs")] }, Code.NotFound, "COURSE_NOT_FOUND"],
  [
    "a time that has passed",
    { expireTime: timestampFromDate(new Date(Date.now() - 1)) },
    Code.InvalidArgument,
    "EXPIRE_TIME_PAST",
  ],
  [
    "a cohort without a name",
    { source: COHORT, sourceId: "" },
    Code.InvalidArgument,
    "SOURCE_ID_MISSING",
  ],
  ["a payment as source", { source: GrantSource.PAYMENT }, Code.InvalidArgument, undefined],
  ["a coupon as source", { source: GrantSource.COUPON }, Code.InvalidArgument, undefined],
  ["no source", { source: GrantSource.UNSPECIFIED }, Code.InvalidArgument, undefined],
  ["no reason", { reason: "" }, Code.InvalidArgument, undefined],
  ["no learner", { learnerId: "" }, Code.InvalidArgument, undefined],
  ["no course", { courseIds: [] }, Code.InvalidArgument, undefined],
])("%s is refused, and grants nothing", async (_, over, code, refusal) => {
  const learnerId = newLearner();
  const request = {
    ...{ requestId: requestId(), learnerId, courseIds: [courseId] },
    ...{ source: MANUAL, sourceId: "s", reason: "r", ...over },
  };
  expect(await refusalOf(cms.grants.createGrant(request))).toMatchObject({ code, refusal });
  expect((await cms.enrollments.listEnrollments({ learnerId })).enrollments).toEqual([]);
});

test("a cohort is granted whole or not at all, and one that grew is sent again", async () => {
  const cohortId = `spring-${newId("grt")}`;
  const learnerIds = Array.from({ length: 1_000 }, newLearner);
  const request = { cohortId, courseIds: [courseId, otherCourseId], reason: "spring" };
  const first = { ...request, requestId: requestId(), learnerIds: learnerIds.slice(0, 600) };
  expect(await cms.grants.createCohortGrants(first)).toMatchObject({
    createdCount: 1_200,
    existingCount: 0,
  });
  expect(await cms.grants.createCohortGrants(first)).toMatchObject({ createdCount: 1_200 });
  const bad = { ...request, requestId: requestId(), learnerIds, courseIds: [newId("crs")] };
  expect(await refusalOf(cms.grants.createCohortGrants(bad))).toMatchObject({
    refusal: "COURSE_NOT_FOUND",
  });
  expect(await reasonFor(learnerIds[999]!)).toBe(AccessReason.NOT_ENROLLED);
  const whole = { ...request, requestId: requestId(), learnerIds };
  expect(await cms.grants.createCohortGrants(whole)).toMatchObject({
    createdCount: 800,
    existingCount: 1_200,
  });
  const checks = learnerIds.slice(0, 500).map((learnerId) => ({ learnerId, courseId }));
  const { answers } = await cms.enrollments.batchCheckAccess({ checks });
  expect(answers).toHaveLength(500);
  expect(answers.every(({ allowed }) => allowed)).toBe(true);
  const over = { ...whole, requestId: requestId(), learnerIds: [...learnerIds, newLearner()] };
  expect((await refusalOf(cms.grants.createCohortGrants(over))).code).toBe(Code.InvalidArgument);
});

test("a revoked grant ends, the others stay, and neither is revoked twice", async () => {
  const learnerId = newLearner();
  const [one, two] = [await give(learnerId), await give(learnerId)];
  const stale = { grantId: one.grantId, etag: '"7"', reason: "left" };
  expect(await refusalOf(cms.grants.revokeGrant(stale))).toMatchObject({
    code: Code.Aborted,
    refusal: "ETAG_MISMATCH",
    currentEtag: '"1"',
  });
  const revoked = await revoke(one);
  expect(revoked).toMatchObject({ state: GrantState.REVOKED, revokeReason: "left", etag: '"2"' });
  expect(await reasonFor(learnerId)).toBe(AccessReason.GRANTED);
  expect(await refusalOf(revoke(one))).toMatchObject({ code: Code.Aborted, currentEtag: '"2"' });
  expect(await refusalOf(revoke({ ...one, etag: '"2"' }))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "GRANT_REVOKED",
  });
  await revoke(two);
  expect(await reasonFor(learnerId)).toBe(AccessReason.REVOKED);
  expect(await toldOf(learnerId)).toEqual(["EnrollmentGranted", "EnrollmentRevoked"]);
  const missing = { grantId: newId("grt"), etag: '"1"' };
  expect(await refusalOf(revoke(missing))).toMatchObject({
    code: Code.NotFound,
    refusal: "GRANT_NOT_FOUND",
  });
});

test("a payment's grant is not revoked by hand, but refunded", async () => {
  const learnerId = newLearner();
  const { pool } = cms.database;
  const orderId = await insertTestOrder(pool, { learnerId, courseIds: [courseId] });
  const totals = {
    ...{ ledgerId: "main", paymentId: `pi/${orderId}`, orderId, ledgerSequence: 1n },
    ...{ currencyCode: "USD", paidMinor: 10_000n, refundedMinor: 0n, disputedMinor: 0n },
    ...{ lostMinor: 0n, paidTime: new Date() },
  };
  await inTransaction(pool, (tx) => settlePayments(tx, [totals], new Date()));
  const { enrollment } = await cms.enrollments.getEnrollment({ learnerId, courseId });
  const [grant] = enrollment!.grants;
  expect(grant).toMatchObject({ source: GrantSource.PAYMENT, sourceId: totals.paymentId });
  expect(await refusalOf(revoke(grant!))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "GRANT_MOVED_BY_MONEY",
  });
  expect(await reasonFor(learnerId)).toBe(AccessReason.GRANTED);
});

test("access that runs out is told once, by whichever process sees it", async () => {
  const { pool } = cms.database;
  const [alone, beside] = [newLearner(), newLearner()];
  const expireTime = soon(300);
  await give(alone, expireTime);
  await give(beside, expireTime);
  await give(beside, soon(3_600_000));
  const metrics = () => createMetrics("cms-service");
  const options = { pool, log: silentLog(), pauseMs: 10 };
  {
    await using _one = startAccessExpiry({ ...options, metrics: metrics() });
    await using _other = startAccessExpiry({ ...options, metrics: metrics() });
    await until(async () => (await toldOf(alone)).length === 2);
    await sleep(100);
  }
  expect(await toldOf(alone)).toEqual(["EnrollmentGranted", "EnrollmentExpired"]);
  expect(await toldOf(beside)).toEqual(["EnrollmentGranted"]);
  expect(await reasonFor(alone)).toBe(AccessReason.EXPIRED);
  const { enrollment } = await cms.enrollments.getEnrollment({ learnerId: alone, courseId });
  expect(enrollment).toMatchObject({
    state: EnrollmentState.EXPIRED,
    grants: [{ state: GrantState.EXPIRED }],
  });
  expect(enrollment?.expireTime).toBeUndefined();
  expect(Date.now()).toBeGreaterThanOrEqual(timestampDate(expireTime).getTime());
  await give(alone);
  expect(await toldOf(alone)).toEqual([
    "EnrollmentGranted",
    "EnrollmentExpired",
    "EnrollmentGranted",
  ]);
});

test("a learner asks about nobody else", async () => {
  const [ada, bob] = [newLearner(), newLearner()];
  await give(ada);
  const checks = [{ courseId }, { learnerId: ada, courseId }];
  const { answers } = await cms.enrollments.batchCheckAccess({ checks }, await cms.as(ada));
  expect(answers.map(({ allowed }) => allowed)).toEqual([true, true]);
  expect(
    await refusalOf(cms.enrollments.batchCheckAccess({ checks }, await cms.as(bob))),
  ).toMatchObject({ code: Code.PermissionDenied, refusal: "LEARNER_MISMATCH" });
  expect((await refusalOf(cms.enrollments.batchCheckAccess({ checks: [] }))).code).toBe(
    Code.InvalidArgument,
  );
});

test("grants are listed by what they are", async () => {
  const learnerId = newLearner();
  const cohortId = `listed-${newId("grt")}`;
  const [kept, gone] = [await give(learnerId), await give(learnerId)];
  await revoke(gone);
  const request = { cohortId, learnerIds: [learnerId], courseIds: [courseId, otherCourseId] };
  await cms.grants.createCohortGrants({ ...request, requestId: requestId(), reason: "spring" });
  const ids = async (filter: string) => {
    const found: string[] = [];
    let pageToken = "";
    do {
      const page = await cms.grants.listGrants({ filter, pageSize: 1, pageToken });
      found.push(...page.grants.map(({ grantId }) => grantId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return found;
  };
  const mine = `learner_id = "${learnerId}"`;
  expect(await ids(mine)).toHaveLength(4);
  expect(await ids(`${mine} AND state = "revoked"`)).toEqual([gone.grantId]);
  expect(await ids(`${mine} AND source = "manual" AND state = "active"`)).toEqual([kept.grantId]);
  expect(await ids(`source = "cohort" AND source_id = "${cohortId}"`)).toHaveLength(2);
  const before = new Date(Date.now() - 3_600_000).toISOString();
  expect(await ids(`${mine} AND create_time < "${before}"`)).toEqual([]);
  expect(await ids(`${mine} AND create_time >= "${before}"`)).toHaveLength(4);
});

test.each([
  'price = "3"',
  "learner_id = ada",
  'learner_id < "ada"',
  'learner_id = "ada" AND',
  'learner_id = "ada" OR learner_id = "bob"',
  'state = "gone"',
  'create_time < "soon"',
  Array.from({ length: 11 }, () => 'order_id = "x"').join(" AND "),
])("the filter %j is refused, and what there is is named", async (filter) => {
  expect(await refusalOf(cms.grants.listGrants({ filter }))).toMatchObject({
    code: Code.InvalidArgument,
    refusal: "FILTER_INVALID",
  });
});

function soon(ms: number): Timestamp {
  return timestampFromDate(new Date(Date.now() + ms));
}

async function give(learnerId: string, expireTime?: Timestamp) {
  const { grants } = await cms.grants.createGrant({
    ...{ requestId: requestId(), learnerId, courseIds: [courseId], source: MANUAL },
    ...{ reason: "test", ...(expireTime && { expireTime }) },
  });
  return grants[0]!;
}

async function revoke({ grantId, etag }: { grantId: string; etag: string }) {
  return (await cms.grants.revokeGrant({ grantId, etag, reason: "left" })).grant!;
}

async function reasonFor(learnerId: string): Promise<AccessReason> {
  return (await cms.enrollments.checkAccess({ learnerId, courseId })).reason;
}

async function toldOf(learnerId: string): Promise<string[]> {
  const rows = await cms.database.pool<{ subject: string; data: Buffer }[]>`
    select subject, data from outbox where subject like 'bursar.cms.v1.Enrollment%'
    order by outbox_id
  `;
  // Ids are of different lengths: one can begin like another.
  const told = rows.filter(({ data }) => data.subarray(2, 2 + data[1]!).toString() === learnerId);
  return told.map(({ subject }) => subject.split(".").at(-1) ?? "");
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(5)) {
    if (await condition()) return;
  }
  throw new Error("it did not come true in time");
}
