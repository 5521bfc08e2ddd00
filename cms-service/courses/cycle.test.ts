import fc from "fast-check";
import { expect, test } from "vitest";
import { cycleFrom, type Need } from "./cycle.ts";

test("the way round is told, both ends included", () => {
  const all = [
    { id: "a", needs: ["b"] },
    { id: "b", needs: ["x", "c"] },
    { id: "c", needs: ["a"] },
  ];
  expect(cycleFrom("a", all)).toEqual(["a", "b", "c", "a"]);
  expect(cycleFrom("x", all)).toBeUndefined();
  expect(cycleFrom("a", [{ id: "a", needs: ["a"] }])).toEqual(["a", "a"]);
});

test("a way that is told is there, step by step, and none is told where none is", () => {
  const ids = fc.constantFrom(..."abcdefgh");
  const graph = fc.array(fc.tuple(ids, ids), { maxLength: 20 });
  fc.assert(
    fc.property(graph, (edges) => {
      const byId = Map.groupBy(edges, ([id]) => id);
      const all: Need[] = [...byId].map(([id, own]) => ({ id, needs: own.map(([, to]) => to) }));
      const isEdge = (from?: string, to?: string) => edges.some(([a, b]) => a === from && b === to);
      const reached = new Set(edges.filter(([from]) => from === "a").map(([, to]) => to));
      for (let n = 0; n < 8; n += 1) {
        for (const [from, to] of edges) if (reached.has(from)) reached.add(to);
      }
      const way = cycleFrom("a", all);
      expect(way !== undefined).toBe(reached.has("a"));
      for (const [n, id] of (way ?? []).slice(0, -1).entries()) {
        expect(isEdge(id, way?.[n + 1])).toBe(true);
      }
    }),
  );
});
