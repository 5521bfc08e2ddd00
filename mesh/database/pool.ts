// A service's connections to its schema. Every wait on the database is bounded here, so that
// nothing that uses a pool has to remember to.

import type { Sql, TransactionSql } from "postgres";
import { postgres } from "./driver.ts";

/** A connection pool. */
export type Pool = Sql<{ bigint: bigint }>;
/** An open SQL transaction. */
export type Tx = TransactionSql<{ bigint: bigint }>;

export type PoolConfig = {
  readonly url: string;
  readonly connectionsMax: number;
  readonly schema: string;
  readonly applicationName: string;
  readonly statementTimeoutMs?: number;
};

/** Opens lazily: a database that is absent now is connected to by the first query that finds it. */
export function openPool(config: PoolConfig): Pool {
  return postgres(config.url, {
    max: config.connectionsMax,
    // Every bigint, money above all, stays exact.
    types: { bigint: postgres.BigInt },
    connect_timeout: 5,
    idle_timeout: 300,
    max_lifetime: 3_600,
    onnotice: () => {},
    // A backlog of failed attempts must not delay the one that would succeed.
    backoff: (attempts) => Math.min(2, 0.05 * 2 ** attempts) * (0.5 + Math.random() / 2),
    connection: {
      application_name: config.applicationName,
      search_path: config.schema,
      statement_timeout: config.statementTimeoutMs ?? 30_000,
      // Frees the locks of a process that is stopped, or cut off, in the middle.
      idle_in_transaction_session_timeout: 60_000,
    },
  });
}
