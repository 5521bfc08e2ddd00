import { expect, test } from "vitest";
import { judgeFindings, readAcknowledgements } from "./acknowledgements.ts";
import { type Finding, findingId } from "./finding.ts";

const today = "2026-11-24";
const finding: Finding = {
  effect: "breaks-callers",
  name: "a.v1.Request.title",
  change: "string.max_len was 9 and is 8",
  why: "requests are refused",
  affected: [],
  remedy: "do not",
};
const id = findingId(finding);
const entry = (changes: Record<string, string> = {}) => {
  const fields = { finding: id, date: today, reason: "nobody calls it yet", ...changes };
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return `- ${lines.join("\n  ")}\n`;
};
const judged = (text: string, findings: readonly Finding[] = [finding]) =>
  judgeFindings(findings, readAcknowledgements(text, today));

test("a breaking change stays open until it is acknowledged", () => {
  expect(judged("").open).toEqual([finding]);
  expect(judged(entry())).toMatchObject({ open: [], accepted: [finding], problems: [] });
});

test("an acknowledgement means one finding, to the letter", () => {
  const closer = { ...finding, change: "string.max_len was 9 and is 7" };
  const { open, problems } = judged(entry(), [closer]);
  expect(open).toEqual([closer]);
  expect(problems).toMatchObject([{ line: 1, problem: expect.stringContaining("nothing") }]);
});

test("what is wrong whatever stood before cannot be acknowledged", () => {
  const error: Finding = { ...finding, effect: "error" };
  expect(judged(entry({ finding: findingId(error) }), [error]).open).toEqual([error]);
});

test("a harmless change needs no acknowledgement", () => {
  const harmless: Finding = { ...finding, effect: "none" };
  expect(judged("", [harmless])).toMatchObject({ open: [], harmless: [harmless], problems: [] });
});

test.for([
  ["no YAML", "- [", 1],
  ["no list", "finding: x", 1],
  ["an entry that is a text", "- x", 1],
  ["no reason", entry({ reason: "" }), 1],
  ["a day that never was", entry({ date: "2026-13-01" }), 1],
  ["a day to come", entry({ date: "2027-01-01" }), 1],
  ["a field too many", entry({ who: "me" }), 1],
  ["the same twice", `${entry()}${entry()}`, 4],
] as const)("%s is told with its line", ([, text, line]) => {
  expect(judged(text).problems.map((problem) => problem.line)).toContain(line);
});
