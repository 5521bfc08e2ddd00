import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { whileLeading } from "./lead.ts";
import { openPool, type Pool } from "./pool.ts";

const migrations = new URL("../events/migrations/", import.meta.url);
let database: TestDatabase;
let other: Pool;

beforeAll(async () => {
  database = await openTestDatabase({ schema: "gateway", migrations });
  other = openPool({ url: database.url, schema: "gateway", connectionsMax: 2 });
});
afterAll(async () => {
  await other.end({ timeout: 5 });
  await database[Symbol.asyncDispose]();
});

test("one leads, and the next one when it is done", async () => {
  const led: string[] = [];
  await whileLeading(database.pool, "test/one", async () => {
    led.push("first");
    await whileLeading(other, "test/one", async () => void led.push("second"));
    await whileLeading(other, "test/another", async () => void led.push("of something else"));
  });
  await whileLeading(other, "test/one", async () => void led.push("third"));
  expect(led).toEqual(["first", "of something else", "third"]);
});

test("whoever fails while leading leads no longer", async () => {
  const failing = whileLeading(database.pool, "test/fails", async () => {
    throw new Error("the work failed");
  });
  await expect(failing).rejects.toThrow("the work failed");
  expect(await leads("test/fails")).toBe(true);
});

test("a session that is lost takes the lead with it, and does not go back to the pool", async () => {
  const { pool, superUrl } = database;
  const superuser = openPool({ url: superUrl, connectionsMax: 1 });
  const losing = whileLeading(pool, "test/lost", async (session) => {
    const [row] = await session`select pg_backend_pid() as pid`;
    await superuser`select pg_terminate_backend(${row!["pid"]}::int)`;
    await expect.poll(() => leads("test/lost")).toBe(true);
  });
  await expect(losing).rejects.toThrow();
  await superuser.end({ timeout: 5 });
  for (let n = 0; n < 10; n += 1) expect(await pool`select 1 as one`).toEqual([{ one: 1 }]);
});

async function leads(name: string): Promise<boolean> {
  let led = false;
  await whileLeading(other, name, async () => {
    led = true;
  });
  return led;
}
