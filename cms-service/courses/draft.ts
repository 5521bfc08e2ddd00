// A draft while it is changed: locked, checked, and shown to its author afterwards.

import type { ConnectError } from "@connectrpc/connect";
import type { Tx } from "#mesh/database/pool.ts";
import { archivedCourse } from "../publishing/locked.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { type DraftProblem, problemsMax } from "./draft-problems.ts";
import { type LockedCourse, lockCourse } from "./lock.ts";
import { readTree } from "./tree.ts";
import { courseToWire } from "./wire.ts";

/** Nobody changes an archived course. */
export async function lockDraft(tx: Tx, courseId: string): Promise<LockedCourse> {
  const course = await lockCourse(tx, courseId);
  if (course.archiveTime === null) return course;
  throw archivedCourse(course);
}

/** The course without the texts of its lessons. */
export async function outline(tx: Tx, courseId: string) {
  const tree = await readTree(tx, courseId, { texts: false });
  if (!tree) throw notFound("COURSE_NOT_FOUND", courseId);
  return courseToWire(tree);
}

/** Throws one refusal that tells all of them. */
export function refuseProblems(resource: string, problems: readonly DraftProblem[]): void {
  if (problems.length > 0) throw draftInvalid(resource, problems);
}

function draftInvalid(resource: string, problems: readonly DraftProblem[]): ConnectError {
  const told = problems.slice(0, problemsMax).map((one) => ({ ...one }));
  const [first] = told;
  const more = problems.length > 1 ? ` and ${problems.length - 1} more problems` : "";
  const what = `${resource}: ${first?.field} ${first?.problem}${more}`;
  return refused("DRAFT_INVALID", what, { resource, problems: told });
}

/** What an update changes: at least one field, and none but those that it can change. */
export function masked(
  mask: { readonly paths: readonly string[] } | undefined,
  changeable: readonly string[],
): ReadonlySet<string> {
  const fields = new Set(mask?.paths);
  const other = [...fields].find((field) => !changeable.includes(field));
  if (fields.size > 0 && other === undefined) return fields;
  const what = other === undefined ? "no field" : JSON.stringify(other.slice(0, 64));
  throw refused(
    "UPDATE_INVALID",
    `update_mask names ${what}; it may name ${changeable.join(", ")}`,
  );
}
