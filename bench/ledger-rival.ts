// Another ledger under the same load: whatever schema a file of SQL makes, called through one
// function of its own. docs/bench.md has the contract.

import { readFileSync } from "node:fs";
import { openPool } from "#mesh/database/pool.ts";
import { bytesOf, openDatabase } from "./ledger-database.ts";
import type { Contender, LoadShape, Transfer } from "./ledger-transfers.ts";

export type RivalOptions = {
  readonly name: string;
  readonly shape: LoadShape;
  /** Makes the schema, once, as superuser; `{accounts}` in it is how many accounts there are. */
  readonly sqlFile: string;
  /** Posts them all; $1 is a JSON array of {debit, credit, amount}. */
  readonly call: string;
  /** The number of transfers that are posted. Left out: it is not checked. */
  readonly count?: string | undefined;
};

export async function openRival(
  serverUrl: string,
  { name, shape, sqlFile, call, count }: RivalOptions,
): Promise<Contender> {
  await using stack = new AsyncDisposableStack();
  const { url, sql } = stack.use(await openDatabase(serverUrl, `bench_${name}`));
  const script = readFileSync(sqlFile, "utf8").replaceAll("{accounts}", String(shape.accounts));
  await sql.unsafe(script);
  const pool = openPool({ url, connectionsMax: shape.callers });
  stack.defer(() => pool.end({ timeout: 5 }));
  const opened = stack.move();
  return {
    name,
    shape,
    async post(transfers: readonly Transfer[]) {
      await pool.unsafe(call, [JSON.stringify(transfers)]);
    },
    bytes: () => bytesOf(sql),
    async check(posted) {
      if (count === undefined) return;
      const [row] = await sql.unsafe<Record<string, unknown>[]>(count);
      const held = Number(Object.values(row ?? {})[0]);
      if (held !== posted) throw new Error(`${name} posted ${posted} and holds ${held}`);
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
