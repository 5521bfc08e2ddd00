import fc from "fast-check";
import { expect, test } from "vitest";
import { rankAfter, rankBetween } from "./rank.ts";

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

test.each(["", "-", "b0", "a-"])("a malformed rank is a bug: %j", (rank) => {
  expect(() => rankAfter(rank)).toThrow(/rank/);
});

const bytewise = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

test("whatever is put wherever, each thing gets a rank of its own between its neighbours", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 200 }), (places) => {
      const ranks: string[] = [];
      for (const place of places) {
        const at = place % (ranks.length + 1);
        ranks.splice(at, 0, rankBetween(ranks[at - 1], ranks[at]));
        expect(ranks.toSorted(bytewise)).toEqual(ranks);
        expect(new Set(ranks).size).toBe(ranks.length);
      }
    }),
  );
});

test("a thousand things put in front of each other cost two hundred characters at most", () => {
  let first = rankAfter(undefined);
  for (let n = 0; n < 1_000; n += 1) first = rankBetween(undefined, first);
  expect(first.length).toBeLessThanOrEqual(200);
});

test("after ranks in front of all others the end is still the end", () => {
  const front = rankBetween(undefined, "a0");
  expect(bytewise(front, rankAfter(front))).toBe(-1);
});
