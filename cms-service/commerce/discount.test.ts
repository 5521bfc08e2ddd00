import fc from "fast-check";
import { expect, test } from "vitest";
import { applyCoupon, discountMinor, isLowered, normaliseCode } from "./discount.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.info(`seed ${seed}`);
const int64Max = 2n ** 63n - 1n;
const amounts = fc.bigInt(1n, int64Max);

test("of a percentage never more is taken off than its exact part, and never a unit less", () => {
  const property = fc.property(amounts, fc.integer({ min: 1, max: 10_000 }), (list, percentBp) => {
    const off = discountMinor({ percentBp }, "USD", list) ?? -1n;
    // As fractions of 10000: off ≤ exact < off + 1.
    const exact = list * BigInt(percentBp);
    expect(off * 10_000n <= exact && exact < (off + 1n) * 10_000n).toBe(true);
    expect(off >= 0n && off <= list && list - off <= int64Max).toBe(true);
    expect(list - off === 0n).toBe(percentBp === 10_000);
  });
  fc.assert(property, { seed, numRuns: 5_000 });
});

test("an amount takes off itself or the whole price, whatever is less", () => {
  const property = fc.property(amounts, amounts, (list, amount) => {
    const off = discountMinor({ amounts: new Map([["USD", amount]]) }, "USD", list);
    expect(off).toBe(list < amount ? list : amount);
  });
  fc.assert(property, { seed, numRuns: 2_000 });
});

test.each([
  [2_500, 999n, 249n],
  [1, 9_999n, 0n],
  [3_333, 100n, 33n],
  [9_999, int64Max, 9_222_449_699_651_090_329n],
  [10_000, int64Max, int64Max],
])("%i hundredths of a percent of %s are %s", (percentBp, list, off) => {
  expect(discountMinor({ percentBp }, "USD", list)).toBe(off);
});

const now = new Date(1_000);
const coupon = {
  discount: { amounts: new Map([["USD", 5n]]) },
  offerIds: ["off_1"],
  startTime: now,
  endTime: new Date(1_001),
  usesMax: 3n,
  usesPerLearnerMax: 2n,
  archived: false,
};
const purchase = { offerId: "off_1", currencyCode: "USD", listMinor: 100n };
const uses = { inAll: 2n, byLearner: 1n };

test("a coupon applies from its start on, before its end, below its limits", () => {
  expect(applyCoupon(coupon, purchase, uses, now)).toEqual({ applies: true, discountMinor: 5n });
});

// One row a problem, in the order the rules are checked: each holds all later ones as well.
const wrong = {
  archived: { archived: true },
  early: { startTime: new Date(1_001) },
  late: { endTime: now },
  offer: { offerIds: ["off_2"] },
  currency: { discount: { amounts: new Map([["EUR", 5n]]) } },
  uses: { usesMax: 2n },
  learner: { usesPerLearnerMax: 1n },
};
const problems = [
  "COUPON_ARCHIVED",
  "COUPON_NOT_STARTED",
  "COUPON_ENDED",
  "COUPON_OFFER_MISMATCH",
  "COUPON_CURRENCY_MISMATCH",
  "COUPON_USED_UP",
  "COUPON_USED_UP_BY_LEARNER",
] as const;
test.each(problems.map((problem, n) => [problem, n] as const))("%s", (problem, n) => {
  const over = Object.assign({}, ...Object.values(wrong).slice(n));
  expect(applyCoupon({ ...coupon, ...over }, purchase, uses, now)).toEqual({
    applies: false,
    problem,
  });
});

test.each([
  [3n, 2n, true],
  [3n, 3n, false],
  [3n, 4n, false],
  [3n, null, false],
  [null, 9n, true],
  [null, null, false],
])("a limit of %s that becomes %s is lowered: %s", (before, after, lowered) => {
  expect(isLowered(before, after)).toBe(lowered);
});

test("a code is the same however it is typed", () => {
  expect(normaliseCode(" summer-26 ")).toBe("SUMMER-26");
});
