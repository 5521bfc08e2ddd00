import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bucket, takeToken } from "./rate-limit.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

test("a caller has its burst at once, then its rate", () => {
  const rate = { perSecond: 10, burst: 3 };
  const take = taker(rate);
  expect([take(0), take(0), take(0)]).toEqual([0, 0, 0]);
  expect(take(0)).toBe(100);
  expect(take(60)).toBeCloseTo(40);
  expect(take(100)).toBe(0);
  expect(take(100)).toBe(100);
  expect([take(10_000), take(10_000), take(10_000), take(10_000)]).toEqual([0, 0, 0, 100]);
});

test(`who comes back when told is let in; the rate is never exceeded (seed ${seed})`, () => {
  const rates = fc.record({
    perSecond: fc.integer({ min: 1, max: 1_000 }),
    burst: fc.integer({ min: 1, max: 50 }),
  });
  const gaps = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 });
  const property = fc.property(rates, gaps, (rate, waits) => {
    const take = taker(rate);
    let nowMs = 0;
    let taken = 0;
    for (const waitMs of waits) {
      nowMs += waitMs;
      const again = take(nowMs);
      if (again === 0) taken += 1;
      else {
        nowMs += Math.ceil(again);
        expect(take(nowMs)).toBe(0);
        taken += 1;
      }
    }
    expect(taken).toBeLessThanOrEqual(rate.burst + (nowMs * rate.perSecond) / 1_000 + 1e-6);
  });
  fc.assert(property, { seed });
});

test("a clock that steps back earns nothing and takes nothing", () => {
  const take = taker({ perSecond: 1, burst: 1 });
  expect(take(1_000)).toBe(0);
  expect(take(500)).toBe(1_000);
  expect(take(1_500)).toBe(0);
});

/** Milliseconds to wait; zero: taken. */
function taker(rate: { perSecond: number; burst: number }) {
  let bucket: Bucket | undefined;
  return (nowMs: number) => {
    const taken = takeToken(bucket, rate, nowMs);
    bucket = taken.bucket;
    return taken.allowed ? 0 : taken.waitMs;
  };
}
