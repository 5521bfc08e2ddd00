import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { openTestDatabase } from "../testing/database.ts";
import { openPool } from "./pool.ts";
import { watchDatabase } from "./watch.ts";

const migrations = new URL("../events/migrations/", import.meta.url);

const poolOf = (url: string) =>
  openPool({ url, connectionsMax: 1, schema: "mesh", applicationName: "watch-test" });

test("a database that goes away is noticed, and so is its return", async () => {
  await using database = await openTestDatabase({ schema: "mesh", migrations });
  const admin = openPool({
    url: database.superUrl,
    connectionsMax: 1,
    schema: "public",
    applicationName: "watch-admin",
  });
  const pool = poolOf(database.url);
  {
    await using watch = watchDatabase(pool);
    expect(watch.problems()).toEqual([]);
    const admit = (count: number) =>
      admin.unsafe(
        `alter database ${new URL(database.url).pathname.slice(1)} connection limit ${count}`,
      );
    await admit(0);
    await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'watch-test' and datname = current_database()
    `;
    await expect
      .poll(watch.problems, { timeout: 10_000 })
      .toEqual(["the database does not answer"]);
    await admit(-1);
    await expect.poll(watch.problems, { timeout: 10_000 }).toEqual([]);
  }
  await pool.end({ timeout: 5 });
  await admin.end({ timeout: 5 });
});

test("a database that accepts and says nothing is away, and does not hold up the end", async () => {
  const mute = createServer(() => {}).listen(0, "127.0.0.1");
  await once(mute, "listening");
  const { port } = mute.address() as AddressInfo;
  const pool = poolOf(`postgres://nobody@127.0.0.1:${port}/nothing`);
  const watch = watchDatabase(pool);
  await expect.poll(watch.problems, { timeout: 10_000 }).not.toEqual([]);
  await watch[Symbol.asyncDispose]();
  await pool.end({ timeout: 1 });
  mute.close();
});
