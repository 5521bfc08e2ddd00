// The house rules that a machine can check. A test lists every offender at once.

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
  examples: ["gen", "mesh"],
  dev: ["gen", "mesh"],
  cli: ["gen", "mesh", "dev", "webhook-gateway"],
  e2e: [
    "gen",
    "mesh",
    "dev",
    "examples",
    "contracts",
    "ledger-service",
    "cms-service",
    "webhook-gateway",
  ],
  bench: ["gen", "mesh", "dev", "ledger-service", "webhook-gateway"],
  conformance: ["gen", "mesh", "dev"],
  contracts: ["gen", "mesh"],
};

// What developers and testers run, and what tests: none of it serves anybody.
const unserved = /^(cli|dev|e2e|bench|conformance|contracts)\/|\.test\.ts$/;

// Files that hold rules only: they import each other and assert, never generated code or I/O.
const pure = [
  "mesh/money/*.ts",
  "mesh/rpc/client/{balance,choice,ejection}.ts",
  "ledger-service/rules/*.ts",
  "cms-service/catalog/{bounded-cache,locale}.ts",
  "cms-service/search/language.ts",
  "cms-service/access/{enrollment,order-state,payment,reconciliation,settlement,verdict}.ts",
  "cms-service/commerce/{discount,rules}.ts",
  "cms-service/courses/{cycle,place,rank,rules}.ts",
  "cms-service/publishing/{decide-publish,diff,life}.ts",
  "cms-service/learning/{grade,progress}.ts",
  "webhook-gateway/providers/template.ts",
];

const emptyNames =
  /(^|\/)(utils?|helpers?|common|misc|types|constants|repositor(y|ies)|usecases?|controllers?|index)(\.ts|\/)/;

const sources = Object.keys(mayImport)
  .flatMap((room) => globSync(`${room}/**/*.ts`))
  .map(normalize);
const ours = sources.filter((path) => !path.startsWith("gen/"));
const texts = new Map(ours.map((path) => [path, readFileSync(path, "utf8")]));

test("there is something to check in every room", () => {
  const empty = Object.keys(mayImport).filter(
    (room) => !sources.some((path) => path.startsWith(`${room}/`)),
  );
  expect(empty).toEqual([]);
});

test("rooms import only downwards", () => {
  const upwards = ours.flatMap((path) => {
    const room = roomOf(path);
    const allowed = [room, ...(mayImport[room] ?? [])];
    return importsOf(path)
      .filter((target) => !allowed.includes(roomOf(target)))
      .map((target) => `${path} imports ${target}`);
  });
  expect(upwards).toEqual([]);
});

test("the database driver has one room", () => {
  const strayed = ours.filter(
    (path) => !path.startsWith("mesh/database/") && specifiersOf(path).includes("pg"),
  );
  expect(strayed).toEqual([]);
});

test("what is for tests is imported by tests", () => {
  const forTests = /^[^/]+\/testing\/|\.test\.ts$/;
  const strayed = ours
    .filter((path) => !unserved.test(path) && !forTests.test(path))
    .flatMap((path) => importsOf(path).map((target) => ({ path, target })))
    .filter(({ target }) => forTests.test(target))
    .map(({ path, target }) => `${path} imports ${target}`);
  expect(strayed).toEqual([]);
});

test("rules are pure", () => {
  expect(pure.filter((pattern) => globSync(pattern).length === 0)).toEqual([]);
  const pureFiles = globSync(pure).filter((path) => !path.endsWith(".test.ts"));
  const impure = pureFiles.flatMap((path) => {
    const code = readFileSync(path, "utf8").replace(/\/\/.*|\/\*[\s\S]*?\*\//g, "");
    const imports = specifiersOf(path).filter((name) => {
      const isPure = name.startsWith(".") && pureFiles.includes(join(dirname(path), name));
      return !isPure && !/^(node:assert|#mesh\/money\/)/.test(name);
    });
    const effects = code.match(/\b(Date\.now|new Date\(\)|Math\.random|process\.|await |fetch\()/g);
    return [...imports, ...(effects ?? [])].map((what) => `${path}: ${what}`);
  });
  expect(impure).toEqual([]);
});

test("files are named for what they hold, in kebab case", () => {
  const badly = ours.filter((path) => !/^[a-z0-9/.-]+$/.test(path) || emptyNames.test(path));
  expect(badly).toEqual([]);
});

test("files and lines are short", () => {
  const long = [...texts].filter(([, text]) => text.split("\n").length - 1 > linesMax);
  expect(long.map(([path]) => path)).toEqual([]);
  expect(offenders(tooWide)).toEqual([]);
});

test("every file opens by saying what it holds", () => {
  const silent = [...texts].filter(
    ([path, text]) => !path.endsWith(".test.ts") && !/^(\/\/|\/\*|#!)/.test(text),
  );
  expect(silent.map(([path]) => path)).toEqual([]);
});

test("what is left to do has an issue", () => {
  expect(offenders((line) => /\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/.test(line))).toEqual([]);
});

test("services log through the logger", () => {
  const loud = offenders((line, path) => !unserved.test(path) && /\bconsole\./.test(line));
  expect(loud).toEqual([]);
});

test("docs/running.md knows every variable and every metric of the services, and no others", () => {
  const docs = readFileSync("docs/running.md", "utf8");
  const [, elsewhere = ""] = docs.split("## Elsewhere");
  const served = [...texts].filter(([path]) => !unserved.test(path) && !/^examples\//.test(path));
  const inCode = served.flatMap(([path, text]) => [
    ...namesIn(text, /name: "(bursar_[a-z_]+)"/g),
    ...(path.endsWith("config.ts") ? namesIn(text, /\bread\.\w+\("([A-Z_]+)"/g) : []),
  ]);
  const inDocs = namesIn(elsewhere, /`(bursar_[a-z_]+|[A-Z][A-Z_]{3,})`/g);
  expect([...new Set(inDocs)].sort()).toEqual([...new Set(inCode)].sort());
});

test("migrations are numbered without gaps and say why", () => {
  const folders = Map.groupBy(
    globSync("**/migrations/*.sql", { exclude: ["node_modules"] }),
    dirname,
  );
  expect(folders.size).toBeGreaterThan(0);
  for (const [folder, files] of folders) {
    const numbers = files.sort().map((file) => /\/(\d{4})_[a-z0-9_]+\.sql$/.exec(file)?.[1]);
    const dense = files.map((_, n) => String(n + 1).padStart(4, "0"));
    expect(numbers, folder).toEqual(dense);
    for (const file of files) expect(readFileSync(file, "utf8"), file).toMatch(/^--/);
  }
});

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

type Judge = (line: string, path: string) => boolean;

function offenders(judge: Judge): string[] {
  return [...texts].flatMap(([path, text]) =>
    text
      .split("\n")
      .flatMap((line, n) => (judge(line, path) ? [`${path}:${n + 1}: ${line.trim()}`] : [])),
  );
}

/** Texts that would have to be cut in two to fit are left whole, and imports of one name. */
function tooWide(line: string): boolean {
  return line.length > columnsMax && !/^import \{ \w+ \} from|https?:|["'`/][^"'`/]{60}/.test(line);
}

function roomOf(path: string): string {
  return path.split("/", 1)[0] ?? "";
}

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
