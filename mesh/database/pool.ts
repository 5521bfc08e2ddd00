// A service's connections to its schema, as the rest of it sees them: SQL in templates, alone or in
// an SQL transaction. Every wait on the database is bounded, so that nothing that uses a pool has
// to remember to.

import { openConnections } from "./connections.ts";
import type { ConnectionsConfig } from "./driver.ts";
import { createSql, type Query, type Sql } from "./sql.ts";
import { transact } from "./transaction.ts";

export type PoolConfig = ConnectionsConfig;

/** An open SQL transaction. */
export type Tx = Sql & { readonly inTransaction: true };

/** One connection, with what belongs to its session, until it is released, or ended with it all. */
export type Session = Sql & { release(): void; destroy(): void };

/** A connection pool. */
export type Pool = Sql & {
  /** Runs the work once. `inTransaction` is what repeats it where that is right. */
  begin<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  begin<T>(mode: string, work: (tx: Tx) => Promise<T>): Promise<T>;
  reserve(): Promise<Session>;
  /** Lets what is under way finish; within the seconds, where they are given. */
  end(options?: { readonly timeout?: number }): Promise<void>;
};

/** Opens lazily: a database that is absent now is connected to by the first query that finds it. */
export function openPool(config: PoolConfig): Pool {
  const connections = openConnections(config);

  async function run(query: Query) {
    const connection = await connections.acquire();
    try {
      return await connection.run(query);
    } finally {
      connection.release();
    }
  }

  async function begin<T>(first: string | Work<T>, second?: Work<T>): Promise<T> {
    const [mode, work] = typeof first === "string" ? [first, second!] : ["", first];
    return transact(await connections.acquire(), mode, work);
  }

  async function reserve(): Promise<Session> {
    const connection = await connections.acquire();
    const { run, release, destroy } = connection;
    return Object.assign(createSql(run), { release, destroy });
  }

  return Object.assign(createSql(run), {
    begin,
    reserve,
    end: ({ timeout = Number.POSITIVE_INFINITY } = {}) => connections.end(timeout * 1_000),
  });
}

type Work<T> = (tx: Tx) => Promise<T>;
