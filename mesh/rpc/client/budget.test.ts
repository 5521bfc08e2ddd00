import { expect, test } from "vitest";
import { createRetryBudget, tokensMax } from "./budget.ts";

test("a new client may send a few calls again, and no more while nothing is answered", () => {
  const budget = createRetryBudget(() => 0);
  expect(spent(budget)).toBe(5);
});

test("ten calls that are answered pay for one more attempt", () => {
  const budget = createRetryBudget(() => 0);
  spent(budget);
  for (let count = 0; count < 30; count++) budget.answered();
  expect(spent(budget)).toBeGreaterThanOrEqual(2);
  expect(spent(budget)).toBe(0);
});

test("a busy client saves no more than it may", () => {
  const budget = createRetryBudget(() => 0);
  for (let count = 0; count < 100_000; count++) budget.answered();
  expect(spent(budget)).toBe(tokensMax);
});

test("a client that seldom calls gets a few back with time, and no more", () => {
  let now = 0;
  const budget = createRetryBudget(() => now);
  spent(budget);
  now = 20_000;
  expect(spent(budget)).toBe(2);
  now = 10_000_000;
  expect(spent(budget)).toBe(5);
});

function spent(budget: ReturnType<typeof createRetryBudget>): number {
  let count = 0;
  while (budget.spend()) count += 1;
  return count;
}
