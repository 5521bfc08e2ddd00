import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
const page = readFileSync(`${root}docs/new-service.md`, "utf8");
const blocks = [...page.matchAll(/^```[a-z]+ (\S+\/\S+)\n([\s\S]*?)^```$/gm)].map(
  ([, place = "", text = ""]) => ({ place, text }),
);

test.each(blocks)("docs/new-service.md shows $place as it is", ({ place, text }) => {
  const [path, part] = place.split("#");
  const file = readFileSync(`${root}${path}`, "utf8");
  if (part === undefined) expect(text).toBe(file);
  else expect(file).toContain(text);
});

test("docs/new-service.md shows every file that the service consists of", () => {
  const files = globSync(
    ["examples/receipt-service/**/*.{ts,sql}", "proto/bursar/receipt/**/*.proto"],
    {
      cwd: root,
    },
  ).filter((path) => !path.endsWith(".test.ts"));
  expect(files.length).toBeGreaterThan(0);
  expect(blocks.map(({ place }) => place)).toEqual(expect.arrayContaining(files));
});
