import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { migrations, schema } from "../app.ts";
import { newId } from "../requests/identifiers.ts";
import { insertPublishedCourse, insertTestOrder } from "../testing/published.ts";
import { type AccessChecker, accessChecker } from "./check.ts";
import { enrollmentState } from "./enrollment.ts";
import { giveGrants, grantForFreeOrder, revokeGrant } from "./grants.ts";
import type { GrantState, Payment } from "./payment.ts";
import { settlePayments } from "./settle-payments.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`check.int.test.ts runs with SEED=${seed}`);

let database: TestDatabase;
let pool: Pool;
let checker: AccessChecker;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  database = stack.use(await openTestDatabase({ schema, migrations, connectionsMax: 8 }));
  pool = database.pool;
  checker = accessChecker(pool);
});
afterAll(() => stack.disposeAsync());

let learners = 0;
const newLearner = () => `learner-${learners++}`;
const yes = { allowed: true, missingCourseIds: [], missingLessonIds: [] };
const no = { allowed: false, missingCourseIds: [], missingLessonIds: [] };

test("a course that learners do not see is open to nobody, with or without a grant", async () => {
  const courseId = await insertPublishedCourse(pool);
  const learnerId = newLearner();
  await give(learnerId, courseId);
  expect(await checker.check({ learnerId, courseId })).toMatchObject({ ...yes, reason: "granted" });
  await pool`update course set archive_time = now() where course_id = ${courseId}`;
  expect(await checker.check({ learnerId, courseId })).toMatchObject({ ...yes, reason: "granted" });
  await pool`update course set published_revision = null where course_id = ${courseId}`;
  const hidden = { ...no, reason: "course-not-published" };
  expect(await checker.check({ learnerId, courseId })).toMatchObject(hidden);
  expect(await checker.check({ learnerId, courseId: newId("crs") })).toMatchObject(hidden);
});

test("a revision that was scheduled is what is checked, from its time on", async () => {
  const lessonId = newId("les");
  const courseId = await insertPublishedCourse(pool, {
    lessons: [{ lessonId, freePreview: true }],
  });
  const ask = () => checker.check({ learnerId: undefined, courseId, lessonId });
  await pool`
    update course set published_revision = null, scheduled_revision = 1,
      scheduled_time = now() + interval '300 milliseconds' where course_id = ${courseId}
  `;
  expect(await ask()).toMatchObject({ ...no, reason: "course-not-published" });
  await until(async () => (await ask()).reason === "free-preview");
});

test("a free lesson is open to everybody, the others to learners", async () => {
  const [free, closed] = [newId("les"), newId("les")];
  const lessons = [{ lessonId: free, freePreview: true }, { lessonId: closed }];
  const courseId = await insertPublishedCourse(pool, { lessons });
  const learnerId = newLearner();
  const ask = (who: string | undefined, lessonId: string) =>
    checker.check({ learnerId: who, courseId, lessonId });
  expect(await ask(undefined, free)).toMatchObject({ ...yes, reason: "free-preview" });
  expect(await ask(learnerId, free)).toMatchObject({ ...yes, reason: "free-preview" });
  expect(await ask(undefined, closed)).toMatchObject({ ...no, reason: "not-enrolled" });
  expect(await ask(learnerId, closed)).toMatchObject({ ...no, reason: "not-enrolled" });
  expect(await ask(learnerId, newId("les"))).toMatchObject({ ...no, reason: "lesson-not-found" });
  await give(learnerId, courseId);
  expect(await ask(learnerId, closed)).toMatchObject({ ...yes, reason: "granted" });
  expect(await ask(learnerId, free)).toMatchObject({ ...yes, reason: "granted" });
  expect(await ask(learnerId, newId("les"))).toMatchObject({ ...no, reason: "lesson-not-found" });
});

