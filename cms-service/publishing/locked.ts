// A course that is locked, looked at as of now, so that a step of its life can be
// taken from where it really is.

import type { ConnectError } from "@connectrpc/connect";
import type { Tx } from "#mesh/database/pool.ts";
import { refuseStale } from "../courses/change.ts";
import { lockCourse } from "../courses/lock.ts";
import { refused } from "../requests/refusal.ts";
import {
  type CourseLife,
  type LifeState,
  type Step,
  type StepOutcome,
  stateOf,
  type Taken,
  takeStep,
} from "./life.ts";
import type { LifeNow } from "./life-store.ts";
import { wireStates } from "./life-wire.ts";
import { writeDown, writeDownDue } from "./write-down.ts";

export type Locked = LifeNow & { readonly courseId: string };

/** Throws a refusal when there is no such course, or it is not the one that was looked at. */
export async function lockLife(tx: Tx, courseId: string, etag: string): Promise<Locked> {
  const { version } = await lockCourse(tx, courseId);
  await refuseStale(tx, { courseId, etag, version });
  return { courseId, ...(await writeDownDue(tx, courseId)) };
}

export async function takeLocked(tx: Tx, locked: Locked, step: Step, actor: string): Promise<void> {
  await writeDown(tx, locked.courseId, requireLegal(locked, step), actor);
}

export function requireLegal({ courseId, life, now }: Locked, step: Step): Taken {
  const outcome = takeStep(life, step, now);
  if (outcome.kind === "taken") return outcome;
  throw stepRefused(courseId, step, outcome);
}

type Refused = Exclude<StepOutcome, { readonly kind: "taken" }>;

function stepRefused(courseId: string, { kind }: Step, outcome: Refused): ConnectError {
  const state = wireStates[outcome.state];
  if (outcome.kind === "nothing-scheduled") {
    const what = `course ${courseId} is ${outcome.state.toUpperCase()} and has no scheduled publication`;
    return refused("NOTHING_SCHEDULED", what, { resource: courseId, currentState: state });
  }
  return illegal(courseId, outcome.state, outcome.wanted, nextSteps[kind]);
}

/** What to do first, where a step is not legal. */
const nextSteps: Record<Step["kind"], string> = {
  publish: "unarchive it first",
  schedule: "unarchive it first",
  cancel: "nothing is scheduled",
  unpublish: "only a published course can be unpublished",
  archive: "it is archived already",
  unarchive: "only an archived course can be unarchived",
};

function illegal(
  courseId: string,
  current: LifeState,
  wanted: LifeState,
  nextStep: string,
): ConnectError {
  const [currentState, wantedState] = [wireStates[current], wireStates[wanted]];
  const [is, becomes] = [current.toUpperCase(), wanted.toUpperCase()];
  const what = `course ${courseId} is ${is} and cannot become ${becomes}: ${nextStep}`;
  return refused("COURSE_STATE_ILLEGAL", what, { resource: courseId, currentState, wantedState });
}

/** For whoever wants to change the draft of an archived course. */
export function archivedCourse({
  courseId,
  ...life
}: CourseLife & { readonly courseId: string }): ConnectError {
  const wanted = stateOf({ ...life, archiveTime: null }, new Date());
  return illegal(courseId, "archived", wanted, "unarchive it before its draft is changed");
}
