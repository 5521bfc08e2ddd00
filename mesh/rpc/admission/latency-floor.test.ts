import { expect, test } from "vitest";
import { createLatencyFloor } from "./latency-floor.ts";

test("the best of lately is known once there were enough calls", () => {
  const floor = createLatencyFloor();
  for (let n = 0; n < 19; n++) floor.add(10 + n, 1_000);
  expect(floor.bestMs(1_000)).toBeUndefined();
  floor.add(30, 1_000);
  expect(floor.bestMs(1_000)).toBe(10);
});

test("what was long ago is forgotten, and without calls nothing is known", () => {
  const floor = createLatencyFloor();
  for (let n = 0; n < 20; n++) floor.add(5, 0);
  for (let n = 0; n < 20; n++) floor.add(50, 11_000);
  expect(floor.bestMs(11_000)).toBe(5);
  for (let n = 0; n < 20; n++) floor.add(50, 22_000);
  expect(floor.bestMs(22_000)).toBe(50);
  expect(floor.bestMs(60_000)).toBeUndefined();
});
