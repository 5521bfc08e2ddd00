import { randomUUID } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import { completed, course, type LearningCourse, learner, republish } from "../testing/learning.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`learning.int.test.ts runs with SEED=${seed}`);

let cms: TestCms;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  cms = stack.use(await openTestCms());
});
afterAll(() => stack.disposeAsync());

test("progress only grows, in any order and however often it is told", async () => {
  const record = fc.record({
    lesson: fc.nat(1),
    percent: fc.integer({ min: 98, max: 100 }),
    seconds: fc.nat(5),
    time: fc.nat(1_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 6 }), async (told) => {
      const { courseId, lessonIds } = await course(cms);
      const records = told.map(({ lesson, percent, seconds, time }) => ({
        lessonId: lessonIds[lesson] ?? "",
        percent,
        position: { seconds: BigInt(seconds), nanos: 0 },
        recordTime: timestampFromDate(new Date(time)),
      }));
      const endsIn = async (batches: (typeof records)[]) => {
        const learnerId = await learner(cms, courseId);
        await Promise.all(
          batches.map((batch) =>
            cms.progress.recordLessonProgress({ learnerId, courseId, records: batch }),
          ),
        );
        const { lessons } = await cms.progress.listLessonProgress({ learnerId, courseId });
        const { course: sum } = await cms.progress.getCourseProgress({ learnerId, courseId });
        const kept = lessons.map(({ updateTime: _, ...lesson }) => lesson);
        return { kept, done: sum?.completeTime !== undefined };
      };
      const whole = await endsIn([records]);
      const apart = [...records.toReversed(), ...records].map((one) => [one]);
      expect(await endsIn(apart)).toEqual(whole);
    }),
    { seed, numRuns: 8 },
  );
}, 60_000);

test("the last lesson completes the course, and that is told once", async () => {
  const { courseId, lessonIds } = await course(cms);
  const learnerId = await learner(cms, courseId);
  const finish = (lessonId = "") => cms.progress.recordLessonProgress(seen(lessonId));
  const seen = (lessonId: string) => {
    return { learnerId, courseId, records: [{ lessonId, percent: 100 }] };
  };
  const { course: half } = await finish(lessonIds[0]);
  expect(half).toMatchObject({ percent: 50, nextLessonId: lessonIds[1], completedRevision: 0 });
  await Promise.all(Array.from({ length: 5 }, () => finish(lessonIds[1])));
  const { course: whole } = await cms.progress.getCourseProgress({ learnerId, courseId });
  expect(whole).toMatchObject({ percent: 100, openLessonIds: [], completedRevision: 1 });
  expect(await completionsTold(learnerId)).toBe(1);
});

test("two lessons that are finished at once complete the course", async () => {
  const { courseId, lessonIds } = await course(cms);
  for (let n = 0; n < 5; n++) {
    const learnerId = await learner(cms, courseId);
    await Promise.all(
      lessonIds.map((lessonId) =>
        cms.progress.recordLessonProgress({
          learnerId,
          courseId,
          records: [{ lessonId, percent: 100 }],
        }),
      ),
    );
    expect(await completionsTold(learnerId)).toBe(1);
  }
});

test("a completion stays through a revision with more to do and through the end of access", async () => {
  const made = await course(cms);
  const { courseId } = made;
  const learnerId = await completed(cms, made);
  const more = [...made.lessons, { lessonId: newId("les"), title: "More" }];
  await republish(cms, made, more);
  await cms.asOwner(
    `update enrollment_grant set state = 'revoked' where course_id = '${courseId}'`,
  );
  const { course: now } = await cms.progress.getCourseProgress({ learnerId, courseId });
  expect(now).toMatchObject({ lessonsTotal: 3, lessonsCompleted: 2, completedRevision: 1 });
  const records = [{ lessonId: more[2]?.lessonId ?? "", percent: 100 }];
  const refused = await refusalOf(
    cms.progress.recordLessonProgress({ learnerId, courseId, records }),
  );
  expect(refused).toMatchObject({ code: Code.PermissionDenied, refusal: "ACCESS_DENIED" });
});

