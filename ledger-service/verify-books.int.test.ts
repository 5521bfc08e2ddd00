import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openPool } from "#mesh/database/pool.ts";
import { openLedgerDatabase, openPoster, prepareLedger, sale, submit } from "./testing/ledger.ts";

const command = fileURLToPath(new URL("./verify-books.ts", import.meta.url));

test("the command tells what is wrong with the books, and whether anything is", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await submit(poster, sale("a", 5n));
  const sound = { code: 0, stdout: "ledger main: sound\n", stderr: "" };
  expect(await run(database.url)).toEqual(sound);
  expect(await run(database.url, "main")).toEqual(sound);
  expect(await run(database.url, "other")).toEqual({
    code: 1,
    stdout: "ledger other does not exist\n",
    stderr: "",
  });

  const { superUrl: url } = database;
  const intruder = openPool({ url, schema: "ledger", connectionsMax: 1 });
  await intruder.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update asset set posted_minor = 6 where asset_code = 'USD'`;
  });
  await intruder.end();
  const broken = await run(database.url);
  const stdout = expect.stringMatching(/^ledger main: asset USD/);
  expect(broken).toEqual({ code: 1, stdout, stderr: "" });
});

test("a command that cannot look says so, and does not call the books wrong", async () => {
  expect(await run("postgres://ledger_runtime@127.0.0.1:1/bursar")).toEqual({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/^the books were not verified: there is no connection.*\n$/),
  });
  const unset = { code: 2, stderr: expect.stringContaining("DATABASE_URL is not set") };
  expect(await run("")).toMatchObject(unset);
});

async function run(url: string, ...names: readonly string[]) {
  const env = { ...process.env, DATABASE_URL: url };
  const running = promisify(execFile)(process.execPath, [command, ...names], { env });
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => {
      return { code, stdout, stderr };
    },
  );
}
