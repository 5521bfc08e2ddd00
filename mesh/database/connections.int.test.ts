import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openTestDatabase, type TestDatabase } from "../testing/database.ts";
import { openPool, type Pool } from "./pool.ts";
import { inTransaction, isFault, isRejection } from "./transaction.ts";

let database: TestDatabase;
let owner: Pool;

beforeAll(async () => {
  const migrations = new URL("../events/migrations/", import.meta.url);
  database = await openTestDatabase({ schema: "mesh", migrations });
  owner = openPool({ url: database.ownerUrl, schema: "mesh", connectionsMax: 2 });
  await owner`create table note (author int not null, text text not null)`;
});
afterAll(async () => {
  await owner.end({ timeout: 1 });
  await database[Symbol.asyncDispose]();
});

const open = (over: Partial<Parameters<typeof openPool>[0]> = {}) =>
  openPool({ url: database.url, schema: "mesh", connectionsMax: 2, ...over });
const failure = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => new Error("did not fail"),
    (error: unknown) => error,
  );
const kill = (pool: Pool, name: string) =>
  pool`select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = ${name} and datname = current_database()`;

test("a session has the settings it is opened with", async () => {
  const url = `${database.url}?options=-c%20work_mem%3D1MB%20-c%20statement_timeout%3D1`;
  const pool = open({ url, applicationName: "so named", statementTimeoutMs: 1_234 });
  const [row] = await pool`
    select current_setting('search_path') as path, current_setting('statement_timeout') as time,
      current_setting('idle_in_transaction_session_timeout') as idle,
      current_setting('lock_timeout') as lock,
      current_setting('application_name') as name, current_setting('work_mem') as memory
  `;
  await pool.end();
  const times = { time: "1234ms", lock: "617ms", idle: "1min" };
  expect(row).toEqual({ path: "mesh", ...times, name: "so named", memory: "1MB" });
});

test("a template is prepared once on a connection", async () => {
  const pool = open({ connectionsMax: 1 });
  for (let n = 0; n < 3; n++) await pool`select ${n}::int as prepared_here`;
  const rows = await pool`
    select (generic_plans + custom_plans)::int as runs from pg_prepared_statements
    where statement like '%as prepared_here'
  `;
  await pool.end();
  expect(rows).toEqual([{ runs: 3 }]);
});

test("a plan that no longer fits its table is a fault once, and then made anew", async () => {
  const pool = open({ connectionsMax: 1 });
  await owner`create table changing (n int)`;
  const read = () => pool`select * from changing`;
  await read();
  await owner`alter table changing add column m int`;

  const error = await failure(read());
  expect([isFault(error), isRejection(error)]).toEqual([true, false]);
  expect(await read()).toEqual([]);
  await pool.end();
});

test("statements that do not wait for each other are answered each with its own, in order", async () => {
  const order: number[] = [];
  await database.pool.begin(async (tx) => {
    const answers = Array.from({ length: 50 }, async (_, n) => {
      const rows = await tx`select ${n}::int as n, pg_sleep(${n === 3 ? 0.05 : 0})`;
      order.push(n);
      return rows[0]?.["n"];
    });
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 50 }, (_, n) => n));
  });
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});

test("a statement that failed fails its SQL transaction, though the work caught it", async () => {
  const { pool } = database;
  const error = await failure(
    pool.begin(async (tx) => {
      await tx`insert into inbox (consumer, message_id, sha256) values ('c', 'kept', sha256('x'))`;
      await tx`select 1 / 0`.catch(() => {});
    }),
  );
  expect(error).toMatchObject({ code: "22012" });
  expect(await pool`select from inbox where message_id = 'kept'`).toHaveLength(0);
});

test("a statement that is sent after its SQL transaction is refused", async () => {
  const pool = open({ connectionsMax: 1 });
  let early: PromiseLike<unknown> | undefined;
  const tx = await pool.begin(async (tx) => {
    early = tx`delete from inbox`;
    void early;
    return { tx };
  });
  for (const late of [early!, tx.tx`delete from inbox`]) {
    expect(await failure(late)).toMatchObject({ name: "TransactionOver" });
  }
  await pool.end();
});

test("an SQL transaction that is left open is not handed to the next", async () => {
  const pool = open({ connectionsMax: 1 });
  const session = await pool.reserve();
  const [before] = await session`select pg_backend_pid() as pid`;
  await session.unsafe("begin");
  session.release();
  const [after] = await pool`select pg_backend_pid() as pid`;
  await pool.end();
  expect(after?.["pid"]).not.toBe(before?.["pid"]);
});

test("connections that die while nobody uses them are not missed", async () => {
  const pool = open({ applicationName: "idle" });
  await Promise.all([pool`select pg_sleep(0.05)`, pool`select pg_sleep(0.05)`]);
  await kill(database.pool, "idle");
  await sleep(100);
  expect(await Promise.all([pool`select 1 as n`, pool`select 2 as n`])).toEqual([
    [{ n: 1 }],
    [{ n: 2 }],
  ]);
  await pool.end();
});

