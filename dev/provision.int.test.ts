import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { readAccess } from "#mesh/identity/access.ts";
import { browserIdentity } from "#mesh/identity/tls.ts";
import { provision } from "./provision.ts";
import type { HouseService } from "./services.ts";

const added = (name: string, schema: string): HouseService => ({ name, schema, main: "" });

test("learners may do what the contract admits them to, and nothing else", async () => {
  const { scopes, grant } = await provisioned([added("receipt-service", "receipt")]);
  const admitted = [
    ...["cms.access.read", "cms.catalog.read", "cms.enrollments.read"],
    ...["cms.orders.read", "cms.orders.write", "receipt.receipts.read"],
  ];
  expect(scopes.sort()).toEqual(admitted);
  expect(admitted.every((scope) => grant?.scopes.covers(scope))).toBe(true);
  expect(grant?.scopes.covers("cms.courses.write")).toBe(false);
});

test("a service may have any name that a folder has", async () => {
  const { grant } = await provisioned([added("course-badge-service", "course_badge")]);
  expect(grant?.scopes.covers("cms.orders.read")).toBe(true);
});

async function provisioned(extra: readonly HouseService[]) {
  const folder = mkdtempSync(join(tmpdir(), "bursar-provision-"));
  try {
    const { accessFile, learnerJwt } = await provision({ folder, extra });
    const { scope } = decodeJwt<{ scope: string }>(learnerJwt);
    return { scopes: scope.split(" "), grant: readAccess(accessFile).get(browserIdentity) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
