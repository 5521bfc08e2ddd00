// One SQL transaction: all of the work or none of it. Collisions with others are retried here, a
// few times; everything else is the caller's to judge with `isFault` and `isRejection`.

import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "./connection.ts";
import { isCollision } from "./fault.ts";
import type { Pool, Tx } from "./pool.ts";
import { createSql, type Query } from "./sql.ts";

export { isFault, isRejection } from "./fault.ts";

const attemptsMax = 6;
const pauseMsMax = 200;

/** The work may run more than once: its only effects are through `tx`. */
export async function inTransaction<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.begin("isolation level read committed", work);
    } catch (error) {
      if (!isCollision(error) || attempt === attemptsMax) throw error;
    }
    await sleep(Math.random() * Math.min(pauseMsMax, 5 * 2 ** attempt));
  }
}

/** The SQL transaction is over: its connection was lost, or a statement in it was not awaited. */
export class TransactionOver extends Error {
  override name = "TransactionOver";
  readonly code = "CONNECTION_LOST";
}

/** Once, on a connection that is this SQL transaction's own until it is given back. */
export async function transact<T>(
  connection: Connection,
  mode: string,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  let over = false;
  const failures: unknown[] = [];
  const run = async (query: Query) => {
    // It would run in no SQL transaction, or in the next one.
    if (over) throw new TransactionOver("the SQL transaction is over");
    try {
      const rows = await connection.run(query);
      // What failed since the savepoint has not happened.
      if (query.text.startsWith("rollback to savepoint")) failures.length = 0;
      return rows;
    } catch (error) {
      failures.push(error);
      throw error;
    }
  };
  const tx: Tx = Object.assign(createSql(run), { inTransaction: true } as const);

  try {
    await send(connection, `begin ${mode}`);
    const result = await orLost(connection, work(tx));
    over = true;
    // The work may have caught it, but the database has not forgotten.
    if (failures.length > 0) throw failures[0];
    const { command } = await send(connection, "commit");
    if (command !== "COMMIT") throw failures[0] ?? new Error("the SQL transaction was rolled back");
    return result;
  } catch (error) {
    over = true;
    // Where it fails, the connection is not given to anybody else.
    await send(connection, "rollback").catch(() => {});
    // A statement after the one that failed only says that one had failed.
    const isEcho = (error as { code?: unknown }).code === "25P02";
    throw isEcho && failures.length > 0 ? failures[0] : error;
  } finally {
    connection.release();
  }
}

/** Work that waits for something else would not notice that its connection is gone. */
async function orLost<T>(connection: Connection, work: Promise<T>): Promise<T> {
  const lost = new Promise<never>((_, reject) => connection.onLost(reject));
  return await Promise.race([work, lost]);
}

function send(connection: Connection, text: string) {
  return connection.run({ text, parameters: [] });
}