test("a revision with fewer lessons completes a learner who has access at the next read", async () => {
  const made = await course(cms);
  const { courseId, lessonIds } = made;
  const [learnerId, stranger] = [await learner(cms, courseId), randomUUID()];
  const records = [{ lessonId: lessonIds[0] ?? "", percent: 100 }];
  await cms.progress.recordLessonProgress({ learnerId, courseId, records });
  await cms.database.pool`
    insert into lesson_progress
      (learner_id, course_id, lesson_id, percent, reach_time, complete_time)
    values (${stranger}, ${courseId}, ${lessonIds[0] ?? ""}, 100, now(), now())
  `;
  await republish(cms, made, made.lessons.slice(0, 1));
  const { course: now } = await cms.progress.getCourseProgress({ learnerId, courseId });
  expect(now).toMatchObject({ completedRevision: 2 });
  expect(await completionsTold(learnerId)).toBe(1);
  const { course: theirs } = await cms.progress.getCourseProgress({
    learnerId: stranger,
    courseId,
  });
  expect(theirs).toMatchObject({ percent: 100, completedRevision: 0 });
});

test("a learner's token records that learner's progress and no other's", async () => {
  const { courseId, lessonIds } = await course(cms);
  const learnerId = await learner(cms, courseId);
  const records = [{ lessonId: lessonIds[0] ?? "", percent: 10 }];
  const mine = await cms.as(learnerId);
  await cms.progress.recordLessonProgress({ courseId, records }, mine);
  const other = cms.progress.recordLessonProgress({ learnerId: "x", courseId, records }, mine);
  expect(await refusalOf(other)).toMatchObject({ refusal: "LEARNER_MISMATCH" });
  const unknown = [{ lessonId: newId("les"), percent: 1 }];
  const absent = cms.progress.recordLessonProgress({ courseId, records: unknown }, mine);
  expect(await refusalOf(absent)).toMatchObject({ refusal: "LESSON_NOT_FOUND" });
});

test("a quiz is graded on the server, and tells what was right once it is passed", async () => {
  const made = await course(cms, { attemptsMax: 0 });
  const { courseId, lessonIds } = made;
  const learnerId = await learner(cms, courseId);
  const records = lessonIds.map((lessonId) => ({ lessonId, percent: 100 }));
  const { course: before } = await cms.progress.recordLessonProgress({
    learnerId,
    courseId,
    records,
  });
  expect(before).toMatchObject({ lessonsCompleted: 1, completedRevision: 0 });
  expect(before?.openQuizzes).toMatchObject([{ blockId: made.quizId }]);

  const wrong = await submit(made, learnerId, "41");
  expect(wrong).toMatchObject({ passed: false, points: 0, pointsMax: 1, number: 1 });
  expect(wrong?.results[0]).toMatchObject({ correct: false, explanationMarkdown: "Count." });
  expect(wrong?.results[0]?.right).toBe(undefined);
  const right = await submit(made, learnerId, "42.0");
  expect(right).toMatchObject({ passed: true, number: 2 });
  expect(right?.results[0]?.right).toMatchObject({ number: "42" });
  const { course: after } = await cms.progress.getCourseProgress({ learnerId, courseId });
  expect(after).toMatchObject({ lessonsCompleted: 2, completedRevision: 1 });
  expect(await completionsTold(learnerId)).toBe(1);

  const { attempts } = await cms.quizzes.listQuizAttempts({ learnerId });
  expect(attempts.map(({ number }) => number)).toEqual([2, 1]);
  const attemptId = right?.attemptId ?? "";
  expect((await cms.quizzes.getQuizAttempt({ attemptId })).attempt).toEqual(right);
  const peek = cms.quizzes.getQuizAttempt({ attemptId }, await cms.as("somebody-else"));
  expect(await refusalOf(peek)).toMatchObject({ refusal: "ATTEMPT_NOT_FOUND" });
});

