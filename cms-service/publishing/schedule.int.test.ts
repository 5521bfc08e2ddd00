import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CourseState } from "#gen/bursar/cms/v1/course_pb.ts";
import { CoursePublishedSchema, CourseUnpublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { CoursePublicationKind } from "#gen/bursar/cms/v1/publishing_service_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { schema } from "../app.ts";
import { makeCourse, makeDraft, openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import { changeDraft, eventsOf, untilPassed } from "../testing/drafts.ts";
import { startSweeper, sweep } from "./sweeper.ts";
import { writeDownDue } from "./write-down.ts";

let cms: TestCms;
/** Of another process. */
let other: Pool;
beforeAll(async () => {
  cms = await openTestCms();
  other = openPool({ url: cms.database.url, schema, connectionsMax: 4 });
});
afterAll(async () => {
  await other.end({ timeout: 5 });
  await cms[Symbol.asyncDispose]();
});

const soon = () => new Date(Date.now() + 600);
const tomorrow = () => new Date(Date.now() + 24 * 3_600_000);

async function schedule({ courseId, etag }: { courseId: string; etag: string }, time: Date) {
  return cms.courses.publishCourse({ courseId, etag, publishTime: timestampFromDate(time) });
}

async function seenBy(courseId: string) {
  const { course } = await cms.catalog.getCatalogCourse({
    name: { case: "courseId", value: courseId },
  });
  return course;
}

async function pointerOf(courseId: string) {
  const [row] = await cms.database.pool<{ published: number | null; scheduled: number | null }[]>`
    select published_revision as published, scheduled_revision as scheduled
    from course where course_id = ${courseId}
  `;
  return row;
}

const sweepAs = (pool: Pool) => sweep({ pool, log: silentLog() });

test("a scheduled revision is seen at its time, as it was looked at, before anybody writes it down", async () => {
  const draft = await makeDraft(cms);
  const { courseId } = draft;
  const time = soon();
  const answer = await schedule(draft, time);
  expect(answer.revision).toMatchObject({ revision: 1, publishTime: timestampFromDate(time) });
  expect(answer.course).toMatchObject({
    state: CourseState.SCHEDULED,
    publishedRevision: 0,
    scheduledRevision: 1,
    scheduledPublishTime: timestampFromDate(time),
  });
  expect((await refusalOf(seenBy(courseId))).code).toBe(Code.NotFound);
  await changeDraft(cms, courseId, (content) => {
    content.title = "Changed after it was looked at";
  });
  await untilPassed(cms, time);

  expect(await seenBy(courseId)).toMatchObject({ revision: 1, title: "Algebra" });
  const { course } = await cms.courses.getCourse({ courseId });
  expect(course).toMatchObject({ state: CourseState.PUBLISHED, publishedRevision: 1 });
  expect(course?.scheduledRevision).toBe(0);
  expect(await pointerOf(courseId)).toEqual({ published: null, scheduled: 1 });
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toEqual([]);
});

test("it is written down once, at its own time, however many sweep and how late", async () => {
  const courses = await Promise.all(Array.from({ length: 5 }, () => makeDraft(cms)));
  const time = soon();
  for (const course of courses) await schedule(course, time);
  await untilPassed(cms, time);
  const pools = [cms.database.pool, other, cms.database.pool, other];
  await Promise.all(pools.map(sweepAs));
  expect(await sweepAs(other)).toBe(0);

  for (const { courseId } of courses) {
    expect(await pointerOf(courseId)).toEqual({ published: 1, scheduled: null });
    const publishTime = timestampFromDate(time);
    expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toMatchObject([
      { courseId, revision: 1, publishTime },
    ]);
    const { publications } = await cms.publishing.listCoursePublications({ courseId });
    expect(publications).toMatchObject([
      { kind: CoursePublicationKind.PUBLISHED, toRevision: 1, effectiveTime: publishTime },
      { kind: CoursePublicationKind.SCHEDULED, toRevision: 1, effectiveTime: publishTime },
    ]);
    const [published, scheduled] = publications;
    expect(published?.actor).toBe(scheduled?.actor);
    expect(timestampDate(published!.recordTime!) > time).toBe(true);
  }
});

test("a sweeper that dies before its commit leaves all of it to the next", async () => {
  const draft = await makeDraft(cms);
  const { courseId } = draft;
  const time = soon();
  await schedule(draft, time);
  await untilPassed(cms, time);

  const dying = openPool({ url: cms.database.url, schema, connectionsMax: 1 });
  const killed = dying.begin(async (tx) => {
    const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await tx`select from course where course_id = ${courseId} for update`;
    await writeDownDue(tx, courseId);
    // Its lock keeps the others away, and does not hold them up.
    expect(await sweepAs(other)).toBe(0);
    const killer = openPool({ url: cms.database.superUrl, connectionsMax: 1 });
    await killer`select pg_terminate_backend(${row?.pid ?? 0})`;
    await killer.end({ timeout: 5 });
    await tx`select 1`;
  });
  await expect(killed).rejects.toThrow();
  await dying.end({ timeout: 5 });
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toEqual([]);

  // Its lock goes when the database has noticed.
  await expect.poll(() => sweepAs(other), { timeout: 10_000 }).toBe(1);
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toHaveLength(1);
});

test("a process that starts late writes down what came due before it, by itself", async () => {
  const draft = await makeDraft(cms);
  const { courseId } = draft;
  const time = soon();
  await schedule(draft, time);
  await untilPassed(cms, time);
  const parts = { pool: other, log: silentLog(), metrics: createMetrics("cms-service") };
  const sweepers = [startSweeper(parts), startSweeper({ ...parts, pool: cms.database.pool })];
  await expect
    .poll(() => pointerOf(courseId), { timeout: 20_000 })
    .toEqual({ published: 1, scheduled: null });
  for (const sweeper of sweepers) await sweeper[Symbol.asyncDispose]();
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toHaveLength(1);
});

test("who comes after the time and before the sweeper finds the revision published", async () => {
  const draft = await makeDraft(cms);
  const { courseId, etag } = draft;
  const time = soon();
  await schedule(draft, time);
  await untilPassed(cms, time);
  expect(await refusalOf(cms.publishing.cancelScheduledPublish({ courseId, etag }))).toMatchObject({
    code: Code.FailedPrecondition,
    refusal: "NOTHING_SCHEDULED",
  });
  const { course } = await cms.publishing.unpublishCourse({ courseId, etag });
  expect(course?.state).toBe(CourseState.UNPUBLISHED);
  expect((await refusalOf(seenBy(courseId))).code).toBe(Code.NotFound);
  expect(await sweepAs(other)).toBe(0);
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toMatchObject([
    { revision: 1, publishTime: timestampFromDate(time) },
  ]);
  expect(await eventsOf(cms, CourseUnpublishedSchema, courseId)).toMatchObject([{ revision: 1 }]);
});

test("a mutation and two sweepers at the very time write it down once", async () => {
  const draft = await makeDraft(cms);
  const { courseId } = draft;
  const time = soon();
  await schedule(draft, time);
  const etag = await changeDraft(cms, courseId, (content) => {
    content.title = "Second";
  });
  await untilPassed(cms, time);
  const publishing = cms.courses.publishCourse({ courseId, etag });
  await Promise.all([sweepAs(cms.database.pool), publishing, sweepAs(other)]);
  const events = await eventsOf(cms, CoursePublishedSchema, courseId);
  expect(events.map(({ revision }) => revision)).toEqual([1, 2]);
  expect(await pointerOf(courseId)).toEqual({ published: 2, scheduled: null });
});

test("publishing again takes the place of what was scheduled", async () => {
  const draft = await makeDraft(cms);
  const { courseId, etag } = draft;
  const [first, second] = [tomorrow(), new Date(tomorrow().getTime() + 1_000)];
  await schedule(draft, first);
  expect((await schedule(draft, first)).revision?.revision).toBe(1);
  const moved = await schedule(draft, second);
  expect(moved.course).toMatchObject({ scheduledRevision: 2 });
  expect(moved.course?.scheduledPublishTime).toEqual(timestampFromDate(second));
  const now = await cms.courses.publishCourse({ courseId, etag });
  expect(now.course).toMatchObject({ publishedRevision: 3, scheduledRevision: 0 });
  const { publications } = await cms.publishing.listCoursePublications({ courseId });
  expect(publications.map(({ kind, toRevision }) => [kind, toRevision]).reverse()).toEqual([
    [CoursePublicationKind.SCHEDULED, 1],
    [CoursePublicationKind.SCHEDULE_CANCELLED, 1],
    [CoursePublicationKind.SCHEDULED, 2],
    [CoursePublicationKind.SCHEDULE_CANCELLED, 2],
    [CoursePublicationKind.PUBLISHED, 3],
  ]);
});

test("what is cancelled is never seen", async () => {
  const course = await makeCourse(cms);
  const { courseId } = course;
  const etag = await changeDraft(cms, courseId, (content) => {
    content.title = "Planned";
  });
  const time = soon();
  const planned = await schedule({ courseId, etag }, time);
  expect(planned.course?.state).toBe(CourseState.PUBLISHED);
  const cancelled = await cms.publishing.cancelScheduledPublish({ courseId, etag });
  expect(cancelled.course).toMatchObject({ publishedRevision: 1, scheduledRevision: 0 });
  await untilPassed(cms, time);
  await sweepAs(other);
  expect(await seenBy(courseId)).toMatchObject({ revision: 1, title: "Algebra" });
});

test("a deleted course comes back with what was due, not before", async () => {
  const draft = await makeDraft(cms);
  const { courseId } = draft;
  const time = soon();
  await schedule(draft, time);
  const at = `where course_id = '${courseId}'`;
  await cms.asOwner(`update course set delete_time = now(), purge_time = now() ${at}`);
  await untilPassed(cms, time);
  await sweepAs(other);
  expect((await refusalOf(seenBy(courseId))).code).toBe(Code.NotFound);
  expect(await eventsOf(cms, CoursePublishedSchema, courseId)).toEqual([]);
  await cms.asOwner(`update course set delete_time = null, purge_time = null ${at}`);
  expect(await seenBy(courseId)).toMatchObject({ revision: 1 });
  expect(await sweepAs(other)).toBe(1);
});

test.each([
  ["has passed", timestampFromDate(new Date(Date.now() - 1))],
  ["has passed", { seconds: -62_135_596_800n, nanos: 0 }],
  ["is more than five years away", { seconds: 253_402_300_799n, nanos: 999_999_999 }],
  ["is more than five years away", timestampFromDate(new Date(Date.now() + 6 * 366 * 86_400_000))],
])("a publish time that %s is refused", async (what, publishTime) => {
  const { courseId, etag } = await makeDraft(cms);
  const call = cms.courses.publishCourse({ courseId, etag, publishTime });
  await expect(call).rejects.toThrow(what);
  expect(await refusalOf(call)).toMatchObject({
    code: Code.InvalidArgument,
    refusal: "PUBLISH_TIME_INVALID",
    resource: courseId,
  });
  expect(await pointerOf(courseId)).toEqual({ published: null, scheduled: null });
});

test("one course that cannot be written down holds up no other", async () => {
  const [broken, sound] = [await makeDraft(cms), await makeDraft(cms)];
  const time = soon();
  await schedule(broken, time);
  await schedule(sound, time);
  await untilPassed(cms, time);
  await cms.asOwner(`create function break_one() returns trigger language plpgsql as $$
    begin
      if new.course_id = '${broken.courseId}' then raise exception 'no'; end if;
      return new;
    end $$`);
  await cms.asOwner(`create trigger break_one before insert on course_publication
    for each row execute function break_one()`);
  expect(await sweepAs(other)).toBe(1);
  expect(await pointerOf(sound.courseId)).toEqual({ published: 1, scheduled: null });
  await cms.asOwner("drop trigger break_one on course_publication");
  expect(await inTransaction(other, (tx) => writeDownDue(tx, broken.courseId))).toMatchObject({
    life: { publishedRevision: 1 },
  });
});
