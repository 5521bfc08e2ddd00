// What workers have to tell operators gets past their processes: statistics through the primary,
// refused requests over the broker.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { openTestBroker, type TestBroker } from "#mesh/testing/broker.ts";
import { type TestCertificates, testCertificates } from "#mesh/testing/certificates.ts";
import { openTestDatabase, type TestDatabase } from "#mesh/testing/database.ts";
import { readCounts, readStates } from "../statistics/rows.ts";
import { endpoint, startGatewayProcess } from "../testing/gateway-process.ts";

const endpointId = "stripe-endpoint";
const stack = new AsyncDisposableStack();
let certificates: TestCertificates;
let testBroker: TestBroker;
let database: TestDatabase;

beforeAll(async () => {
  certificates = stack.use(await testCertificates());
  testBroker = stack.use(await openTestBroker());
  const migrations = new URL("../migrations/", import.meta.url);
  database = stack.use(await openTestDatabase({ schema: "gateway", migrations }));
});
afterAll(() => stack.disposeAsync());

const start = (over: Record<string, string> = {}) =>
  startGatewayProcess(certificates, {
    NATS_URL: testBroker.url,
    DATABASE_URL: database.url,
    DATABASE_OWNER_URL: database.ownerUrl,
    DOOR_WORKERS: "2",
    ...over,
  });

test("what two workers took is written down once each, the last of it as they stop", async () => {
  const { pool } = database;
  await using gateway = await start();
  await expect.poll(() => gateway.workers().length).toBe(2);
  await sendMany((n) => gateway.send(`evt_told_${n}`));
  await expect.poll(() => counted(pool, "acked"), { timeout: 15_000 }).toBe(30n);
  await sendMany((n) => gateway.send(`evt_told_${n}`));
  gateway.child.kill("SIGTERM");
  const [code] = await once(gateway.child, "exit");
  expect(code).toBe(0);
  expect(await counted(pool, "acked")).toBe(60n);
  expect(await counted(pool, "duplicate")).toBe(30n);
  const state = (await readStates(pool)).get(endpointId);
  expect(state?.lastAckedAt).toBeInstanceOf(Date);
  expect(state?.failuresInARow).toBe(0);
});

test("what workers refuse rings the alarm of its endpoint, and is kept for operators", async () => {
  const { pool } = database;
  const QUARANTINE_KEY = randomBytes(32).toString("hex");
  const STRIPE_SECRET = "whsec_another0123456789abcdef01234567";
  await using gateway = await start({ STRIPE_SECRET, QUARANTINE_KEY, DOOR_WORKERS: "1" });
  const kept = endpoint(endpointId).replace(
    "stripe: {}",
    "quarantine: { per_minute: 1000 }\n    stripe: {}",
  );
  const key = "quarantine_key: { environment: QUARANTINE_KEY }";
  writeFileSync(gateway.endpointsFile, `${key}\n${kept}`);
  const reloaded = "the configuration was reloaded";
  const said = () => gateway.lines().some(({ message }) => message === reloaded);
  await expect.poll(said, { timeout: 10_000 }).toBe(true);
  const statuses = await sendMany((n) => gateway.send(`evt_refused_${n}`));
  expect(statuses).not.toContain(200);
  const quarantined = async () => (await pool`select 1 from quarantined`).length;
  // The rest was rate-limited: one client had failed too often.
  await expect.poll(quarantined, { timeout: 15_000 }).toBeGreaterThan(0);
  await expect.poll(() => counted(pool, "refused"), { timeout: 15_000 }).toBe(30n);
  const state = (await readStates(pool)).get(endpointId);
  expect(state?.failuresInARow).toBe(30);
  expect(state?.failingSince).toBeInstanceOf(Date);
  const alarm = /^bursar_gateway_endpoint_failures_in_a_row\{endpoint="stripe-endpoint".*\} 30$/m;
  await expect.poll(() => gateway.scrape(), { timeout: 20_000, interval: 500 }).toMatch(alarm);
});

test("what cannot be written stays with the worker, and is written once later", async () => {
  const { pool } = database;
  await pool`delete from endpoint_hour`;
  const owner = openPool({ url: database.ownerUrl, schema: "gateway", connectionsMax: 1 });
  await using gateway = await start();
  await owner`revoke insert on endpoint_hour from gateway_runtime`;
  try {
    await sendMany((n) => gateway.send(`evt_later_${n}`));
    const said = () => gateway.lines().filter(({ message }) => message === keptMessage).length;
    await expect.poll(said, { timeout: 20_000 }).toBeGreaterThan(0);
    await sendMany((n) => gateway.send(`evt_later_too_${n}`));
  } finally {
    await owner`grant insert on endpoint_hour to gateway_runtime`;
    await owner.end({ timeout: 5 });
  }
  await expect.poll(() => counted(pool, "acked"), { timeout: 20_000 }).toBe(60n);
});

const keptMessage = "statistics of endpoints cannot be written yet; they are kept";

function sendMany(send: (n: number) => Promise<number | undefined>) {
  return Promise.all(Array.from({ length: 30 }, (_, n) => send(n)));
}

async function counted(pool: Pool, kind: string): Promise<bigint> {
  const rows = await readCounts(pool, endpointId, 2);
  return rows.filter((row) => row.kind === kind).reduce((sum, { count }) => sum + count, 0n);
}
