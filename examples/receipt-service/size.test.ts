import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("the whole service is at most 30 lines of TypeScript", () => {
  const files = globSync(`${import.meta.dirname}/**/*.ts`).filter(
    (path) => !/\.test\.ts$/.test(path),
  );
  const lines = files.flatMap((path) => readFileSync(path, "utf8").split("\n"));
  const code = lines.filter((line) => !/^\s*(\/\/.*)?$/.test(line));
  expect(files.length).toBeGreaterThan(0);
  expect(code.length).toBeLessThanOrEqual(30);
});
