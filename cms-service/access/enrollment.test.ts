import { expect, test } from "vitest";
import { enrollmentState } from "./enrollment.ts";
import type { GrantState } from "./payment.ts";

test.each<[GrantState[], string]>([
  [[], "none"],
  [["void"], "none"],
  [["active"], "active"],
  [["suspended"], "suspended"],
  [["revoked"], "revoked"],
  [["revoked", "active"], "active"],
  [["suspended", "active"], "active"],
  [["void", "active"], "active"],
  [["revoked", "suspended"], "suspended"],
  [["void", "revoked"], "revoked"],
  [["void", "suspended", "revoked", "active"], "active"],
])("grants %j make an enrollment %s", (grants, state) => {
  expect(enrollmentState(grants)).toBe(state);
  expect(enrollmentState(grants.toReversed())).toBe(state);
});
