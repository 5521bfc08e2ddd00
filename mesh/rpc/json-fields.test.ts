import { expect, test } from "vitest";
import { PostTransactionRequestSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { scanJson } from "./json.ts";
import { checkJson } from "./json-fields.ts";

test.each([
  ["2026-02-30T00:00:00Z", false],
  ["2026-02-29T00:00:00Z", false],
  ["2024-02-29T23:59:59.999Z", true],
  ["2026-04-31T00:00:00Z", false],
  ["2026-13-01T00:00:00Z", false],
  ["2026-12-31T00:00:00+01:00", true],
  ["2026-12-31T24:00:00Z", false],
  ["2026-12-31T23:59:60Z", false],
  ["0000-01-01T00:00:00Z", false],
  ["yesterday", false],
])("a time on %s stays as it is written: %s", (effectiveTime, possible) => {
  const { malformed } = check({ effectiveTime });
  expect(malformed.map(({ field }) => field)).toEqual(possible ? [] : ["effective_time"]);
});

test("a number in a nested list is refused by its path", () => {
  const { inexact } = check({ entries: [{ amountMinor: "1" }, { amountMinor: 1.5 }] });
  expect(inexact.map(({ field }) => field)).toEqual(["entries[1].amount_minor"]);
});

function check(request: object) {
  const scan = scanJson(JSON.stringify(request));
  if (!scan.ok) throw new Error(scan.problem);
  return checkJson(PostTransactionRequestSchema, scan.value);
}
