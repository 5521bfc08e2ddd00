// A database for one contender, made for this run and dropped after it, on the server that all of
// them share.

import { openPool, type Pool } from "#mesh/database/pool.ts";

export type BenchDatabase = AsyncDisposable & {
  readonly url: string;
  /** As superuser. */
  readonly sql: Pool;
};

export async function openDatabase(serverUrl: string, name: string): Promise<BenchDatabase> {
  const server = openPool({ url: serverUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  await server.unsafe(`drop database if exists ${name} with (force)`);
  await server.unsafe(`create database ${name}`);
  const address = new URL(serverUrl);
  address.pathname = `/${name}`;
  const url = address.href;
  const sql = openPool({ url, connectionsMax: 2, statementTimeoutMs: 0 });
  return {
    url,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 5 });
      await server.unsafe(`drop database if exists ${name} with (force)`);
      await server.end({ timeout: 5 });
    },
  };
}

/** Of the whole server's log: what it grows by while one contender has the turn is its own. */
export async function bytesOf(sql: Pool): Promise<{ wal: number; disk: number }> {
  const [row] = await sql.unsafe<{ wal: number; disk: number }[]>(
    `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
      pg_database_size(current_database())::float8 as disk`,
  );
  return { wal: row?.wal ?? 0, disk: row?.disk ?? 0 };
}
