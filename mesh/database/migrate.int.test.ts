import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../testing/broker.ts";
import { openTestDatabase } from "../testing/database.ts";
import { migrate } from "./migrate.ts";

const events = new URL("../events/migrations/", import.meta.url);
const folders: string[] = [];
let folder = "";
const log = silentLog();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-migrations-"));
  folders.push(folder);
});
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});

function write(file: string, sql: string) {
  writeFileSync(join(folder, file), sql);
  return pathToFileURL(folder);
}

test("four processes that start at once apply each file once", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { ownerUrl: url, pool } = database;
  write("0001_counter.sql", "create table counter (n int not null); select pg_sleep(0.2)");
  const migrations = write("0002_count.sql", "insert into counter values (1)");

  const runs = Array.from({ length: 4 }, () => migrate({ url, schema: "mesh", migrations, log }));
  await Promise.all(runs);

  expect(await pool`select n from counter`).toEqual([{ n: 1 }]);
});

test("four processes that start at once on an empty schema all succeed", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { ownerUrl: url, pool } = database;
  const migrations = write("0001_thing.sql", "create table thing (n int)");
  // The template holds the mesh's own schema only: the ledger's is empty.
  const ledgerUrl = new URL(url);
  ledgerUrl.username = "ledger_owner";
  ledgerUrl.password = "ledger_owner";

  const schema = "ledger";
  const once = () => migrate({ url: ledgerUrl.href, schema, migrations, log });
  await Promise.all([once(), once(), once(), once()]);

  const tables = await pool`select tablename from pg_tables where schemaname = 'ledger'`;
  expect(tables.filter(({ tablename }) => tablename === "thing")).toHaveLength(1);
});

test("a file that was changed after it was applied stops the start", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { ownerUrl: url } = database;
  const migrations = write("0001_thing.sql", "create table thing (n int)");
  await migrate({ url, schema: "mesh", migrations, log });
  write("0001_thing.sql", "create table thing (n bigint)");

  await expect(migrate({ url, schema: "mesh", migrations, log })).rejects.toThrow(
    "migration 0001_thing.sql was changed after it was applied",
  );
});

test("a file that fails leaves nothing behind and can be mended", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { ownerUrl: url, pool } = database;
  const migrations = write("0001_thing.sql", "create table thing (n int); select 1 / 0");

  await expect(migrate({ url, schema: "mesh", migrations, log })).rejects.toThrow(
    "migration 0001_thing.sql failed: division by zero",
  );
  write("0001_thing.sql", "create table thing (n int)");
  await migrate({ url, schema: "mesh", migrations, log });

  expect(await pool`select n from thing`).toEqual([]);
});

test("a file with a number out of turn is refused", async () => {
  const migrations = write("0002_thing.sql", "select 1");
  const url = "postgres://nobody@127.0.0.1:1/none";
  await expect(migrate({ url, schema: "mesh", migrations, log })).rejects.toThrow(
    /migration 0002_thing.sql .* must be named 0001_<what>.sql/,
  );
});

test("the runtime role reads and writes rows but cannot change the schema", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { pool } = database;
  await pool`insert into inbox (consumer, message_id, sha256) values ('c', 'm', sha256('x'))`;
  await pool`delete from inbox`;

  await expect(pool`alter table inbox add column n int`).rejects.toMatchObject({ code: "42501" });
  await expect(pool`create table mesh.mine (n int)`).rejects.toMatchObject({ code: "42501" });
  await expect(pool`select * from ledger.inbox`).rejects.toMatchObject({ code: "42501" });
});

test("a database that cannot be reached is waited for, and then named", async () => {
  const migrations = write("0001_thing.sql", "select 1");
  const url = "postgres://nobody@127.0.0.1:1/none";
  const late = migrate({ url, schema: "mesh", migrations, log, waitMs: 300 });
  await expect(late).rejects.toThrow(/the database cannot be reached: .*ECONNREFUSED/);
});
