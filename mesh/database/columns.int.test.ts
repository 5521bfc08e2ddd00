import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  const migrations = new URL("../events/migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "mesh", migrations });
});
afterAll(() => database[Symbol.asyncDispose]());

const most = 2n ** 63n - 1n;
const odd = 'a"b\\c{},NULL ü\n';

test.each<[type: string, value: never]>([
  ["bigint", most],
  ["bigint[]", [most, null, -most - 1n]],
  ["bigint[]", [[1n], [2n]]],
  ["int", 7],
  ["int[]", [1, null]],
  ["float8", 0.1],
  ["numeric", "123456789012345678901234567890.10"],
  ["boolean", false],
  ["boolean[]", [true, null, false]],
  ["text", odd],
  ["text[]", [odd, null, "", "NULL", " x "]],
  ["text[]", []],
  ["bytea", Buffer.of(0, 92, 255)],
  ["bytea", Buffer.alloc(0)],
  ["bytea[]", [Buffer.of(0, 255), null, Buffer.alloc(0)]],
  ["jsonb", { a: [1, "ü", null], b: { c: '"' } }],
  ["jsonb[]", [{ a: '"\\' }, null]],
  ["timestamptz", new Date("2024-02-29T12:34:56.789Z")],
  ["timestamptz", new Date("0001-01-01T00:00:00.001Z")],
  ["timestamptz[]", [new Date("1969-12-31T23:59:59.999Z"), null]],
  ["uuid", "6f1f0a5e-3b0a-4c39-8a53-0a8b1e6a9a11"],
  ["text", null],
] as [string, never][])("%s %o comes back as it went", async (type, value) => {
  const rows = await database.pool.unsafe(`select $1::${type} as it`, [value]);
  expect(rows).toEqual([{ it: value }]);
});

test("every millisecond survives, whatever the time zones", async () => {
  const { pool } = database;
  const base = Date.UTC(2024, 2, 31, 0, 59, 59);
  const times = Array.from({ length: 1_000 }, (_, ms) => new Date(base + ms));
  for (const zone of ["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/Berlin"]) {
    const rows = await pool.begin(async (tx) => {
      await tx.unsafe(`set local timezone = '${zone}'`);
      return tx`select array_agg(t) as all, min(t) as first from unnest(${times}::timestamptz[]) t`;
    });
    expect(rows).toEqual([{ all: times, first: times[0] }]);
  }
});

test("what is finer than a millisecond is cut off", async () => {
  const rows = await database.pool`select timestamptz '2024-01-01 00:00:00.999999Z' as it`;
  expect(rows).toEqual([{ it: new Date("2024-01-01T00:00:00.999Z") }]);
});

test("a process in another time zone writes and reads the same times", () => {
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    const { openPool } = await import(${at("./pool.ts")});
    const pool = openPool({ url: ${JSON.stringify(database.url)}, connectionsMax: 1 });
    const time = new Date("2024-03-31T01:30:00.123Z");
    const [row] = await pool\`select \${time}::timestamptz as it,
      extract(epoch from \${time}::timestamptz)::text as epoch\`;
    console.log(row.it.getTime() - time.getTime(), row.epoch);
    await pool.end({ timeout: 1 });
  `;
  const answers = ["America/New_York", "Pacific/Chatham"].map((TZ) => {
    const env = { ...process.env, TZ };
    const args = ["--input-type=module", "--eval", script];
    return execFileSync(process.execPath, args, { env, encoding: "utf8" }).trim();
  });
  expect(answers).toEqual(["0 1711848600.123000", "0 1711848600.123000"]);
});

test("rows come with their count and are otherwise only rows", async () => {
  const { pool } = database;
  const rows = await pool`select n from generate_series(1, 3) n`;
  expect([rows.length, rows.count, rows.command]).toEqual([3, 3, "SELECT"]);
  expect(Object.keys(rows)).toEqual(["0", "1", "2"]);
  expect((await pool`delete from parked where false`).count).toBe(0);
});

test("a cursor reads all rows, some at a time", async () => {
  const sizes: number[] = [];
  const seen: bigint[] = [];
  await database.pool.begin("isolation level repeatable read read only", async (tx) => {
    const cursor = tx<{ n: bigint }[]>`
      select n from generate_series(1, ${2_500}::bigint) n order by n
    `.cursor(1_000);
    for await (const rows of cursor) {
      sizes.push(rows.length);
      for (const { n } of rows) seen.push(n);
      expect(await tx`select 1 as one`).toEqual([{ one: 1 }]);
    }
  });
  expect(sizes).toEqual([1_000, 1_000, 500]);
  expect(seen).toEqual(Array.from({ length: 2_500 }, (_, n) => BigInt(n + 1)));
});

test("a cursor needs an SQL transaction", async () => {
  const read = async () => {
    for await (const _ of database.pool`select 1`.cursor(10)) throw new Error("a row");
  };
  await expect(read()).rejects.toThrow(/DECLARE CURSOR can only be used in transaction/);
});
