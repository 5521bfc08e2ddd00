import { expect, test } from "vitest";
import { rankAfter } from "./rank.ts";

test("ranks made one after the other sort byte by byte", () => {
  const ranks: string[] = [];
  for (let n = 0; n < 5_000; n++) ranks.push(rankAfter(ranks.at(-1)));
  expect(ranks.slice(0, 2)).toEqual(["a0", "a1"]);
  expect(ranks.slice(61, 63)).toEqual(["az", "b00"]);
  expect(ranks.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))).toEqual(ranks);
  expect(new Set(ranks).size).toBe(ranks.length);
  expect(Math.max(...ranks.map((rank) => rank.length))).toBe(4);
});

test("a rank between two others leaves the next one at the end where it was", () => {
  expect(rankAfter("a1V")).toBe("a2");
});

test.each(["", "0", "b0", "a-"])("a malformed rank is a bug: %j", (rank) => {
  expect(() => rankAfter(rank)).toThrow(/rank/);
});
