import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asOf, type CourseLife, type LifeState, type Step, stateOf, takeStep } from "./life.ts";

const now = new Date(1_000_000);
const later = new Date(1_000_001);
const earlier = new Date(999_999);

const draft: CourseLife = {
  publishedRevision: null,
  scheduledRevision: null,
  scheduledTime: null,
  unpublishTime: null,
  archiveTime: null,
};
const published: CourseLife = { ...draft, publishedRevision: 1 };
const planned = { scheduledRevision: 2, scheduledTime: later };
const lives = {
  draft,
  published,
  "published and planned": { ...published, ...planned },
  scheduled: { ...draft, ...planned },
  unpublished: { ...draft, unpublishTime: earlier },
  "unpublished and planned": { ...draft, unpublishTime: earlier, ...planned },
  archived: { ...published, archiveTime: earlier },
  "archived draft": { ...draft, archiveTime: earlier },
} satisfies Record<string, CourseLife>;

const steps = {
  publish: { kind: "publish", revision: 3 },
  schedule: { kind: "schedule", revision: 3, time: later },
  cancel: { kind: "cancel" },
  unpublish: { kind: "unpublish" },
  archive: { kind: "archive" },
  unarchive: { kind: "unarchive" },
} satisfies Record<Step["kind"], Step>;

type Row = Record<Step["kind"], string>;
const no = (wanted: LifeState) => `illegal: ${wanted}`;
const nothing = "nothing-scheduled";

/** What each step makes of each life. */
const table: Record<keyof typeof lives, Row> = {
  draft: {
    publish: "published",
    schedule: "scheduled",
    cancel: nothing,
    unpublish: no("unpublished"),
    archive: "archived",
    unarchive: no("draft"),
  },
  published: {
    publish: "published",
    schedule: "published",
    cancel: nothing,
    unpublish: "unpublished",
    archive: "archived",
    unarchive: no("published"),
  },
  "published and planned": {
    publish: "published",
    schedule: "published",
    cancel: "published",
    unpublish: "unpublished",
    archive: "archived",
    unarchive: no("published"),
  },
  scheduled: {
    publish: "published",
    schedule: "scheduled",
    cancel: "draft",
    unpublish: no("unpublished"),
    archive: "archived",
    unarchive: no("scheduled"),
  },
  unpublished: {
    publish: "published",
    schedule: "scheduled",
    cancel: nothing,
    unpublish: no("unpublished"),
    archive: "archived",
    unarchive: no("unpublished"),
  },
  "unpublished and planned": {
    publish: "published",
    schedule: "scheduled",
    cancel: "unpublished",
    unpublish: no("unpublished"),
    archive: "archived",
    unarchive: no("scheduled"),
  },
  archived: {
    publish: no("published"),
    schedule: no("published"),
    cancel: nothing,
    unpublish: no("unpublished"),
    archive: no("archived"),
    unarchive: "published",
  },
  "archived draft": {
    publish: no("published"),
    schedule: no("scheduled"),
    cancel: nothing,
    unpublish: no("unpublished"),
    archive: no("archived"),
    unarchive: "draft",
  },
};

describe.each(Object.entries(table))("from %s", (name, row) => {
  test.each(Object.entries(row))("%s leads to: %s", (kind, expected) => {
    const outcome = takeStep(lives[name as keyof typeof lives], steps[kind as Step["kind"]], now);
    const actual =
      outcome.kind === "taken"
        ? stateOf(outcome.life, now)
        : outcome.kind === "illegal"
          ? no(outcome.wanted)
          : outcome.kind;
    expect(actual).toBe(expected);
  });
});

test("what was scheduled is dropped by every step but the one that cannot meet it, and logged", () => {
  for (const kind of ["publish", "schedule", "cancel", "unpublish", "archive"] as const) {
    const outcome = takeStep(lives["published and planned"], steps[kind], now);
    expect(outcome).toMatchObject({
      kind: "taken",
      life: { scheduledRevision: kind === "schedule" ? 3 : null },
    });
    expect(outcome.kind === "taken" && outcome.log[0]).toEqual({
      kind: "schedule-cancelled",
      fromRevision: 1,
      toRevision: 2,
      effectiveTime: now,
    });
  }
});

test("a revision that is due is the published one since its time, not since somebody looked", () => {
  const life = lives["unpublished and planned"];
  expect(stateOf(life, now)).toBe("scheduled");
  expect(stateOf(life, later)).toBe("published");
  expect(asOf(life, later)).toEqual({
    life: { ...draft, publishedRevision: 2 },
    log: [{ kind: "published", fromRevision: null, toRevision: 2, effectiveTime: later }],
  });
  expect(asOf(life, now)).toEqual({ life, log: [] });
});

test("after any steps at any times the pointers agree with each other and with the log", () => {
  const anyStep = fc.oneof(
    fc.constantFrom<Step>(
      { kind: "cancel" },
      { kind: "unpublish" },
      { kind: "publish", revision: 0 },
    ),
    fc.constantFrom<Step>({ kind: "archive" }, { kind: "unarchive" }),
    fc.record({ kind: fc.constant("schedule" as const), aheadMs: fc.integer({ min: 1, max: 50 }) }),
  );
  const history = fc.array(fc.tuple(anyStep, fc.integer({ min: 0, max: 60 })), { maxLength: 30 });
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed}`);
  fc.assert(
    fc.property(history, (taken) => {
      let life = draft;
      let seen: number | null = null;
      let clock = 0;
      let revision = 0;
      for (const [chosen, waitMs] of taken) {
        clock += waitMs;
        const at = new Date(clock);
        const due = asOf(life, at);
        revision++;
        const step: Step =
          "aheadMs" in chosen
            ? { kind: "schedule", revision, time: new Date(clock + chosen.aheadMs) }
            : chosen.kind === "publish"
              ? { kind: "publish", revision }
              : chosen;
        const outcome = takeStep(due.life, step, at);
        const log = [...due.log, ...(outcome.kind === "taken" ? outcome.log : [])];
        for (const entry of log) {
          expect(entry.fromRevision).toBe(seen);
          if (entry.kind === "published") seen = entry.toRevision;
          if (entry.kind === "unpublished") seen = null;
        }
        life = outcome.kind === "taken" ? outcome.life : due.life;
        expect(life.publishedRevision).toBe(seen);
        expect(life.scheduledRevision === null).toBe(life.scheduledTime === null);
        if (life.archiveTime !== null) expect(life.scheduledRevision).toBeNull();
      }
    }),
    { seed },
  );
});
