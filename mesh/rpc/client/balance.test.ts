import fc from "fast-check";
import { expect, test } from "vitest";
import { isLighter, type Load, lighterOfTwo, observeLatency } from "./balance.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

test("what became slow counts at once, what became fast by and by", () => {
  const load = { inFlight: 0, latencyMs: 10, observedAt: 0 };
  expect(observeLatency(load, 500, 1)).toBe(500);
  const soon = observeLatency({ ...load, latencyMs: 500 }, 10, 100);
  const later = observeLatency({ ...load, latencyMs: 500 }, 10, 30_000);
  expect(soon).toBeGreaterThan(490);
  expect(later).toBeGreaterThan(10);
  expect(later).toBeLessThan(50);
});

test("calls under way weigh as much as slowness", () => {
  const fast = { inFlight: 9, latencyMs: 10, observedAt: 0 };
  const slow = { inFlight: 0, latencyMs: 50, observedAt: 0 };
  expect(isLighter(slow, fast, 0)).toBe(true);
  expect(isLighter(slow, { ...fast, inFlight: 3 }, 0)).toBe(false);
});

test("an endpoint that nobody has called is taken to be as fast as the other", () => {
  const known = { inFlight: 1, latencyMs: 10, observedAt: 0 };
  expect(isLighter({ inFlight: 0, latencyMs: undefined, observedAt: 0 }, known, 0)).toBe(true);
  expect(isLighter({ inFlight: 1, latencyMs: undefined, observedAt: 0 }, known, 0)).toBe(false);
  expect(isLighter({ inFlight: 2, latencyMs: undefined, observedAt: 0 }, known, 0)).toBe(false);
});

test("an endpoint that was slow once is tried again", () => {
  const slow = { inFlight: 0, latencyMs: 1_000, observedAt: 0 };
  const fast = (now: number) => ({ inFlight: 0, latencyMs: 10, observedAt: now });
  expect(isLighter(slow, fast(1_000), 1_000)).toBe(false);
  expect(isLighter(slow, fast(60_000), 60_000)).toBe(true);
});

test(`alike endpoints get alike shares, a slower one never more (seed ${seed})`, () => {
  const world = fc.record({
    endpoints: fc.integer({ min: 2, max: 8 }),
    latencyMs: fc.integer({ min: 5, max: 50 }),
    slowed: fc.integer({ min: 2, max: 20 }),
    drawn: fc.integer({ min: 1 }),
  });
  const property = fc.property(world, ({ endpoints, latencyMs, slowed, drawn }) => {
    const random = createRandom(drawn);
    const alike = Array.from({ length: endpoints }, () => latencyMs);
    const shares = simulate(alike, random);
    for (const share of shares) expect(Math.abs(share * endpoints - 1)).toBeLessThan(0.35);

    const [slow = 0, ...others] = simulate([latencyMs * slowed, ...alike.slice(1)], random);
    for (const share of others) expect(slow).toBeLessThan(share);
  });
  fc.assert(property, { seed, numRuns: 50 });
});

test("there is nothing to choose from one, and nothing from none", () => {
  const one = { inFlight: 5, latencyMs: 10, observedAt: 0 };
  expect(lighterOfTwo([one], 0, Math.random)).toBe(one);
  expect(lighterOfTwo([], 0, Math.random)).toBeUndefined();
});

/** Shares of 2,000 calls, one a millisecond, each taking as long as its endpoint needs. */
function simulate(latenciesMs: readonly number[], random: () => number): number[] {
  const calls = 2_000;
  const endpoints = latenciesMs.map((takesMs) => ({
    takesMs,
    inFlight: 0,
    latencyMs: undefined as number | undefined,
    observedAt: 0,
    calls: 0,
  }));
  type Simulated = (typeof endpoints)[number];
  const ends = new Map<number, Simulated[]>();
  for (let now = 0; now < calls; now++) {
    for (const endpoint of ends.get(now) ?? []) {
      endpoint.latencyMs = observeLatency(endpoint, endpoint.takesMs, now);
      endpoint.observedAt = now;
      endpoint.inFlight -= 1;
    }
    const chosen = lighterOfTwo<Simulated & Load>(endpoints, now, random);
    if (!chosen) continue;
    chosen.inFlight += 1;
    chosen.calls += 1;
    const endsAt = now + chosen.takesMs;
    ends.set(endsAt, [...(ends.get(endsAt) ?? []), chosen]);
  }
  return endpoints.map((endpoint) => endpoint.calls / calls);
}

function createRandom(state: number): () => number {
  let current = state;
  return () => {
    current = (Math.imul(current, 1_664_525) + 1_013_904_223) >>> 0;
    return current / 2 ** 32;
  };
}
