import { execFileSync } from "node:child_process";
import { RE2JS } from "@bufbuild/re2";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOnePass } from "./one-pass.ts";
import { matchesPattern } from "./pattern.ts";

test.each([
  "^[a-z]+$",
  "^$",
  "^ord_[0-9a-z]{26}$",
  "^[a-z][a-z0-9-]{0,62}$",
  "^[a-z0-9]+(-[a-z0-9]+)*$",
  "^[a-z][a-z0-9_-]*(:[A-Za-z0-9][A-Za-z0-9_.-]*)*$",
  "^([a-z]+|\\*)\\.([a-z_]+|\\*)$",
  "^(?:ab|cd?)+e$",
])("%s is matched in one pass", (pattern) => {
  expect(isOnePass(pattern)).toBe(true);
});

test.each([
  ["repeats what may follow it", "^[a-z]*[a-z0-9]*$"],
  ["repeats what repeats", "^([a-z]+)*$"],
  ["repeats what may be left out", "^(a|b?c*)*c$"],
  ["can begin in two ways", "^(ab|ac)*$"],
  ["has a middle that may be missing", "^a*(b?)*a*$"],
  ["repeats a number of times what repeats", "^([a-z]+){2,9}$"],
  ["repeats a group twice that ends as it begins", "^([a-z]*){2}$"],
  ["begins anywhere", "[a-z]+$"],
  ["ends anywhere", "^[a-z]+"],
  ["takes every character", "^.*a$"],
  ["names a class", "^\\w+\\d$"],
  ["looks ahead", "^(?=a)[a-z]+$"],
  ["looks back", "^(a)\\1$"],
  ["is cut short", "^(a$"],
])("a pattern that %s is left to RE2", (_why, pattern) => {
  expect(isOnePass(pattern)).toBe(false);
});

describe("every pattern of the schema", () => {
  const image = execFileSync("node_modules/.bin/buf", ["build", "proto", "-o", "-#format=json"], {
    maxBuffer: 64 * 1024 ** 2,
  }).toString();
  const patterns = [...new Set([...image.matchAll(/"pattern":"((?:\\.|[^"\\])*)"/g)])].map(
    ([, text]) => JSON.parse(`"${text}"`) as string,
  );

  test.each([...new Set(patterns)])("%s is matched in one pass, and as RE2 does", (pattern) => {
    expect(isOnePass(pattern)).toBe(true);
    const re2 = RE2JS.compile(pattern);
    const agree = (text: string) => {
      expect(matchesPattern(pattern, text), text).toBe(re2.test(text));
    };
    const source = pattern.replace(/^\^|\$$/g, "");
    fc.assert(fc.property(fc.string({ unit: "binary" }), agree), { numRuns: 50 });
    fc.assert(fc.property(fc.stringMatching(new RegExp(`^(?:${source})$`, "u")), agree), {
      numRuns: 50,
    });
    // Nearly right: one character too many, at its end or as a line of its own.
    const nearly = fc.stringMatching(new RegExp(`^(?:${source})$`, "u")).map((text) => `${text}\n`);
    fc.assert(fc.property(nearly, agree), { numRuns: 20 });
  });

  test("there are some", () => expect(patterns.length).toBeGreaterThan(10));
});

test("what RE2 matches is matched by it, however the text tries", () => {
  expect(matchesPattern("^([a-z]+)*$", `${"a".repeat(5_000)}!`)).toBe(false);
  expect(matchesPattern("^([a-z]+)*$", "aaa")).toBe(true);
});
