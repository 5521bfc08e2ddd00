import { expect, test } from "vitest";
import { createBoundedCache } from "./bounded-cache.ts";

test("what was not asked for the longest is let go first", () => {
  const cache = createBoundedCache<number>(5_000);
  cache.set("a", 1, 1_000);
  cache.set("b", 2, 1_000);
  cache.set("c", 3, 1_000);
  expect(cache.get("a")).toBe(1);
  cache.set("d", 4, 1_000);
  expect(["a", "b", "c", "d"].map((key) => cache.get(key))).toEqual([1, undefined, 3, 4]);
});

test("it is never larger than it may be, and counts what has no size too", () => {
  const cache = createBoundedCache<number>(10_000);
  for (let n = 0; n < 1_000; n++) {
    cache.set(`key ${n % 50}`, n, (n * 37) % 4_000);
    expect(cache.bytes).toBeLessThanOrEqual(10_000);
  }
  for (let n = 0; n < 1_000; n++) cache.set(`empty ${n}`, n, 0);
  expect(cache.bytes).toBeLessThanOrEqual(10_000);
  expect(cache.get("empty 999")).toBe(999);
  expect(cache.get("empty 900")).toBeUndefined();
});

test("what alone is larger is not kept, and takes nothing else's place", () => {
  const cache = createBoundedCache<number>(5_000);
  cache.set("a", 1, 1_000);
  cache.set("b", 2, 1_000_000);
  expect([cache.get("a"), cache.get("b")]).toEqual([1, undefined]);
});
