// The graph of the mesh in the schema and in the code: that the two are one, and that every path
// through it has the time it needs. `make check` runs it; `node contracts/graph/check.ts --paths`
// prints every path with its deadline and its worst amplification.

import { readFileSync } from "node:fs";
import { describeFinding } from "../finding.ts";
import { builtSchema } from "../schema.ts";
import { amplificationMax, describePath, proveBudgets } from "./budget.ts";
import { closureFindings } from "./closure.ts";
import { readCode } from "./code.ts";
import { readDeclared } from "./declared.ts";
import { outsideFile, readOutside } from "./outside.ts";
import { readRooms } from "./rooms.ts";

const registry = builtSchema(".");
const declared = readDeclared(registry);
const code = readCode(readRooms("."), registry);
const outside = readOutside(readFileSync(outsideFile, "utf8"));
const { paths, findings: late } = proveBudgets(declared, code);
const findings = [...closureFindings({ declared, code, outside }), ...late];

for (const finding of findings) console.log(describeFinding(finding));
if (process.argv.includes("--paths")) for (const path of paths) console.log(describePath(path));
const most = Math.max(1, ...paths.map(({ amplification }) => amplification));
console.log(
  `${code.services.length} services, ${declared.methods.size} methods, ${declared.events.size} ` +
    `events: ${findings.length} mistakes; ${paths.length} paths, one call becomes ${most} at most ` +
    `(${amplificationMax} allowed)`,
);
process.exit(findings.length === 0 ? 0 : 1);
