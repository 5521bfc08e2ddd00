// When a course may be changed and published. An author names the version that
// was looked at; nothing is decided about a tree that has moved on since.

/** Version of the whole tree, as HTTP writes it. */
export function etagOf(version: bigint): string {
  return `"${version}"`;
}

/** Why a change or a publication is refused, in the order the rules are checked. */
export type CourseRefusal =
  | { readonly reason: "etag-mismatch"; readonly currentEtag: string }
  | { readonly reason: "course-empty" };

/** Undefined when the change may be made. */
export function refuseChange(version: bigint, etag: string): CourseRefusal | undefined {
  const currentEtag = etagOf(version);
  return etag === currentEtag ? undefined : { reason: "etag-mismatch", currentEtag };
}

export type PublishDecision =
  | { readonly kind: "refused"; readonly refusal: CourseRefusal }
  /** Learners see this content already. */
  | { readonly kind: "unchanged"; readonly revision: number }
  | { readonly kind: "published"; readonly revision: number };

export type Publication = { readonly revision: number; readonly sha256: string };

/**
 * Publishing what is already published makes no second revision of it: a caller
 * who lost the answer may ask again. Content that was published earlier and
 * replaced since gets a new number, because the numbers tell what learners saw
 * one after the other.
 */
export function decidePublish(
  draft: { readonly version: bigint; readonly lessonCount: number; readonly sha256: string },
  etag: string,
  published: Publication | undefined,
): PublishDecision {
  const refusal = refuseChange(draft.version, etag);
  if (refusal) return { kind: "refused", refusal };
  if (draft.lessonCount === 0) return { kind: "refused", refusal: { reason: "course-empty" } };
  if (published?.sha256 === draft.sha256)
    return { kind: "unchanged", revision: published.revision };
  return { kind: "published", revision: (published?.revision ?? 0) + 1 };
}
