// `make test`: runs every test and ends with the line `N passed, N failed`, from
// the counts that the test runner wrote down.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";

type Report = { numPassedTests: number; numFailedTests: number; numPendingTests: number };

const reportPath = ".bursar/test-report.json";
mkdirSync(".bursar", { recursive: true });
rmSync(reportPath, { force: true });

const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`];
const { status } = spawnSync("vitest", [...args, ...process.argv.slice(2)], { stdio: "inherit" });

const { passed, failed, skipped } = counts();
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/** A file that does not even load has no failed test to count: it counts as one. */
function counts(): { passed: number; failed: number; skipped: number } {
  const report = readReport();
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const { numPassedTests: passed, numFailedTests, numPendingTests: skipped } = report;
  const failed = status === 0 ? numFailedTests : Math.max(numFailedTests, 1);
  return { passed, failed, skipped };
}

function readReport(): Report | undefined {
  try {
    return JSON.parse(readFileSync(reportPath, "utf8")) as Report;
  } catch {
    return undefined;
  }
}