test("what has to be completed first is named, for as long as learners see it", async () => {
  const [first, second, free] = [newId("les"), newId("les"), newId("les")];
  const before = await insertPublishedCourse(pool);
  const gone = await insertPublishedCourse(pool);
  const courseId = await insertPublishedCourse(pool, {
    prerequisiteCourseIds: [before, gone],
    lessons: [
      { lessonId: first },
      // The last one is in no revision that learners see.
      { lessonId: second, prerequisiteLessonIds: [first, newId("les")] },
      { lessonId: free, freePreview: true },
    ],
  });
  await pool`update course set delete_time = now(), purge_time = now() where course_id = ${gone}`;
  const learnerId = newLearner();
  await give(learnerId, courseId);
  const ask = (lessonId?: string) => checker.check({ learnerId, courseId, lessonId });
  const missing = { ...no, reason: "prerequisite-missing", missingCourseIds: [before] };
  expect(await ask()).toMatchObject(missing);
  expect(await ask(first)).toMatchObject(missing);
  expect(await ask(second)).toMatchObject({ ...missing, missingLessonIds: [first] });
  expect(await ask(free)).toMatchObject({ ...yes, reason: "free-preview" });
  await pool`
    insert into course_completion (learner_id, course_id, revision)
    values (${learnerId}, ${before}, 1)
  `;
  expect(await ask()).toMatchObject({ ...yes, reason: "granted" });
  expect(await ask(second)).toMatchObject({
    ...missing,
    missingCourseIds: [],
    missingLessonIds: [first],
  });
  await pool`
    insert into lesson_progress
      (learner_id, course_id, lesson_id, percent, reach_time, complete_time)
    values (${learnerId}, ${courseId}, ${first}, 100, now(), now())
  `;
  expect(await ask(second)).toMatchObject({ ...yes, reason: "granted" });
});

test("access ends at its time by the clock, with nobody doing anything", async () => {
  const courseId = await insertPublishedCourse(pool);
  const learnerId = newLearner();
  const expireTime = new Date(Date.now() + 400);
  await give(learnerId, courseId, expireTime);
  const ask = async () => {
    const answer = await checker.check({ learnerId, courseId });
    const [row] = await pool<{ now: Date }[]>`select now() as now`;
    return { ...answer, isOver: row!.now >= expireTime };
  };
  for (;;) {
    const { reason, isOver } = await ask();
    // The clock was read after the answer, so an answer of before the time may come with it.
    if (!isOver) expect(reason).toBe("granted");
    if (reason === "expired") break;
    await sleep(5);
  }
  expect(Date.now()).toBeGreaterThanOrEqual(expireTime.getTime() - 1);
  await give(learnerId, courseId);
  expect(await ask()).toMatchObject({ reason: "granted" });
});

test("a revocation that was committed is seen by every check that begins after it", async () => {
  const courseId = await insertPublishedCourse(pool);
  for (let round = 0; round < 30; round++) {
    const learnerId = newLearner();
    const [grant] = await give(learnerId, courseId);
    // Checks of others keep statements under way the whole time.
    const noise = new AbortController();
    const busy = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (!noise.signal.aborted) await checker.check({ learnerId, courseId });
      }),
    );
    await sleep(1);
    const revoke = { grantId: grant!.grantId, etag: '"1"', reason: "left" };
    await inTransaction(pool, (tx) => revokeGrant(tx, revoke, new Date()));
    const answer = await checker.check({ learnerId, courseId });
    noise.abort();
    await busy;
    expect(answer, `round ${round}`).toMatchObject({ ...no, reason: "revoked" });
  }
});

test("the database ranks grants as the rules do", async () => {
  const courseId = await insertPublishedCourse(pool);
  const times = [null, new Date(0), new Date("2999-01-01")] as const;
  const payments = fc.record({
    state: fc.constantFrom<GrantState>("active", "suspended", "revoked", "void"),
    accessDurationS: fc.constantFrom(null, 1n, 40_000_000_000n),
  });
  const gifts = fc.constantFrom(...times);
  const held = fc.tuple(fc.array(payments, { maxLength: 3 }), fc.array(gifts, { maxLength: 2 }));
  const reasons = {
    ...{ none: "not-enrolled", active: "granted", suspended: "suspended" },
    ...{ expired: "expired", revoked: "revoked" },
  };
  await fc.assert(
    fc.asyncProperty(held, async ([paid, given]) => {
      const learnerId = newLearner();
      for (const { state, accessDurationS } of paid) {
        const order = { learnerId, courseIds: [courseId], accessDurationS };
        await settle({ orderId: await insertTestOrder(pool, order), ...totalsIn(state) });
      }
      for (const expireTime of given) await give(learnerId, courseId, expireTime);
      const grants = await pool<{ state: GrantState; expireTime: Date | null }[]>`
        select state, expire_time as "expireTime" from enrollment_grant
        where learner_id = ${learnerId} and course_id = ${courseId}
      `;
      expect(grants).toHaveLength(paid.length + given.length);
      const { reason } = await checker.check({ learnerId, courseId });
      expect(reason).toBe(reasons[enrollmentState(grants, new Date())]);
    }),
    { seed, numRuns: 60 },
  );
});

