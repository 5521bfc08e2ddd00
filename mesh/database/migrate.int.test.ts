import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
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

test("a migration behind a long read does not hold up those who write", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { ownerUrl: url, pool } = database;
  const migrations = write("0001_thing.sql", "create table thing (n int)");
  await migrate({ url, schema: "mesh", migrations, log });
  write("0002_more.sql", "alter table thing add column more text");

  const reading = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const reader = pool.begin(async (tx) => {
    await tx`select n from thing`;
    reading.resolve();
    await over.promise;
  });
  await reading.promise;
  const migrated = migrate({ url, schema: "mesh", migrations, log });
  const waits = () => pool`select from pg_locks where not granted and relation = 'thing'::regclass`;
  await vi.waitFor(async () => expect(await waits()).toHaveLength(1), 10_000);

  // It would wait for the reader, which waits for it.
  await pool`insert into thing values (1)`;
  over.resolve();
  await Promise.all([reader, migrated]);

  expect(await pool`select n, more from thing`).toEqual([{ n: 1, more: null }]);
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

test("a schema that is not there is named, and where it comes from", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations: events });
  const { ownerUrl: url } = database;
  const lost = migrate({ url, schema: "elsewhere", migrations: events, log });
  await expect(lost).rejects.toThrow(/no schema elsewhere .*deploy\/roles\.sql/);
});

test("a database that cannot be reached is waited for, and then named", async () => {
  const migrations = write("0001_thing.sql", "select 1");
  const url = "postgres://nobody@127.0.0.1:1/none";
  const late = migrate({ url, schema: "mesh", migrations, log, waitMs: 300 });
  await expect(late).rejects.toThrow(/the database cannot be reached: .*ECONNREFUSED/);
});
