import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { refusalReasons } from "./wire-refusal.ts";

const reasons = Object.keys(Refusal).filter((name) => name !== "UNSPECIFIED");

test("every reason of the rules is one of the wire, and the other way round", () => {
  const values = Object.values(refusalReasons);
  expect(new Set(values).size).toBe(values.length);
  expect(values.length).toBe(reasons.length);
});

test("docs/ledger.md names every reason, and no others", () => {
  const page = readFileSync(new URL("../docs/ledger.md", import.meta.url), "utf8");
  const [, section = ""] = page.split("## Refusals");
  const told = section.split("\n## ", 1)[0]!.matchAll(/`([A-Z][A-Z_]+)`/g);
  expect([...new Set([...told].map(([, name]) => name))].sort()).toEqual(reasons.sort());
});
