// What a publication does: a new revision, or none because learners see the
// content already, or will at the very time that was asked for.

/** The draft that was looked at. */
export type Draft = { readonly lessonCount: number; readonly sha256: string };

/** A revision that learners see, or will. */
export type Publication = {
  readonly revision: number;
  readonly sha256: string;
  readonly publishTime: Date;
};

export type Publications = {
  readonly published: Publication | undefined;
  readonly scheduled: Publication | undefined;
  /** Highest number that the course has used; zero when it has none. */
  readonly lastRevision: number;
};

export type PublishDecision =
  | { readonly kind: "empty" }
  | { readonly kind: "time-passed" }
  | { readonly kind: "time-too-far" }
  /** There is such a revision. Unless it keeps the schedule, nothing is scheduled any more. */
  | {
      readonly kind: "unchanged";
      readonly publication: Publication;
      readonly keepsSchedule: boolean;
    }
  | { readonly kind: "publish"; readonly revision: number }
  | { readonly kind: "schedule"; readonly revision: number; readonly time: Date };

const yearsAheadMax = 5;
const yearMs = 366 * 24 * 3_600_000;

/**
 * A caller who lost the answer may ask again and gets the same one, also when the
 * time has come meanwhile. Content that was published earlier and replaced since
 * gets a new number, because the numbers tell what learners saw one after the other.
 */
export function decidePublish(
  draft: Draft,
  { published, scheduled, lastRevision }: Publications,
  time: Date | undefined,
  now: Date,
): PublishDecision {
  if (draft.lessonCount === 0) return { kind: "empty" };
  const revision = lastRevision + 1;
  const isPublished = published?.sha256 === draft.sha256;
  if (time === undefined) {
    if (isPublished) return { kind: "unchanged", publication: published, keepsSchedule: false };
    return { kind: "publish", revision };
  }
  if (scheduled?.sha256 === draft.sha256 && scheduled.publishTime.getTime() === time.getTime()) {
    return { kind: "unchanged", publication: scheduled, keepsSchedule: true };
  }
  if (isPublished && published.publishTime.getTime() === time.getTime()) {
    return { kind: "unchanged", publication: published, keepsSchedule: true };
  }
  if (!(time > now)) return { kind: "time-passed" };
  if (time.getTime() - now.getTime() > yearsAheadMax * yearMs) return { kind: "time-too-far" };
  if (isPublished) return { kind: "unchanged", publication: published, keepsSchedule: false };
  return { kind: "schedule", revision, time };
}
