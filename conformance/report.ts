// What the runner says, read: the numbers at its end, and what it tells of the
// cases that failed as they were listed to.

import { type Listed, matches } from "./lists.ts";

export type Report = {
  readonly passed: number;
  /** Failed and not listed, listed and passed, failed otherwise than listed, or could not be run. */
  readonly failed: number;
  /** Failed, as listed. */
  readonly listed: number;
  /** What a reader needs to see: everything but the cases that failed as listed. */
  readonly text: string;
};

/** Undefined: the runner did not come to its end. */
export function readReport(output: string, listed: readonly Listed[]): Report | undefined {
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  if (counts === null) return undefined;
  const notRun = /^Another (\d+) could not be run/m.exec(output);
  const asListed: string[] = [];
  const otherwise: string[] = [];
  const text = output.replace(expected, (block: string, name: string, complaint: string) => {
    const isListed = listed.some((group) => explains(group, name, complaint));
    (isListed ? asListed : otherwise).push(name);
    return isListed ? "" : block.replace("INFO:", "FAILED otherwise than listed:");
  });
  return {
    passed: Number(counts[1]),
    failed: Number(counts[2]) + Number(notRun?.[1] ?? 0) + otherwise.length,
    listed: asListed.length,
    text: text.replace(/\n{3,}/g, "\n\n").trim(),
  };
}

const expected = /^INFO: (.*) failed \(as expected\):\n((?:\t.*\n)*)/gm;

function explains({ patterns, complaints }: Listed, name: string, complaint: string): boolean {
  const lines = complaint.split("\n").filter((line) => line.trim() !== "");
  return (
    patterns.some((pattern) => matches(pattern, name)) &&
    lines.length > 0 &&
    lines.every((line) => complaints.some((known) => line.includes(known)))
  );
}
