import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

test("make demo tells a story in which every claim holds", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["dev/demo.ts"], {
    encoding: "utf8",
    timeout: 120_000,
  });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  expect(stdout).toMatch(/Everything held: \d\d claims, 0 broken/);
});
