import { expect, test } from "vitest";
import { etagOf } from "./rules.ts";

test("an etag is the version in quotes", () => {
  expect(etagOf(7n)).toBe('"7"');
});
