import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { matches, parseList } from "./lists.ts";

test.each(["server", "client"])("every case listed for the %s has a reason", (mode) => {
  const text = readFileSync(join(import.meta.dirname, `${mode}-failing.txt`), "utf8");
  for (const { reason, patterns } of parseList(text)) {
    expect(reason.length).toBeGreaterThan(40);
    // A pattern for whole suites would hide what breaks in them later.
    for (const pattern of patterns) expect(pattern).toMatch(/^[^*]+\/.*[^*/]+$/);
  }
});

test.each(["server", "client"])("what the %s speaks is told in full", (mode) => {
  const text = readFileSync(join(import.meta.dirname, `${mode}.yaml`), "utf8");
  const told = Object.keys(parse(text).features);
  const needed = ["versions", "protocols", "codecs", "compressions"];
  expect(told).toEqual(expect.arrayContaining(needed));
});

test("a group holds its reason, its complaints and its patterns", () => {
  const list = "# By\n# decision.\n#= one detail too many\na/**/b\nc/**/d\n\n# No patterns here.\n";
  expect(parseList(list)).toEqual([
    {
      reason: "By decision.",
      complaints: ["one detail too many"],
      patterns: ["a/**/b", "c/**/d"],
    },
  ]);
});

test("a pattern without a reason, or without a complaint, is refused", () => {
  expect(() => parseList("#= no\na/**/b\n")).toThrow("no reason is given for a/**/b");
  expect(() => parseList("# why\na/**/b\n")).toThrow("no complaint is given for a/**/b");
});

test.each([
  ["a/**/d", "a/b/c/d", true],
  ["a/**/d", "a/d", true],
  ["a/*/d", "a/b/d", true],
  ["a/*/d", "a/b/c/d", false],
  ["a/**", "a/b", true],
  ["a/**/d", "a/b/dd", false],
  ["**/unary/x", "a/unary/y/unary/x", true],
])("the pattern %s and the name %s: %s", (pattern, name, expected) => {
  expect(matches(pattern, name)).toBe(expected);
});
