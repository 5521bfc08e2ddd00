// What a comparison of two schemas found: one change, what it does to whom, and what to do about it.

import type { Place } from "./place.ts";

/** Who is hurt by a change, or `none` where nobody is. */
export type Effect =
  /** Requests that were accepted are refused. */
  | "breaks-callers"
  /** Answers and events hold what readers were told they never hold. */
  | "breaks-consumers"
  /** Somebody may do or see more than before. */
  | "security"
  /** It is wrong whatever stood there before. */
  | "error"
  /** Nobody has to do anything. */
  | "none";

export type Finding = {
  readonly effect: Effect;
  /** `bursar.cms.v1.CourseService.CreateCourse`, or a message, field, event or stream. */
  readonly name: string;
  /** What changed, in one phrase: `string.min_len was 1 and is 50`. */
  readonly change: string;
  /** Why it has this effect. */
  readonly why: string;
  /** Identities, methods and events that it reaches, from the schema. */
  readonly affected: readonly string[];
  /** What to do. */
  readonly remedy: string;
  /** Where it stands today. */
  readonly place?: Place;
};

/** The name by which an acknowledgement means this finding and no other. */
export function findingId({ effect, name, change }: Finding): string {
  return `${effect} ${name}: ${change}`;
}

export function isBreaking({ effect }: Finding): boolean {
  return effect !== "none";
}

/** All that a person needs to decide. */
export function describeFinding(finding: Finding): string {
  const { effect, name, change, why, affected, remedy, place } = finding;
  const who = affected.length > 0 ? affected.slice(0, 8).join(", ") : "nobody in the schema";
  const more = affected.length > 8 ? ` and ${affected.length - 8} more` : "";
  return [
    place ? `${effect}: ${name} (${place.file}:${place.line})` : `${effect}: ${name}`,
    `  what   ${change}`,
    `  why    ${why}`,
    `  whom   ${who}${more}`,
    `  do     ${remedy}`,
  ].join("\n");
}