test("many checks at once share a few statements, each with its own answer", async () => {
  const courseId = await insertPublishedCourse(pool);
  const enrolled = Array.from({ length: 300 }, newLearner);
  const plan = { courseIds: [courseId], learnerIds: enrolled, ...byHand };
  await inTransaction(pool, (tx) => giveGrants(tx, plan, new Date()));
  // Of one connection: what is answered through it is counted by the database itself.
  const single = openPool({ url: database.url, schema, connectionsMax: 1 });
  stack.defer(() => single.end({ timeout: 5 }));
  const own = accessChecker(single);
  const ask = (learnerId: string) => own.check({ learnerId, courseId });
  const strangers = Array.from({ length: 300 }, newLearner);
  const answers = await Promise.all([...enrolled, ...strangers].map(ask));
  const allowed = answers.map((answer) => answer.allowed);
  expect(allowed).toEqual([...enrolled.map(() => true), ...strangers.map(() => false)]);
  const together = await own.checkAll(
    [...strangers, ...enrolled].map((learnerId) => ({ learnerId, courseId })),
  );
  expect(together.filter(({ reason }) => reason === "granted")).toHaveLength(300);
});

test("checks that fail together tell all callers, and the next ones are answered", async () => {
  const courseId = await insertPublishedCourse(pool);
  const limited = openPool({
    url: database.url,
    schema,
    connectionsMax: 1,
    statementTimeoutMs: 300,
  });
  stack.defer(() => limited.end({ timeout: 5 }));
  const own = accessChecker(limited);
  const ask = () => own.check({ learnerId: newLearner(), courseId });
  await inTransaction(pool, async (tx) => {
    await tx`lock table enrollment_grant in access exclusive mode`;
    const answers = await Promise.allSettled([ask(), ask(), ask()]);
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });
  expect(await ask()).toMatchObject({ ...no, reason: "not-enrolled" });
});

test("an order that a coupon made free opens its courses for the time it bought", async () => {
  const courseId = await insertPublishedCourse(pool);
  const learnerId = newLearner();
  const terms = { learnerId, courseIds: [courseId], accessDurationS: 3_600n };
  const orderId = await insertTestOrder(pool, terms);
  const now = new Date();
  for (let n = 0; n < 2; n++) {
    await inTransaction(pool, (tx) => grantForFreeOrder(tx, { orderId, ...terms }, now));
  }
  expect(await checker.check({ learnerId, courseId })).toMatchObject({ ...yes, reason: "granted" });
  const grants = await pool`
    select source, source_id, order_id, expire_time from enrollment_grant
    where learner_id = ${learnerId}
  `;
  const expire_time = new Date(now.getTime() + 3_600_000);
  expect([...grants]).toEqual([
    { source: "coupon", source_id: orderId, order_id: orderId, expire_time },
  ]);
});

const byHand = {
  ...{ source: "manual" as const, orderId: null, expireTime: null as Date | null },
  ...{ reason: "test", actor: "test", sourceId: "test" },
};

function give(learnerId: string, courseId: string, expireTime: Date | null = null) {
  const plan = { ...byHand, sourceId: newId("grt"), expireTime };
  return inTransaction(pool, (tx) =>
    giveGrants(tx, { ...plan, learnerIds: [learnerId], courseIds: [courseId] }, new Date()),
  );
}

function totalsIn(state: GrantState) {
  return {
    paidMinor: state === "void" ? 1n : 10_000n,
    disputedMinor: state === "suspended" ? 10_000n : 0n,
    refundedMinor: state === "revoked" ? 10_000n : 0n,
    // Long enough ago for the shortest access to be over, and not for the longest.
    paidTime: new Date(86_400_000),
  };
}

function settle({ orderId, ...over }: Partial<Payment> & { readonly orderId: string }) {
  const totals = {
    ...{ ledgerId: "main", paymentId: `pi/${orderId}`, orderId, ledgerSequence: 1n },
    ...{ currencyCode: "USD", paidMinor: 10_000n, refundedMinor: 0n, disputedMinor: 0n },
    ...{ lostMinor: 0n, paidTime: new Date(), ...over },
  };
  return inTransaction(pool, (tx) => settlePayments(tx, [totals], new Date()));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(5)) {
    if (await condition()) return;
  }
  throw new Error("it did not come true in time");
}
