import { expect, test } from "vitest";
import { openPool } from "../database/pool.ts";
import { openTestDatabase } from "./database.ts";

const migrations = new URL("../events/migrations/", import.meta.url);

test("two databases hold their own rows", async () => {
  await using one = await openTestDatabase({ schema: "mesh", migrations });
  await using other = await openTestDatabase({ schema: "mesh", migrations });
  await one.pool`insert into inbox (consumer, message_id, sha256) values ('c', 'm', sha256('x'))`;

  expect(await one.pool`select message_id from inbox`).toHaveLength(1);
  expect(await other.pool`select message_id from inbox`).toHaveLength(0);
});

test("a connection that is left open fails the test that left it", async () => {
  const database = await openTestDatabase({ schema: "mesh", migrations });
  const forgotten = openPool({
    url: database.url,
    connectionsMax: 1,
    applicationName: "forgotten",
  });
  await forgotten`select 1`;

  await expect(database[Symbol.asyncDispose]()).rejects.toThrow(/left open .*forgotten/);
  await forgotten.end({ timeout: 1 });
});
