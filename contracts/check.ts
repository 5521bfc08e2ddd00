// What changed since the last release: names, numbers and types, which `buf breaking` compares, and
// validation rules and policies, which are in no byte that it sees. `make check` runs it; it fails on
// what hurts somebody and is not in contracts/acknowledged.yaml. `--entries` prints what would have
// to stand there.

import { readFileSync } from "node:fs";
import { judgeFindings, readAcknowledgements } from "./acknowledgements.ts";
import { breakingFindings } from "./compare/breaking.ts";
import { compareSchemas } from "./compare/compare.ts";
import { describeFinding, type Finding, findingId } from "./finding.ts";
import { placesIn } from "./place.ts";
import { lastRelease } from "./release.ts";
import { builtSchema, readSchema } from "./schema.ts";

const acknowledgedFile = "contracts/acknowledged.yaml";
const released = lastRelease("contracts/released");
const today = new Date().toISOString().slice(0, 10);

const before = readSchema(released.path);
const after = builtSchema(".");
const places = placesIn(after);
const findings = [
  ...breakingFindings("proto", released.path, before),
  ...compareSchemas(before, after).map((finding) => {
    const place = places.get(finding.name);
    return place ? { ...finding, place } : finding;
  }),
];
const acknowledged = readAcknowledgements(readFileSync(acknowledgedFile, "utf8"), today);
const { open, accepted, harmless, problems } = judgeFindings(findings, acknowledged);

if (process.argv.includes("--entries")) {
  for (const finding of open) console.log(entryOf(finding));
} else {
  for (const { line, problem } of problems) {
    console.log(`${acknowledgedFile}:${line}: ${problem}`);
  }
  for (const finding of open) console.log(describeFinding(finding));
  console.log(
    `since ${released.version}: ${open.length} changes open, ${accepted.length} acknowledged, ` +
      `${harmless.length} harmless`,
  );
  if (open.length > 0) console.log("docs/contracts.md says how to change a contract");
}
process.exit(open.length + problems.length === 0 ? 0 : 1);

function entryOf(finding: Finding): string {
  const text = JSON.stringify(findingId(finding));
  return `- finding: ${text}\n  date: ${today}\n  reason: ""`;
}
