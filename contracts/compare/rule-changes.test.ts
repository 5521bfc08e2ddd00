import fc from "fast-check";
import { expect, test } from "vitest";
import { compareRules, type Rules, type RuleValue } from "./rule-changes.ts";

const rules = (...entries: [string, RuleValue][]): Rules => new Map(entries);

function direction(before: Rules, after: Rules): string {
  const changes = compareRules(before, after);
  const isTightened = changes.some((change) => change.tightened);
  const isLoosened = changes.some((change) => change.loosened);
  if (isTightened && isLoosened) return "both";
  if (isTightened) return "tightened";
  return isLoosened ? "loosened" : "same";
}

test.for<[string, Rules, Rules, string]>([
  ["a higher minimum", rules(["string.min_len", 1n]), rules(["string.min_len", 50n]), "tightened"],
  ["a lower minimum", rules(["int64.gt", 100n]), rules(["int64.gt", 0n]), "loosened"],
  ["a lower maximum", rules(["string.max_len", 9n]), rules(["string.max_len", 8n]), "tightened"],
  ["a higher maximum", rules(["int32.lte", 8]), rules(["int32.lte", 9]), "loosened"],
  ["another bound", rules(["int32.lt", 8]), rules(["int32.lte", 8]), "both"],
  ["a new pattern", rules(), rules(["string.pattern", "^a$"]), "tightened"],
  ["another pattern", rules(["string.pattern", "^a$"]), rules(["string.pattern", "^b$"]), "both"],
  ["no pattern", rules(["string.pattern", "^a$"]), rules(), "loosened"],
  ["required", rules(), rules(["required", true]), "tightened"],
  ["more choices", rules(["string.in", ["a"]]), rules(["string.in", ["a", "b"]]), "loosened"],
  ["fewer choices", rules(["string.in", ["a", "b"]]), rules(["string.in", ["a"]]), "tightened"],
  [
    "more exceptions",
    rules(["enum.not_in", ["0"]]),
    rules(["enum.not_in", ["0", "1"]]),
    "tightened",
  ],
  ["another CEL rule", rules(["cel.a", "this > 1"]), rules(["cel.a", "this > 2"]), "both"],
  ["ignored", rules(), rules(["ignore", 3]), "both"],
  ["the same in another order", rules(["in", ["a", "b"]]), rules(["in", ["b", "a"]]), "same"],
])("%s", ([, before, after, expected]) => {
  expect(direction(before, after)).toBe(expected);
});

test("a change backwards is the same change the other way round", () => {
  const value = fc.oneof(fc.bigInt({ min: 0n, max: 9n }), fc.array(fc.constantFrom("a", "b", "c")));
  const name = fc.constantFrom("string.min_len", "string.max_len", "string.in", "string.not_in");
  const some = fc.array(fc.tuple(name, value)).map((entries) => new Map(entries));
  fc.assert(
    fc.property(some, some, (a, b) => {
      const forth = compareRules(a, b).map((change) => [change.tightened, change.loosened]);
      const back = compareRules(b, a).map((change) => [change.loosened, change.tightened]);
      expect(back).toEqual(forth);
    }),
  );
});
