// Changes that hurt somebody and were made all the same: a list with a date and a reason each, in
// contracts/acknowledged.yaml. An entry means one finding, by its whole text; one that means none
// is wrong, because the next change would hide behind it.

import { type EntryProblem, readEntries } from "./entries.ts";
import { type Finding, findingId, isBreaking } from "./finding.ts";

export type Acknowledgement = {
  readonly finding: string;
  /** `2026-11-24`. */
  readonly date: string;
  readonly reason: string;
  /** From 1. */
  readonly line: number;
};

export type Acknowledged = {
  readonly acknowledgements: readonly Acknowledgement[];
  readonly problems: readonly EntryProblem[];
};

export function readAcknowledgements(text: string, today: string): Acknowledged {
  const { entries, problems } = readEntries(text, ["finding", "date", "reason"]);
  const dated = entries.map((entry) => ({ entry, problem: dateProblem(entry.date, today) }));
  return {
    acknowledgements: dated.flatMap(({ entry, problem }) => (problem ? [] : [entry])),
    problems: [
      ...problems,
      ...dated.flatMap(({ entry, problem }) => (problem ? [{ line: entry.line, problem }] : [])),
    ],
  };
}

function dateProblem(date: string, today: string): string | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(Date.parse(date))) {
    return `date ${JSON.stringify(date)} is no day such as 2026-01-31`;
  }
  return date > today ? `date ${date} is still to come` : undefined;
}

export type Judged = {
  /** Breaking, and nobody said that it may be. */
  readonly open: readonly Finding[];
  readonly accepted: readonly Finding[];
  readonly harmless: readonly Finding[];
  readonly problems: readonly EntryProblem[];
};

export function judgeFindings(
  findings: readonly Finding[],
  { acknowledgements, problems }: Acknowledged,
): Judged {
  const byFinding = Map.groupBy(acknowledgements, ({ finding }) => finding);
  const ids = new Set(findings.filter(isBreaking).map(findingId));
  const isAccepted = (one: Finding) => one.effect !== "error" && byFinding.has(findingId(one));
  const breaking = findings.filter(isBreaking);
  return {
    open: breaking.filter((one) => !isAccepted(one)),
    accepted: breaking.filter(isAccepted),
    harmless: findings.filter((one) => !isBreaking(one)),
    problems: [
      ...problems,
      ...acknowledgements
        .filter(({ finding }) => !ids.has(finding))
        .map(({ finding, line }) => ({
          line,
          problem: `acknowledges nothing that changed: ${finding}; remove the entry`,
        })),
      ...[...byFinding.values()]
        .filter(({ length }) => length > 1)
        .map(([first, second]) => ({
          line: second?.line ?? 0,
          problem: `says again what line ${first?.line} says; remove one`,
        })),
    ],
  };
}
