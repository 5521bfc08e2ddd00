import { expect, test } from "vitest";
import { digestOfEvent, idsOf, takenWith } from "./published-ids.ts";

const [a, b, c] = ["a", "b", "c"].map((text) => digestOfEvent(Buffer.from(text))) as [
  string,
  string,
  string,
];

test("the first events of a webhook have its id and their place", () => {
  expect(idsOf("w", [a, b], [])).toEqual(["w/1", "w/2"]);
});

test("the same bytes again have the same id, whatever came in between", () => {
  const taken = takenWith([], [a, b]);
  expect(idsOf("w", [a, b], taken)).toEqual(["w/1", "w/2"]);
  expect(idsOf("w", [a, c], takenWith(taken, [a, c]))).toEqual(["w/1", `w/2/${c}`]);
  expect(idsOf("w", [a, b], takenWith(taken, [a, c]))).toEqual(["w/1", "w/2"]);
});

test("a place that nobody took before is free", () => {
  expect(idsOf("w", [a, b], [a])).toEqual(["w/1", "w/2"]);
  expect(takenWith([a], [c, b])).toEqual([a, b]);
});
