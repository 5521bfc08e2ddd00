// What a service with a database has: its schema brought up to date, a pool as the role that may
// read and write rows, and somebody who notices when the database is away.

import { migrate } from "../database/migrate.ts";
import { openPool, type Pool } from "../database/pool.ts";
import { watchDatabase } from "../database/watch.ts";
import type { DatabaseConfig } from "../process/config.ts";
import type { Log } from "../process/log.ts";

export type DatabaseOptions = {
  readonly service: string;
  readonly config: DatabaseConfig;
  readonly schema: string;
  readonly migrations: URL;
  readonly log: Log;
};

export type Database = AsyncDisposable & {
  readonly pool: Pool;
  /** Empty while the database answers. */
  problems(): readonly string[];
};

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { service, config, schema, migrations, log } = options;
  await migrate({ url: config.ownerUrl, schema, migrations, log });
  await using stack = new AsyncDisposableStack();
  const { url, connectionsMax, idleInTransactionMs } = config;
  const session = { schema, applicationName: service, idleInTransactionMs };
  const pool = openPool({ url, connectionsMax, ...session });
  stack.defer(() => pool.end({ timeout: 5 }));
  const watched = stack.use(watchDatabase(pool));
  const opened = stack.move();
  return {
    pool,
    problems: () => watched.problems(),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
