import { expect, test } from "vitest";
import type { Listed } from "./lists.ts";
import { readReport } from "./report.ts";

const groups: readonly Listed[] = [
  {
    reason: "By decision.",
    complaints: ["contain 1 details; expecting 0", "does not match expected code 13"],
    patterns: ["Sizes/**/too-large"],
  },
];

test("the runner's numbers are read from its last lines", () => {
  const output = "FAILED: a/b:\n\tno\n\n\nTotal cases: 10\n9 passed, 1 failed\n";
  expect(readReport(output, groups)).toMatchObject({ passed: 9, failed: 1, listed: 0 });
});

test("what failed as listed is told apart and left out of the text", () => {
  const output = [
    "INFO: Sizes/TLS:true/too-large failed (as expected):",
    "\tactual error {code: 3} does not match expected code 13 (internal)",
    "\tactual error contain 1 details; expecting 0",
    "INFO: Sizes/TLS:false/too-large failed (as expected):",
    "\tconnect error JSON; actual error contain 1 details; expecting 0",
    "",
    "",
    "Total cases: 12",
    "10 passed, 0 failed",
    "(Another 2 failed as expected due to being known failures/flakes.)",
    "",
  ].join("\n");
  const report = readReport(output, groups);
  expect(report).toMatchObject({ passed: 10, failed: 0, listed: 2 });
  expect(report?.text).toMatch(/^Total cases/);
});

test("a listed case that fails in other words has failed", () => {
  const output = [
    "INFO: Sizes/TLS:true/too-large failed (as expected):",
    "\tactual error contain 1 details; expecting 0",
    "\treceived no answer",
    "Total cases: 1",
    "0 passed, 0 failed",
    "(Another 1 failed as expected due to being known failures/flakes.)",
    "",
  ].join("\n");
  const report = readReport(output, groups);
  expect(report).toMatchObject({ passed: 0, failed: 1, listed: 0 });
  expect(report?.text).toContain("FAILED otherwise than listed: Sizes/TLS:true/too-large");
});

test("what could not be run has failed", () => {
  const output =
    "Total cases: 12\n10 passed, 1 failed\nAnother 3 could not be run due to client timing out or exiting prematurely.\n";
  expect(readReport(output, groups)).toMatchObject({ passed: 10, failed: 4 });
});

test("a runner that broke off has no report", () => {
  expect(readReport("no such file: conformance/server.yaml\n", groups)).toBeUndefined();
});
