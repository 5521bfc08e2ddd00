// The life of a course as a machine: what was done to it is all there is, its
// state follows from that and from the clock, and every step from every state is
// either taken or refused.

import assert from "node:assert/strict";

/** What was done. A scheduled revision has a time, and an archived course schedules nothing. */
export type CourseLife = {
  readonly publishedRevision: number | null;
  readonly scheduledRevision: number | null;
  readonly scheduledTime: Date | null;
  readonly unpublishTime: Date | null;
  readonly archiveTime: Date | null;
};

export type LifeState = "draft" | "published" | "scheduled" | "unpublished" | "archived";

export type Step =
  | { readonly kind: "publish"; readonly revision: number }
  | { readonly kind: "schedule"; readonly revision: number; readonly time: Date }
  | { readonly kind: "cancel" | "unpublish" | "archive" | "unarchive" };

export type LogKind =
  | "published"
  | "scheduled"
  | "schedule-cancelled"
  | "unpublished"
  | "archived"
  | "unarchived";

/** What is written down about a step. */
export type LogEntry = {
  readonly kind: LogKind;
  readonly fromRevision: number | null;
  readonly toRevision: number | null;
  readonly effectiveTime: Date;
};

export type Taken = { readonly life: CourseLife; readonly log: readonly LogEntry[] };

export type StepOutcome =
  | ({ readonly kind: "taken" } & Taken)
  | { readonly kind: "illegal"; readonly state: LifeState; readonly wanted: LifeState }
  | { readonly kind: "nothing-scheduled"; readonly state: LifeState };

export function stateOf(life: CourseLife, now: Date): LifeState {
  const { publishedRevision, scheduledRevision, unpublishTime, archiveTime } = asOf(life, now).life;
  if (archiveTime !== null) return "archived";
  if (publishedRevision !== null) return "published";
  if (scheduledRevision !== null) return "scheduled";
  return unpublishTime === null ? "draft" : "unpublished";
}

/** With the scheduled revision, when it is due, in the published one's place. */
export function asOf(life: CourseLife, now: Date): Taken {
  const { publishedRevision, scheduledRevision, scheduledTime } = life;
  if (scheduledTime === null || scheduledTime > now) return { life, log: [] };
  const entry = {
    kind: "published",
    fromRevision: publishedRevision,
    toRevision: scheduledRevision,
    effectiveTime: scheduledTime,
  } as const;
  return { life: withPublished(life, scheduledRevision), log: [entry] };
}

const from = {
  publish: ["draft", "published", "scheduled", "unpublished"],
  schedule: ["draft", "published", "scheduled", "unpublished"],
  cancel: ["draft", "published", "scheduled", "unpublished", "archived"],
  unpublish: ["published"],
  archive: ["draft", "published", "scheduled", "unpublished"],
  unarchive: ["archived"],
} as const satisfies Record<Step["kind"], readonly LifeState[]>;

/** Of a life that is as of now: what has come due is written down first. */
export function takeStep(life: CourseLife, step: Step, now: Date): StepOutcome {
  assert(life.scheduledTime === null || life.scheduledTime > now, "the schedule is due");
  const state = stateOf(life, now);
  const legal: readonly LifeState[] = from[step.kind];
  const next = lifeAfter(life, step, now);
  if (!legal.includes(state)) return { kind: "illegal", state, wanted: stateOf(next, now) };
  if (step.kind === "cancel" && life.scheduledRevision === null) {
    return { kind: "nothing-scheduled", state };
  }
  return { kind: "taken", life: next, log: logOf(life, step, now) };
}

function lifeAfter(life: CourseLife, step: Step, now: Date): CourseLife {
  switch (step.kind) {
    case "publish":
      return { ...withPublished(life, step.revision), archiveTime: null };
    case "schedule":
      return {
        ...life,
        scheduledRevision: step.revision,
        scheduledTime: step.time,
        archiveTime: null,
      };
    case "cancel":
      return withoutSchedule(life);
    case "unpublish": {
      return {
        ...withoutSchedule(life),
        publishedRevision: null,
        unpublishTime: now,
        archiveTime: null,
      };
    }
    case "archive":
      return { ...withoutSchedule(life), archiveTime: now };
    case "unarchive":
      return { ...life, archiveTime: null };
  }
}

function logOf(life: CourseLife, step: Step, now: Date): readonly LogEntry[] {
  const { publishedRevision, scheduledRevision } = life;
  const entries: LogEntry[] = [];
  const enter = (kind: LogKind, toRevision: number | null, effectiveTime = now) => {
    entries.push({ kind, fromRevision: publishedRevision, toRevision, effectiveTime });
  };
  // Every other step puts something in its place, or ends it.
  if (scheduledRevision !== null && step.kind !== "unarchive") {
    enter("schedule-cancelled", scheduledRevision);
  }
  if (step.kind === "publish") enter("published", step.revision);
  if (step.kind === "schedule") enter("scheduled", step.revision, step.time);
  if (step.kind === "unpublish") enter("unpublished", null);
  if (step.kind === "archive") enter("archived", publishedRevision);
  if (step.kind === "unarchive") enter("unarchived", publishedRevision);
  return entries;
}

function withPublished(life: CourseLife, revision: number | null): CourseLife {
  return { ...withoutSchedule(life), publishedRevision: revision, unpublishTime: null };
}

function withoutSchedule(life: CourseLife): CourseLife {
  return { ...life, scheduledRevision: null, scheduledTime: null };
}
