import fc from "fast-check";
import { expect, test } from "vitest";
import { placeAmong, type Ranked } from "./place.ts";
import { rankAfter } from "./rank.ts";

function applied(siblings: readonly Ranked[], id: string, beforeId: string): Ranked[] {
  const placing = placeAmong(siblings, id, beforeId);
  if (placing.kind === "unknown") throw new Error(`${beforeId} is unknown`);
  const ranks =
    placing.kind === "placed"
      ? siblings.filter((one) => one.id !== id).concat({ id, rank: placing.rank })
      : [...placing.ranks];
  return ranks.toSorted((a, b) => Buffer.compare(Buffer.from(a.rank), Buffer.from(b.rank)));
}

function five(): Ranked[] {
  const ranked: Ranked[] = [];
  for (const id of "abcde") ranked.push({ id, rank: rankAfter(ranked.at(-1)?.rank) });
  return ranked;
}

test("any moves, however many, end where a list would", () => {
  const move = fc.tuple(fc.constantFrom(..."abcde"), fc.constantFrom(..."abcde", ""));
  fc.assert(
    fc.property(fc.array(move, { maxLength: 400 }), (moves) => {
      let ranked = five();
      let list = [..."abcde"];
      for (const [id, before] of moves) {
        ranked = applied(ranked, id, before);
        if (before !== id) {
          const others = list.filter((one) => one !== id);
          const at = before === "" ? others.length : others.indexOf(before);
          list = others.toSpliced(at, 0, id);
        }
        expect(ranked.map((one) => one.id)).toEqual(list);
        expect(Math.max(...ranked.map(({ rank }) => rank.length))).toBeLessThanOrEqual(60);
      }
    }),
  );
});

test("a move leaves the others where they are", () => {
  const before = new Map(five().map(({ id, rank }) => [id, rank]));
  const after = applied(five(), "e", "b");
  expect(after.map(({ id }) => id)).toEqual([..."aebcd"]);
  for (const { id, rank } of after) if (id !== "e") expect(rank).toBe(before.get(id));
});

test("ranks that have grown long are made short again, in the same order", () => {
  let ranked = five();
  let isRespaced = false;
  for (let n = 0; n < 1_000; n += 1) {
    const id = n % 2 === 0 ? "d" : "e";
    isRespaced ||= placeAmong(ranked, id, ranked[1]?.id ?? "").kind === "respaced";
    ranked = applied(ranked, id, ranked[1]?.id ?? "");
  }
  expect(isRespaced).toBe(true);
});

test("what is not there is no place", () => {
  expect(placeAmong(five(), "a", "x")).toEqual({ kind: "unknown" });
});
