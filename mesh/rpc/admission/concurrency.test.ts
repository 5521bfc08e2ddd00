import { describe, expect, test } from "vitest";
import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { createConcurrency, mayEnter, nextLimit } from "./concurrency.ts";

const { BULK, INTERACTIVE, CRITICAL } = RateClass;
const bounds = { min: 4, max: 400 };

test.each([
  [CRITICAL, 99, true],
  [CRITICAL, 100, false],
  [INTERACTIVE, 79, true],
  [INTERACTIVE, 80, false],
  [BULK, 49, true],
  [BULK, 50, false],
])("of a limit of 100, class %i with %i calls under way may enter: %s", (rateClass, count, may) => {
  expect(mayEnter(rateClass, count, 100)).toBe(may);
});

test("a limit of one still lets one call of any class in", () => {
  for (const rateClass of [BULK, INTERACTIVE, CRITICAL]) {
    expect(mayEnter(rateClass, 0, 1)).toBe(true);
    expect(mayEnter(rateClass, 1, 1)).toBe(false);
  }
});

describe("the limit", () => {
  test.each([
    ["falls below what was under way, as far as most calls are too slow", 400, 6, 12.5, 100, 80],
    ["falls by half at most", 400, 10, 40, 100, 50],
    ["falls by a twentieth at least", 100, 6, 10.1, 100, 95],
    ["stays when half of them are not too slow", 100, 5, 15, 20, 100],
    ["grows when it was nearly reached", 100, 0, 5, 60, 110],
    ["grows by one at least", 5, 0, 5, 5, 6],
    ["stays when nobody needs more", 100, 0, 5, 20, 100],
    ["does not fall below its least", 4, 10, 40, 4, 4],
    ["does not grow above its most", 399, 0, 5, 399, 400],
  ])("%s", (_name, limit, slow, slowness, peak, next) => {
    expect(nextLimit(limit, { calls: 10, slow, slowness, peak }, bounds)).toBe(next);
  });

  test("calls that began under an old limit do not lower the new one", () => {
    const concurrency = createConcurrency(bounds);
    const run = (count: number, startedAtMs: number, nowMs: number) => {
      for (let n = 0; n < count; n++) concurrency.enter(CRITICAL);
      for (let n = 0; n < count; n++) concurrency.leave({ startedAtMs, slowness: 2 }, nowMs);
    };
    run(100, 0, 1_000);
    const lowered = concurrency.limit();
    expect(lowered).toBeLessThan(100);
    run(50, 500, 2_000);
    expect(concurrency.limit()).toBe(lowered);
    run(50, 1_500, 3_000);
    expect(concurrency.limit()).toBeLessThan(lowered);
  });
});

describe("before a server of 10 calls at once, 20 ms each, whose callers were promised 200 ms", () => {
  test("five times what it can do: the urgent are served, the others shed, little is lost", () => {
    const world = createWorld();
    const arriving = { [CRITICAL]: 0.2, [INTERACTIVE]: 0.2, [BULK]: 2.1 };
    world.run(arriving, 5_000);
    const { answered, refused, late } = world.run(arriving, 5_000);
    expect(refused[CRITICAL]).toBe(0);
    expect(refused[INTERACTIVE]).toBe(0);
    expect(refused[BULK]).toBeGreaterThan(0.7 * 10_000);
    const capacity = 0.5 * 5_000;
    expect(answered[CRITICAL]! + answered[INTERACTIVE]! + answered[BULK]!).toBeGreaterThan(
      0.95 * capacity,
    );
    expect(late).toBe(0);
  });

  test("critical calls alone are too many: they use all of it, and are answered in time", () => {
    const world = createWorld();
    world.run({ [CRITICAL]: 2.5 }, 5_000);
    const { answered, late } = world.run({ [CRITICAL]: 2.5 }, 5_000);
    expect(answered[CRITICAL]).toBeGreaterThan(0.95 * 0.5 * 5_000);
    expect(late).toBe(0);
  });

  test("afterwards it takes everything again", () => {
    const world = createWorld();
    world.run({ [BULK]: 2.5 }, 5_000);
    world.run({ [BULK]: 0.2 }, 2_000);
    const { refused } = world.run({ [BULK]: 0.4 }, 2_000);
    expect(refused[BULK]).toBe(0);
  });
});

/** Time in steps of a millisecond; calls a millisecond of each class; a queue before ten servers. */
function createWorld() {
  const concurrency = createConcurrency(bounds);
  const servers = 10;
  const takesMs = 20;
  const targetMs = 100;
  const deadlineMs = 1_000;
  const queue: { rateClass: number; startedAtMs: number }[] = [];
  let busy: { rateClass: number; startedAtMs: number; doneAtMs: number }[] = [];
  let nowMs = 0;
  const owed: Record<number, number> = {};

  function run(arriving: Record<number, number>, forMs: number) {
    const answered: Record<number, number> = { [BULK]: 0, [INTERACTIVE]: 0, [CRITICAL]: 0 };
    const refused: Record<number, number> = { [BULK]: 0, [INTERACTIVE]: 0, [CRITICAL]: 0 };
    let late = 0;
    for (const untilMs = nowMs + forMs; nowMs < untilMs; nowMs++) {
      for (const { rateClass, startedAtMs, doneAtMs } of busy) {
        if (doneAtMs > nowMs) continue;
        const slowness = (nowMs - startedAtMs) / targetMs;
        concurrency.leave({ startedAtMs, slowness }, nowMs);
        if (nowMs - startedAtMs > deadlineMs) late += 1;
        else answered[rateClass]! += 1;
      }
      busy = busy.filter(({ doneAtMs }) => doneAtMs > nowMs);
      for (const [name, rate] of Object.entries(arriving)) {
        const rateClass = Number(name);
        owed[rateClass] = (owed[rateClass] ?? 0) + rate;
        for (; owed[rateClass]! >= 1; owed[rateClass]! -= 1) {
          if (concurrency.enter(rateClass as never)) queue.push({ rateClass, startedAtMs: nowMs });
          else refused[rateClass]! += 1;
        }
      }
      while (busy.length < servers && queue.length > 0) {
        busy.push({ ...queue.shift()!, doneAtMs: nowMs + takesMs });
      }
    }
    return { answered, refused, late };
  }

  return { run };
}
