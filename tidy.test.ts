// The house rules that a machine can check.

import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

const linesMax = 400;
const columnsMax = 100;

// Rooms from the ground up: a room imports from itself and from the rooms it names here.
const mayImport: Record<string, readonly string[]> = {
  gen: [],
  mesh: ["gen"],
  "webhook-gateway": ["gen", "mesh"],
  "ledger-service": ["gen", "mesh"],
  "cms-service": ["gen", "mesh"],
  dev: ["gen", "mesh"],
  e2e: ["gen", "mesh", "dev", "ledger-service", "cms-service", "webhook-gateway"],
  bench: ["gen", "mesh", "dev", "ledger-service", "cms-service", "webhook-gateway"],
};

// Files that hold rules only: they import their neighbours that do the same, and assert.
const pureFiles = [
  "ledger-service/posting.ts",
  "ledger-service/payment-rules.ts",
  "ledger-service/chart.ts",
];

const nothingNames =
  /(^|\/)(utils?|helpers?|common|misc|types|constants|repositor(y|ies)|usecases?|controllers?|index)(\.ts|\/)/;

const rooms = Object.keys(mayImport);
const sources = rooms.flatMap((room) => globSync(`${room}/**/*.ts`)).map(normalize);
const ours = sources.filter((path) => !path.startsWith("gen/"));

test("every room has something in it", () => {
  expect(sources.length).toBeGreaterThan(rooms.length);
});

test.each(ours)("%s imports only downwards", (path) => {
  const room = path.split("/", 1)[0] ?? "";
  const allowed = [room, ...(mayImport[room] ?? [])];
  for (const target of importsOf(path)) {
    expect(allowed, `${path} imports ${target}`).toContain(target.split("/", 1)[0]);
    const testing = /(^mesh\/testing\/)|\.test\.ts$/;
    const mayTest = testing.test(path) || /^(dev|e2e|bench)\//.test(path);
    expect(testing.test(target) && !mayTest, `${path} imports what only tests may`).toBe(false);
  }
});

test.each(pureFiles)("%s is pure", (path) => {
  const impure = specifiersOf(path).filter((specifier) => !/^\.\/|^node:assert/.test(specifier));
  expect(impure).toEqual([]);
  const code = readFileSync(path, "utf8").replace(/\/\/.*|\/\*[\s\S]*?\*\//g, "");
  expect(code, "a clock, chance or the environment").not.toMatch(
    /\b(Date\.now|new Date\(\)|Math\.random|process\.|await |fetch\()/,
  );
});

test.each(ours)("%s is tidy", (path) => {
  const text = readFileSync(path, "utf8");
  const lines = text.split("\n");
  expect(path, "kebab-case file names").toMatch(/^[a-z0-9/.-]+$/);
  expect(path, "a name that says nothing").not.toMatch(nothingNames);
  expect(lines.length, "lines").toBeLessThanOrEqual(linesMax);
  const wide = lines.filter(
    (line) => line.length > columnsMax && !/https?:|"[^"]{60}|`/.test(line),
  );
  expect(wide, "lines wider than the house").toEqual([]);
  expect(text, "an unowned TODO").not.toMatch(/\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/);
  const speaks = /^(dev|bench)\/|\.test\.ts$/.test(path);
  if (!speaks) expect(text, "use the logger").not.toMatch(/\bconsole\./);
  if (!path.endsWith(".test.ts")) expect(lines[0], "an opening comment").toMatch(/^(\/\/|\/\*|#!)/);
});

test.each(globSync("*/migrations/*.sql"))("%s is numbered and says why", (path) => {
  expect(path).toMatch(/\/\d{4}_[a-z0-9_]+\.sql$/);
  expect(readFileSync(path, "utf8")).toMatch(/^--/);
});

function specifiersOf(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const statics = text.matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)";/gm);
  const others = text.matchAll(/(?:^import |\bimport\()"([^"]+)"/gm);
  return [...statics, ...others].map((match) => match[1] ?? "");
}

/** Paths in the repository that a file imports; packages are left out. */
function importsOf(path: string): string[] {
  return specifiersOf(path).flatMap((specifier) => {
    if (specifier.startsWith("#")) return [specifier.slice(1)];
    if (specifier.startsWith(".")) return [join(dirname(path), specifier)];
    return [];
  });
}