test("the end lets finish what is under way, waiting included, and takes nothing more", async () => {
  const pool = open({ connectionsMax: 1 });
  const running = [pool`select pg_sleep(0.1)`, pool`select 2 as n`].map((it) => it.then((r) => r));
  await sleep(20);
  const end = pool.end({ timeout: 5 });
  expect(isFault(await failure(pool`select 3`))).toBe(true);
  await end;
  expect((await Promise.all(running))[1]).toEqual([{ n: 2 }]);
});

test("the end cuts what takes longer than it may", async () => {
  const pool = open({ connectionsMax: 1 });
  const errors = Promise.all([
    failure(pool`select pg_sleep(1.5)`),
    failure(inTransaction(pool, (tx) => tx`select pg_sleep(1.5)`)),
  ]);
  await sleep(50);
  const startMs = performance.now();
  await pool.end({ timeout: 0.2 });
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect((await errors).map(isFault)).toEqual([true, true]);
});

test("a commit whose answer is lost is a fault, and was kept", async () => {
  await using proxy = await openProxy();
  const pool = open({ url: proxy.url(database.url), connectionsMax: 1 });
  const error = await failure(
    pool.begin(async (tx) => {
      await tx`insert into inbox (consumer, message_id, sha256) values ('c', 'odd', sha256('x'))`;
      proxy.mute();
      setTimeout(proxy.cut, 100);
    }),
  );
  await pool.end({ timeout: 1 });
  expect(isFault(error)).toBe(true);
  await vi.waitFor(async () => {
    expect(await database.pool`select from inbox where message_id = 'odd'`).toHaveLength(1);
  });
});

test("an answer that never comes is waited for only so long", async () => {
  await using proxy = await openProxy();
  const pool = open({ url: proxy.url(database.url), statementTimeoutMs: 200 });
  await pool`select 1`;
  proxy.mute();
  expect(isFault(await failure(pool`select 1`))).toBe(true);
  await pool.end({ timeout: 1 });
});

test("whatever dies beneath them, SQL transactions are whole and their own", async () => {
  const pool = open({ connectionsMax: 6, applicationName: "soaked" });
  const endMs = Date.now() + Number(process.env["SOAK_SECONDS"] ?? 3) * 1_000;
  const outcomes = new Map<string, "kept" | "lost" | "unknown">();
  let faults = 0;
  const write = async (author: number, n: number) => {
    const text = `${author}/${n}`;
    try {
      await pool.begin(async (tx) => {
        outcomes.set(text, "lost");
        const answers = await Promise.all([
          tx`insert into note values (${author}, ${text}) returning author`,
          tx`select ${text}::text as mine`,
          tx`insert into note values (${author}, ${`${text} again`}) returning author`,
        ]);
        expect(answers).toEqual([[{ author }], [{ mine: text }], [{ author }]]);
        // Nobody waits for it: it must end with its SQL transaction, or be a part of it.
        if (n % 7 === 0) tx`select pg_sleep(0.002)`.catch(() => {});
        outcomes.set(text, "unknown");
      });
      outcomes.set(text, "kept");
    } catch (error) {
      faults++;
      expect(isFault(error), String(error)).toBe(true);
    }
    const rows = await pool`select ${text}::text as mine`.catch((error) => {
      expect(isFault(error), String(error)).toBe(true);
    });
    if (rows) expect(rows).toEqual([{ mine: text }]);
  };
  const authors = Array.from({ length: 16 }, async (_, author) => {
    for (let n = 0; Date.now() < endMs; n++) await write(author, n);
  });
  const killer = openPool({ url: database.superUrl, connectionsMax: 1 });
  while (Date.now() < endMs) {
    await killer`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'soaked' and datname = current_database()
      order by random() limit 2
    `;
    await sleep(Math.random() * 20);
  }
  await Promise.all(authors);
  await killer.end();
  await pool.end({ timeout: 5 });

  const rows = await owner<{ text: string }[]>`select text from note`;
  const found = new Set(rows.map(({ text }) => text));
  expect(found.size).toBe(rows.length);
  for (const [text, outcome] of outcomes) {
    const both = [found.has(text), found.has(`${text} again`)];
    if (outcome !== "unknown")
      expect([text, both]).toEqual([text, Array(2).fill(outcome === "kept")]);
    else expect(both[0]).toBe(both[1]);
  }
  expect(faults).toBeGreaterThan(10);
});

/** Between a pool and Postgres; what is muted still goes there, and nothing comes back. */
async function openProxy() {
  let muted = false;
  const sockets = new Set<Socket>();
  const { hostname, port } = new URL(database.url);
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => muted || near.write(bytes));
    near.on("close", () => far.end());
    far.on("close", () => near.end());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: nearPort } = server.address() as { port: number };
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url(address: string) {
      const url = new URL(address);
      url.port = String(nearPort);
      return url.href;
    },
    mute: () => {
      muted = true;
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
    },
  };
}
