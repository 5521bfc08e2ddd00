import { expect, test } from "vitest";
import { derivedId, newId } from "./identifiers.ts";

test("ids are 26 letters and digits behind their prefix", () => {
  for (let n = 0; n < 1_000; n++) expect(newId("ord")).toMatch(/^ord_[0-9a-z]{26}$/);
  expect(derivedId("grt", ["a"])).toMatch(/^grt_[0-9a-z]{26}$/);
});

test("ids sort by the time they were made, not by chance", () => {
  const early = newId("ord", 1_000, new Uint8Array(10).fill(255));
  const late = newId("ord", 1_001, new Uint8Array(10));
  expect(early < late).toBe(true);
  expect(early).toBe("ord_00000000z8zzzzzzzzzzzzzzzz");
});

test("every random bit counts", () => {
  const ids = Array.from({ length: 80 }, (_, bit) => {
    const random = new Uint8Array(10);
    random[Math.floor(bit / 8)] = 1 << (bit % 8);
    return newId("ord", 0, random);
  });
  expect(new Set(ids).size).toBe(80);
});

test("a derived id depends on its parts and on where one ends", () => {
  expect(derivedId("grt", ["a", "bc"])).toBe(derivedId("grt", ["a", "bc"]));
  expect(derivedId("grt", ["a", "bc"])).not.toBe(derivedId("grt", ["ab", "c"]));
});
