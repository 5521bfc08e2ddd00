import { expect, test } from "vitest";
import { chartKind } from "./chart.ts";

test.each([
  ["assets:stripe:clearing", "asset"],
  ["assets:hub_2:disputed", "asset"],
  ["assets:bank", "asset"],
  ["expenses:fees:stripe", "expense"],
  ["expenses:disputes", "expense"],
  ["income:sales", "income"],
  ["income:refunds", "income"],
  ["liabilities:tax", "liability"],
  ["liabilities:suspense", "liability"],
])("%s is in the chart, of kind %s", (accountCode, kind) => {
  expect(chartKind(accountCode)).toBe(kind);
});

test.each([
  "assets",
  "assets:cash",
  "assets:stripe:other",
  "assets:stripe:clearing:more",
  "assets:bank:two",
  "income:sales:books",
  "expenses:fees",
  "fees:stripe",
])("%s is not in the chart", (accountCode) => {
  expect(chartKind(accountCode)).toBeUndefined();
});
