import { expect, test } from "vitest";
import {
  afterCall,
  comeBack,
  eject,
  isOutlier,
  isProbeDue,
  mayEject,
  newStanding,
  ejectionDefaults as policy,
  type Standing,
} from "./ejection.ts";

const never = () => 0;

test("failures in a row make an outlier, an answer between them does not", () => {
  const failing = calls(newStanding(0), "fffff");
  expect(isOutlier(failing, policy)).toBe(true);
  expect(isOutlier(calls(newStanding(0), "ffff"), policy)).toBe(false);
  expect(isOutlier(calls(newStanding(0), "ffffaffff"), policy)).toBe(false);
});

test("half of many calls failing make an outlier, half of a few do not", () => {
  expect(isOutlier(calls(newStanding(0), "fa".repeat(10)), policy)).toBe(true);
  expect(isOutlier(calls(newStanding(0), "fa".repeat(9)), policy)).toBe(false);
  expect(isOutlier(calls(newStanding(0), "faa".repeat(20)), policy)).toBe(false);
});

test("what failed long ago is forgotten", () => {
  const before = calls(newStanding(0), "fa".repeat(9));
  const after = afterCall(before, true, policy.windowMs, policy);
  expect(after).toMatchObject({ calls: 1, failures: 1 });
});

test("each ejection lasts twice as long, and none longer than the longest", () => {
  let standing = newStanding(0);
  const lengths: number[] = [];
  for (let count = 0; count < 9; count++) {
    standing = eject(standing, "failing", 0, policy, never);
    lengths.push(standing.ejectedUntil ?? 0);
  }
  expect(lengths).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000));
});

test("one that cannot be reached is tried again and again, a few times a second", () => {
  let standing = newStanding(0);
  const lengths: number[] = [];
  for (let count = 0; count < 6; count++) {
    standing = eject(standing, "unreachable", 0, policy, never);
    lengths.push(standing.ejectedUntil ?? 0);
  }
  expect(lengths).toEqual([50, 100, 200, 200, 200, 200]);
});

test("clients that ejected together come back one after the other", () => {
  expect(eject(newStanding(0), "failing", 0, policy, () => 0.999).ejectedUntil).toBeCloseTo(
    1_250,
    -1,
  );
});

test("who comes back and fails is ejected for longer, who did well for a minute is not", () => {
  const back = comeBack(eject(newStanding(0), "failing", 0, policy, never), 1_000);
  expect(eject(back, "failing", 2_000, policy, never).ejectedUntil).toBe(4_000);
  expect(eject(back, "failing", 62_000, policy, never).ejectedUntil).toBe(63_000);
});

test("a probe is due when the time is over, and only for who is ejected", () => {
  const ejected = eject(newStanding(0), "failing", 0, policy, never);
  expect(isProbeDue(ejected, 999)).toBe(false);
  expect(isProbeDue(ejected, 1_000)).toBe(true);
  expect(isProbeDue(newStanding(0), 1_000)).toBe(false);
});

test.each([
  [0, 1, false],
  [0, 2, true],
  [1, 2, false],
  [0, 3, true],
  [1, 3, false],
  [1, 4, true],
  [2, 4, false],
])("with %i of %i ejected, another one: %s", (ejected, endpoints, allowed) => {
  expect(mayEject(ejected, endpoints, policy)).toBe(allowed);
});

/** `f` a failure, `a` an answer. */
function calls(standing: Standing, outcomes: string): Standing {
  return [...outcomes].reduce(
    (before, outcome) => afterCall(before, outcome === "f", 1, policy),
    standing,
  );
}
