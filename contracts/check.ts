// What changed in meaning since the last release: validation rules and policies, which are in no
// byte that `buf breaking` compares. `make check` runs it; it fails on what hurts somebody and is
// not in contracts/acknowledged.yaml. `--entries` prints what would have to stand there.

import { globSync, readFileSync } from "node:fs";
import { judgeFindings, readAcknowledgements } from "./acknowledgements.ts";
import { compareSchemas } from "./compare/compare.ts";
import { type Finding, findingId } from "./finding.ts";
import { builtSchema, readSchema } from "./schema.ts";

const acknowledgedFile = "contracts/acknowledged.yaml";
const released = lastRelease();
const today = new Date().toISOString().slice(0, 10);

const findings = compareSchemas(readSchema(released.path), builtSchema("."));
const acknowledged = readAcknowledgements(readFileSync(acknowledgedFile, "utf8"), today);
const { open, accepted, harmless, problems } = judgeFindings(findings, acknowledged);

if (process.argv.includes("--entries")) {
  for (const finding of open) console.log(entryOf(finding));
} else {
  for (const { line, problem } of problems) {
    console.log(`${acknowledgedFile}:${line}: ${problem}`);
  }
  for (const finding of open) console.log(describe(finding));
  console.log(
    `since ${released.version}: ${open.length} changes open, ${accepted.length} acknowledged, ` +
      `${harmless.length} harmless`,
  );
  if (open.length > 0) console.log("docs/contracts.md says how to change a contract");
}
process.exit(open.length + problems.length === 0 ? 0 : 1);

function describe({ effect, name, change, why, affected, remedy }: Finding): string {
  const who = affected.length > 0 ? affected.slice(0, 8).join(", ") : "nobody in the schema";
  const more = affected.length > 8 ? ` and ${affected.length - 8} more` : "";
  return [
    `${effect}: ${name}`,
    `  what   ${change}`,
    `  why    ${why}`,
    `  whom   ${who}${more}`,
    `  do     ${remedy}`,
  ].join("\n");
}

function entryOf(finding: Finding): string {
  const text = JSON.stringify(findingId(finding));
  return `- finding: ${text}\n  date: ${today}\n  reason: ""`;
}

/** Images are named for their versions. */
function lastRelease(): { readonly path: string; readonly version: string } {
  const versions = globSync("contracts/released/*.binpb")
    .map((path) => ({ path, version: path.replace(/^.*\/|\.binpb$/g, "") }))
    .sort((a, b) => a.version.localeCompare(b.version, "en", { numeric: true }));
  const last = versions.at(-1);
  if (last === undefined) throw new Error("contracts/released/ holds no image of a release");
  return last;
}
