// `make check`: everything about the sources that a machine can judge without
// running them. Every gate runs, so that one call shows all that is wrong.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

type Gate = { readonly name: string; readonly run: () => Outcome };
type Outcome = { readonly ok: boolean; readonly output: string };

const { values: options } = parseArgs({
  options: { against: { type: "string", default: "main" } },
});

const gates: readonly Gate[] = [
  { name: "format and lint", run: () => command("biome", "ci", ".") },
  { name: "types", run: () => command("tsc", "--noEmit", "-p", ".") },
  { name: "proto format", run: () => command("buf", "format", "--diff", "--exit-code") },
  { name: "proto lint", run: () => command("buf", "lint") },
  { name: `proto breaking (against ${options.against})`, run: breaking },
  { name: "contracts since the release", run: () => command("node", "contracts/check.ts") },
  { name: "the graph in schema and code", run: () => command("node", "contracts/graph/check.ts") },
  { name: "policies", run: () => command("node", "dev/check-policy.ts") },
  { name: "gen/ is fresh", run: generatedIsFresh },
  { name: "docs/reference/ is fresh", run: () => isFresh("reference", "docs/reference") },
  { name: "deploy/kubernetes/ is fresh", run: () => isFresh("deployment", "deploy/kubernetes") },
  { name: "house rules", run: () => command("vitest", "run", "tidy.test.ts") },
];

let failures = 0;
for (const gate of gates) {
  const startMs = performance.now();
  const { ok, output } = gate.run();
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${ok ? "ok  " : "FAIL"} ${gate.name} (${seconds} s)`);
  if (!ok) console.log(output.trim().replace(/^/gm, "     "));
  if (!ok) failures += 1;
}
console.log(failures === 0 ? "all checks hold" : `${failures} of ${gates.length} checks failed`);
process.exit(failures === 0 ? 0 : 1);

function command(name: string, ...args: string[]): Outcome {
  const { status, stdout, stderr, error } = spawnSync(name, args, { encoding: "utf8" });
  return { ok: status === 0, output: error ? String(error) : `${stdout}${stderr}` };
}

/** Compares with the protos of a commit; a repository without one has nothing to break. */
function breaking(): Outcome {
  const known = command("git", "rev-parse", "--verify", "--quiet", `${options.against}:buf.yaml`);
  if (!known.ok) return { ok: true, output: "" };
  return command("buf", "breaking", "--against", `.git#ref=${options.against}`);
}

/** Generates into an empty folder and compares, so that an edited or forgotten file shows. */
function generatedIsFresh(): Outcome {
  const folder = mkdtempSync(join(tmpdir(), "bursar-gen-"));
  try {
    const template = readFileSync("buf.gen.yaml", "utf8").replace("out: gen", `out: ${folder}`);
    const templatePath = join(folder, "buf.gen.yaml");
    writeFileSync(templatePath, template.replace("clean: true", "clean: false"));
    const generated = command("buf", "generate", "--template", templatePath);
    if (!generated.ok) return generated;
    rmSync(templatePath);
    const compared = command("diff", "--recursive", "--brief", folder, "gen");
    return { ok: compared.ok, output: `${compared.output}run: make gen` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a room of contracts/ writes, against what is in the repository. */
function isFresh(room: string, kept: string): Outcome {
  const folder = mkdtempSync(join(tmpdir(), `bursar-${room}-`));
  try {
    const written = command("node", `contracts/${room}/write.ts`, folder);
    if (!written.ok) return written;
    const compared = command("diff", "--recursive", "--brief", folder, kept);
    return { ok: compared.ok, output: `${compared.output}run: make gen` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
