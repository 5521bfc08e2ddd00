// Changes that hurt somebody and were made all the same: a list with a date and a reason each, in
// contracts/acknowledged.yaml. An entry means one finding, by its whole text; one that means none
// is wrong, because the next change would hide behind it.

import { isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from "yaml";
import { type Finding, findingId, isBreaking } from "./finding.ts";

export type Acknowledgement = {
  readonly finding: string;
  /** `2026-11-24`. */
  readonly date: string;
  readonly reason: string;
  /** From 1. */
  readonly line: number;
};

export type AcknowledgementProblem = { readonly line: number; readonly problem: string };

export type Acknowledged = {
  readonly acknowledgements: readonly Acknowledgement[];
  readonly problems: readonly AcknowledgementProblem[];
};

const keys = ["finding", "date", "reason"] as const;

export function readAcknowledgements(text: string, today: string): Acknowledged {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, maxAliasCount: 0 } as object);
  const lineAt = (offset = 0) => lines.linePos(offset).line;
  const problems: AcknowledgementProblem[] = document.errors.map(({ message, pos }) => {
    return { line: lineAt(pos[0]), problem: message.split("\n")[0] ?? message };
  });
  if (problems.length > 0) return { acknowledgements: [], problems };
  const { contents } = document;
  if (contents === null) return { acknowledgements: [], problems };
  if (!isSeq(contents)) {
    return { acknowledgements: [], problems: [{ line: 1, problem: "is no list" }] };
  }
  const acknowledgements: Acknowledgement[] = [];
  for (const item of contents.items) {
    const line = lineAt((item as { range?: [number] }).range?.[0]);
    const entry = isMap(item) ? textsOf(item) : undefined;
    const problem = entry ? problemOf(entry, today) : `is no entry with ${keys.join(", ")}`;
    if (problem !== undefined) problems.push({ line, problem });
    else acknowledgements.push({ ...(entry as Omit<Acknowledgement, "line">), line });
  }
  return { acknowledgements, problems };
}

function textsOf(map: YAMLMap): Record<string, string> {
  return Object.fromEntries(
    map.items.map(({ key, value }) => [
      isScalar(key) ? String(key.value) : "",
      isScalar(value) ? String(value.value ?? "") : "",
    ]),
  );
}

function problemOf(entry: Record<string, string>, today: string): string | undefined {
  const strange = Object.keys(entry).filter((key) => !keys.includes(key as never));
  if (strange.length > 0) return `has ${strange.join(", ")}; an entry has ${keys.join(", ")}`;
  const empty = keys.filter((key) => !entry[key]);
  if (empty.length > 0) return `lacks ${empty.join(", ")}`;
  const { date = "" } = entry;
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
  readonly problems: readonly AcknowledgementProblem[];
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
