import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

test("`npx buf generate` alone makes what `make gen` makes, and removes what no proto has", () => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-generate-"));
  try {
    for (const name of ["buf.yaml", "buf.gen.yaml", "package.json", "proto", "proto-foreign"]) {
      cpSync(name, join(folder, name), { recursive: true });
    }
    symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
    mkdirSync(join(folder, "gen/bursar"), { recursive: true });
    writeFileSync(join(folder, "gen/bursar/forgotten_pb.ts"), "export {};\n");

    execFileSync("npx", ["--no-install", "buf", "generate"], { cwd: folder, timeout: 60_000 });

    const compared = spawnSync("diff", ["--recursive", "--brief", join(folder, "gen"), "gen"]);
    expect(compared.stdout.toString()).toBe("");
    expect(compared.status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
