import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { isTimeout } from "./fault.ts";
import { openPool } from "./pool.ts";
import { inSavepoint } from "./savepoint.ts";
import type { Sql } from "./sql.ts";
import { inTransaction, isFault, isRejection } from "./transaction.ts";

let database: TestDatabase;

beforeAll(async () => {
  const migrations = new URL("../events/migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "mesh", migrations });
});
afterAll(() => database[Symbol.asyncDispose]());

const park = (sql: Sql, messageId: string) => sql`
  insert into parked
    (consumer, message_id, waits_for, subject, stream, stream_sequence, data, headers)
  values ('c', ${messageId}, 'nothing', 's', 'S', 1, 'x', '[]')
`;

test("two SQL transactions that deadlock both end well", async () => {
  const { pool } = database;
  await park(pool, "a");
  await park(pool, "b");
  const touch = async (first: string, second: string) => {
    let runs = 0;
    await inTransaction(pool, async (tx) => {
      runs++;
      await tx`update parked set subject = subject || '.' where message_id = ${first}`;
      await tx`select pg_sleep(0.1)`;
      await tx`update parked set subject = subject || '.' where message_id = ${second}`;
    });
    return runs;
  };

  const runs = await Promise.all([touch("a", "b"), touch("b", "a")]);

  expect(runs.toSorted()).toEqual([1, 2]);
  expect(await pool`select subject from parked order by message_id`).toEqual([
    { subject: "s.." },
    { subject: "s.." },
  ]);
});

test("a session that is ended is a fault, and the pool goes on", async () => {
  const { pool } = database;
  const error = await inTransaction(pool, async (tx) => {
    await tx`select pg_terminate_backend(pg_backend_pid())`;
  }).catch((error) => error);

  expect(isFault(error)).toBe(true);
  expect(isRejection(error)).toBe(false);
  expect(await pool`select 1 as one`).toEqual([{ one: 1 }]);
});

test("a session that is ended at another's hand is a fault", async () => {
  const { pool } = database;
  const error = await inTransaction(pool, async (tx) => {
    const [session] = await tx`select pg_backend_pid() as pid`;
    await pool`select pg_terminate_backend(${session?.["pid"]})`;
    await tx`select pg_sleep(5)`;
  }).catch((error) => error);

  expect(isFault(error)).toBe(true);
});

test("work that outlives its connection cannot write through the next one", async () => {
  const pool = openPool({
    url: database.url,
    schema: "mesh",
    connectionsMax: 1,
    applicationName: "zombie",
  });
  const lost = Promise.withResolvers<void>();
  let zombie: Promise<unknown> = Promise.resolve();
  const attempt = inTransaction(pool, async (tx) => {
    const [session] = await tx`select pg_backend_pid() as pid`;
    await database.pool`select pg_terminate_backend(${session?.["pid"]})`;
    await lost.promise;
    zombie = Promise.resolve(tx`delete from parked`).catch((error) => error);
    await zombie;
  });
  const other = () =>
    inTransaction(pool, async (tx) => {
      await park(tx, "kept");
      lost.resolve();
      await tx`select pg_sleep(0.2)`;
    });

  expect(isFault(await attempt.catch((error) => error))).toBe(true);
  await other();

  expect(await pool`select message_id from parked where message_id = 'kept'`).toHaveLength(1);
  await pool.end({ timeout: 1 });
});

test("a hundred connections lost at odd moments cost no answer and mix up none", async () => {
  const { pool, superUrl } = database;
  const killer = openPool({ url: superUrl, connectionsMax: 1 });
  let stop = false;
  const faultsOnly = (error: unknown) => {
    expect(isFault(error), String(error)).toBe(true);
  };
  const load = Array.from({ length: 16 }, async (_, n) => {
    while (!stop) {
      await inTransaction(pool, async (tx) => {
        const rows = await Promise.all([tx`select ${n}::int as n`, tx`select 2 as n`]);
        expect(rows.flat()).toEqual([{ n }, { n: 2 }]);
      }).catch(faultsOnly);
      const rows = await pool`select ${n}::int as n`.catch(faultsOnly);
      if (rows) expect(rows).toEqual([{ n }]);
    }
  });
  for (let kills = 0; kills < 100; ) {
    const killed = await killer`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'test-pool' and datname = current_database()
      order by random() limit 2
    `;
    kills += killed.count;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  }
  stop = true;
  await Promise.all(load);
  await killer.end();
});

test("an address where nobody listens is a fault", async () => {
  const pool = openPool({
    url: "postgres://nobody@127.0.0.1:1/none",
    schema: "mesh",
    connectionsMax: 1,
    applicationName: "test",
  });
  const error = await pool`select 1`.catch((error) => error);
  await pool.end({ timeout: 1 });

  expect(isFault(error)).toBe(true);
  expect(isFault(new Error("wrapped", { cause: error }))).toBe(true);
});

test("a wrong password is a fault: the world is set up wrong, not the message", async () => {
  const url = new URL(database.url);
  url.password = "wrong";
  const pool = openPool({
    url: url.href,
    schema: "mesh",
    connectionsMax: 1,
    applicationName: "test",
  });
  const error = await pool`select 1`.catch((error) => error);
  await pool.end({ timeout: 1 });

  expect(isFault(error)).toBe(true);
});

test("a statement that takes too long is a fault that says so", async () => {
  const { pool } = database;
  const error = await inTransaction(pool, async (tx) => {
    await tx`set local statement_timeout = 20`;
    await tx`select pg_sleep(5)`;
  }).catch((error) => error);

  expect(isFault(error)).toBe(true);
  expect(isTimeout(error)).toBe(true);
});

test.each([
  ["a broken check", "insert into inbox (consumer, message_id, sha256) values ('c', 'm', 'x')"],
  ["a repeated key", "insert into inbox select 'c', 'm', sha256('') from generate_series(1, 2)"],
  ["a raised exception", "do $$ begin raise exception 'no'; end $$"],
  ["a number out of range", "select 9223372036854775807 + 1"],
])("%s is a rejection, not a fault", async (_, statement) => {
  const error = await database.pool.unsafe(statement).catch((error) => error);

  expect(isRejection(error)).toBe(true);
  expect(isFault(error)).toBe(false);
});

test.each([
  ["a missing table", "select from nothing"],
  ["a missing column", "select nothing from inbox"],
  ["a missing function", "select nothing()"],
])("%s is a fault: the schema is another release's", async (_, statement) => {
  const error = await database.pool.unsafe(statement).catch((error) => error);

  expect(isFault(error)).toBe(true);
});

test("what failed before a rollback to its savepoint does not stop the commit", async () => {
  const failed = inTransaction(database.pool, async (tx) => {
    const part = inSavepoint(tx, () => tx`select 1 / 0`);
    await expect(part).rejects.toThrow("division by zero");
    return tx<{ one: number }[]>`select 1 as one`;
  });
  expect([...(await failed)]).toEqual([{ one: 1 }]);
});

test("of statements that were sent together, the first that failed tells what is wrong", async () => {
  const work = inTransaction(database.pool, async (tx) => {
    const broken = tx`select 1 / 0`;
    broken.catch(() => {});
    await tx`select 1`;
  });
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: "22012" });
  expect(isFault(error)).toBe(false);
});

test("a bug is neither", () => {
  const bug = new TypeError("x is not a function");
  expect([isFault(bug), isRejection(bug)]).toEqual([false, false]);
});

test("a bigint stays exact", async () => {
  const { pool } = database;
  const most = 2n ** 63n - 1n;
  expect(await pool`select ${most}::bigint as most`).toEqual([{ most }]);
  expect(await pool`select ${[most, -1n].map(String)}::bigint[] as all`).toEqual([
    { all: [most, -1n] },
  ]);
});
