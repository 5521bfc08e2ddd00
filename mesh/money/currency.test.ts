import { expect, test } from "vitest";
import { currencyScale } from "./currency.ts";

test.each([
  ["USD", 2],
  ["EUR", 2],
  ["HUF", 2],
  ["MGA", 2],
  ["JPY", 0],
  ["KRW", 0],
  ["ISK", 0],
  ["UYI", 0],
  ["KWD", 3],
  ["IQD", 3],
  ["CLF", 4],
  ["UYW", 4],
])("%s has a scale of %i, as in ISO 4217", (currencyCode, scale) => {
  expect(currencyScale(currencyCode)).toBe(scale);
});

test.each(["ZZZ", "usd", "", "USDT", "constructor"])("%j is no currency", (currencyCode) => {
  expect(currencyScale(currencyCode)).toBeUndefined();
});