test("however many come at once, no more attempts are graded than there are", async () => {
  const made = await course(cms, { attemptsMax: 3 });
  const learnerId = await learner(cms, made.courseId);
  const attempts = await Promise.allSettled(
    Array.from({ length: 12 }, () => submit(made, learnerId, "1")),
  );
  const graded = attempts.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  expect(graded.map((one) => one?.attemptsLeft).sort()).toEqual([0, 1, 2]);
  const revealing = graded.filter((one) => one?.results[0]?.right);
  expect(revealing.map((one) => one?.number)).toEqual([3]);
  const refused = await refusalOf(submit(made, learnerId, "42"));
  expect(refused).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "ATTEMPTS_EXHAUSTED",
  });
});

test("a repeated submission is no further attempt, and bad answers are none", async () => {
  const made = await course(cms, { attemptsMax: 1 });
  const learnerId = await learner(cms, made.courseId);
  const bad = refusalOf(submit(made, learnerId, "forty"));
  expect(await bad).toMatchObject({ refusal: "ANSWER_INVALID", resource: "n" });
  const unknown = refusalOf(submit(made, learnerId, "1", { questionId: "m" }));
  expect(await unknown).toMatchObject({ refusal: "QUESTION_UNKNOWN", resource: "m" });
  const requestId = randomUUID();
  const first = await submit(made, learnerId, "1", { requestId });
  expect(await submit(made, learnerId, "1", { requestId })).toEqual(first);
});

test("a quiz of the revision before is graded by it for a day, and not after", async () => {
  const made = await course(cms, { attemptsMax: 0 });
  const learnerId = await learner(cms, made.courseId);
  await republish(cms, made, made.lessons.slice(0, 1));
  expect(await submit(made, learnerId, "42")).toMatchObject({ passed: true, revision: 1 });
  const unknown = refusalOf(submit(made, learnerId, "42", { revision: 7 }));
  expect(await unknown).toMatchObject({ refusal: "REVISION_NOT_LIVE" });

  const old = await course(cms, { attemptsMax: 0 });
  const { courseId } = old;
  const late = await learner(cms, courseId);
  await cms.asOwner(`
    insert into course_revision
    select (jsonb_populate_record(first, jsonb_build_object(
      'revision', 2, 'publish_time', now() - interval '25 hours'))).*
    from course_revision first where course_id = '${courseId}'
  `);
  await cms.asOwner(`update course set published_revision = 2 where course_id = '${courseId}'`);
  const refused = refusalOf(submit(old, late, "42"));
  expect(await refused).toMatchObject({ refusal: "REVISION_NOT_LIVE", resource: courseId });
});

type Submission = { questionId?: string; requestId?: string; revision?: number };

async function submit(
  made: LearningCourse,
  learnerId: string,
  number: string,
  over: Submission = {},
) {
  const { questionId = "n", requestId = randomUUID(), revision = 1 } = over;
  const { attempt } = await cms.quizzes.submitQuizAttempt({
    ...{ requestId, learnerId, courseId: made.courseId, revision, blockId: made.quizId },
    lessonId: made.lessonIds[0] ?? "",
    answers: [{ questionId, answer: { case: "number", value: number } }],
  });
  return attempt;
}

test("without a key the service answers that no certificate can be signed", async () => {
  const made = await course(cms);
  const learnerId = await completed(cms, made);
  const issue = { learnerId, courseId: made.courseId, learnerName: "Ada" };
  expect(await refusalOf(cms.certificates.issueCertificate(issue))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "CERTIFICATE_KEYS_MISSING",
  });
  expect((await cms.certificates.getCertificateKeys({})).jwksJson).toBe('{"keys":[]}');
});

async function completionsTold(learnerId: string): Promise<number> {
  const rows = await cms.database.pool`
    select 1 from outbox
    where subject = 'bursar.cms.v1.CourseCompleted' and headers::text like ${`%${learnerId}%`}
  `;
  return rows.length;
}
