import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { readAccess } from "#mesh/identity/access.ts";
import { browserIdentity } from "#mesh/identity/tls.ts";
import { demoProviders } from "./demo-endpoints.ts";
import { provision } from "./provision.ts";
import type { HouseService } from "./services.ts";

const added = (name: string, schema: string): HouseService => ({ name, schema, main: "" });

test("learners may do what the contract admits them to, and nothing else", async () => {
  const { scopes, grant } = await provisioned([added("receipt-service", "receipt")]);
  const admitted = [
    ...["cms.access.read", "cms.catalog.read", "cms.certificates.read"],
    ...["cms.certificates.verify", "cms.enrollments.read", "cms.offers.read", "cms.orders.read"],
    ...["cms.orders.write", "cms.previews.read", "cms.progress.read", "cms.progress.write"],
    ...["cms.quizzes.read", "cms.quizzes.write", "receipt.receipts.read"],
  ];
  expect(scopes.sort()).toEqual(admitted);
  expect(admitted.every((scope) => grant?.scopes.covers(scope))).toBe(true);
  expect(grant?.scopes.covers("cms.courses.write")).toBe(false);
});

test("a service may have any name that a folder has", async () => {
  const { grant } = await provisioned([added("course-badge-service", "course_badge")]);
  expect(grant?.scopes.covers("cms.orders.read")).toBe(true);
});

test("a folder of before gets endpoints of the providers that came since", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-provision-"));
  try {
    const { endpointsFile } = await provision({ folder });
    const complete = readFileSync(endpointsFile, "utf8");
    const all = (parse(complete) as Endpoints).endpoints;
    expect(all).toHaveLength(Object.keys(demoProviders).length);

    const [stripe] = all;
    const own = { endpointId: "lemon-of-mine", lemon_squeezy: {} };
    writeFileSync(endpointsFile, `# mine\n${stringify({ endpoints: [stripe, own] })}`);
    await provision({ folder });
    const text = readFileSync(endpointsFile, "utf8");
    expect(text).toMatch(/^# mine\n/);
    const after = (parse(text) as Endpoints).endpoints;
    expect(after.slice(0, 2)).toEqual([stripe, own]);
    // The same ids and secrets as before, and no second endpoint of a provider that has one.
    const others = all.filter((endpoint) => endpoint !== stripe && !("lemonSqueezy" in endpoint));
    expect(after.slice(2)).toEqual(others);

    await provision({ folder });
    expect(readFileSync(endpointsFile, "utf8")).toBe(text);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a file of endpoints that cannot be read is left as it is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-provision-"));
  try {
    const { endpointsFile } = await provision({ folder });
    for (const text of ["endpoints: [", "", "endpoints: 1\n", "- 1\n"]) {
      writeFileSync(endpointsFile, text);
      await provision({ folder });
      expect(readFileSync(endpointsFile, "utf8")).toBe(text);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

type Endpoints = { readonly endpoints: readonly object[] };

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
