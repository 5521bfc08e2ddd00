import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { keepCompiled } from "./compile-cache.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-compiled-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(getCompileCacheDir())("a folder that cannot be made is done without", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(keepCompiled(join(file, "under"))).toBe(false);
});

test.skipIf(getCompileCacheDir())("a folder that others may write to is not used", () => {
  const open = mkdtempSync(join(folder, "open-"));
  chmodSync(open, 0o777);
  expect(keepCompiled(open)).toBe(false);
  const link = join(folder, "link");
  symlinkSync(mkdtempSync(join(folder, "target-")), link);
  expect(keepCompiled(link)).toBe(false);
});

test("what a process has compiled outlives it, however it ends", () => {
  const kept = join(folder, "kept");
  const { NODE_COMPILE_CACHE: _, ...env } = process.env;
  const program = `
    const { keepCompiled, writeCompiled } = await import("#mesh/process/compile-cache.ts");
    if (!keepCompiled(${JSON.stringify(kept)})) process.exit(1);
    await import("#mesh/money/currency.ts");
    writeCompiled();
    process.kill(process.pid, "SIGKILL");
  `;
  const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { env });
  expect(signal).toBe("SIGKILL");
  const files = readdirSync(kept, { recursive: true, withFileTypes: true });
  expect(files.filter((file) => file.isFile())).not.toEqual([]);
});
