// Matches the patterns of the schema. Nearly all of them are so plain that the engine's own regular
// expressions match them in one pass: then those do it, for RE2 was the largest single cost of a
// call (27 of 226 µs, measured). Any other is left to RE2, which no text can lead astray.

import { RE2JS } from "@bufbuild/re2";
import { isOnePass } from "./one-pass.ts";

const known = new Map<string, (text: string) => boolean>();

export function matchesPattern(pattern: string, text: string): boolean {
  let matches = known.get(pattern);
  if (matches === undefined) {
    matches = matcherOf(pattern);
    known.set(pattern, matches);
  }
  return matches(text);
}

export function matcherOf(pattern: string): (text: string) => boolean {
  if (isOnePass(pattern)) {
    const expression = new RegExp(pattern, "u");
    return (text) => expression.test(text);
  }
  const expression = RE2JS.compile(pattern);
  return (text) => expression.test(text);
}
