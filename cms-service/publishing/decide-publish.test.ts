import { expect, test } from "vitest";
import { decidePublish, type Publications } from "./decide-publish.ts";

const now = new Date("2026-01-01T00:00:00Z");
const soon = new Date("2026-01-02T00:00:00Z");
const past = new Date("2025-12-31T23:59:59.999Z");
const draft = { lessonCount: 1, sha256: "new" };
const none: Publications = { published: undefined, scheduled: undefined, lastRevision: 0 };
const seen = { revision: 4, sha256: "old", publishTime: past };
const same = { ...seen, sha256: "new" };

test("a course without a lesson is not published", () => {
  expect(decidePublish({ ...draft, lessonCount: 0 }, none, undefined, now).kind).toBe("empty");
});

test("the next number follows the highest that was used, not the one that is published", () => {
  const publications = { ...none, published: seen, lastRevision: 9 };
  expect(decidePublish(draft, none, undefined, now)).toEqual({ kind: "publish", revision: 1 });
  expect(decidePublish(draft, publications, undefined, now)).toEqual({
    kind: "publish",
    revision: 10,
  });
  expect(decidePublish(draft, publications, soon, now)).toEqual({
    kind: "schedule",
    revision: 10,
    time: soon,
  });
});

test("what learners see already makes no revision and ends what is scheduled", () => {
  const publications = { ...none, published: same, lastRevision: 9 };
  for (const time of [undefined, soon]) {
    expect(decidePublish(draft, publications, time, now)).toEqual({
      kind: "unchanged",
      publication: same,
      keepsSchedule: false,
    });
  }
});

test("asking again for the same time changes nothing, before it and after it", () => {
  const scheduled = { ...same, publishTime: soon };
  expect(decidePublish(draft, { ...none, scheduled, lastRevision: 4 }, soon, now)).toEqual({
    kind: "unchanged",
    publication: scheduled,
    keepsSchedule: true,
  });
  const after = { ...none, published: scheduled, lastRevision: 4 };
  expect(decidePublish(draft, after, soon, new Date(soon.getTime() + 1))).toEqual({
    kind: "unchanged",
    publication: scheduled,
    keepsSchedule: true,
  });
});

test("the same content at another time is another revision", () => {
  const scheduled = { ...same, publishTime: soon };
  const time = new Date(soon.getTime() + 1);
  const publications = { ...none, scheduled, lastRevision: 4 };
  expect(decidePublish(draft, publications, time, now)).toMatchObject({
    kind: "schedule",
    revision: 5,
  });
  expect(decidePublish(draft, publications, undefined, now)).toMatchObject({
    kind: "publish",
    revision: 5,
  });
});

test.each([
  ["time-passed", past],
  ["time-passed", now],
  ["time-passed", new Date(Number.NaN)],
  ["time-too-far", new Date("2031-01-06T00:00:00Z")],
  ["schedule", new Date("2031-01-01T00:00:00Z")],
  ["schedule", new Date(now.getTime() + 1)],
])("it is %s for %o", (kind, time) => {
  expect(decidePublish(draft, none, time, now).kind).toBe(kind);
});
