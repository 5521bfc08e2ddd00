import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openPool } from "#mesh/database/pool.ts";
import {
  ledgerId,
  openLedgerDatabase,
  openPoster,
  prepareLedger,
  sale,
  submit,
} from "./testing/ledger.ts";

const root = new URL("../", import.meta.url).pathname;
const page = readFileSync(`${root}docs/audit.md`, "utf8");
const [, program = ""] = /^```js\n([\s\S]*?)^```$/m.exec(page) ?? [];

test("the program in docs/audit.md checks a journal by its bytes alone", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  for (const key of ["a", "b", "c"]) await submit(poster, sale(key, 5n));
  const [head] = await database.pool<{ sequence: bigint; hash: string }[]>`
    select head_sequence as sequence, encode(head_hash, 'hex') as hash from ledger
  `;
  expect(await run(database.url)).toBe(`${ledgerId} at ${head?.sequence}: ${head?.hash}\n`);

  const { superUrl: url } = database;
  const intruder = openPool({ url, schema: "ledger", connectionsMax: 1 });
  await intruder.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update journal set data = data || '\\x00'::bytea where sequence = 9`;
  });
  await intruder.end();
  await expect(run(database.url)).rejects.toThrow("batch 9 was changed");
});

async function run(url: string): Promise<string> {
  const env = { ...process.env, DATABASE_URL: url, LEDGER_ID: ledgerId };
  const parameters = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, parameters, { cwd: root, env });
  return stdout;
}
