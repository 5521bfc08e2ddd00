// A database of one's own for each test file or test: cloned from a template that holds the
// migrated schema, so that it costs a file copy and no test sees another's rows.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { migrate, readMigrations } from "../database/migrate.ts";
import { openPool, type Pool, type Session } from "../database/pool.ts";
import { applyRoles, rolesOf, schemas, urlAs } from "../database/roles.ts";
import { createLog } from "../process/log.ts";

export type TestDatabase = AsyncDisposable & {
  /** As the runtime role, as a service sees it. */
  readonly pool: Pool;
  readonly url: string;
  readonly ownerUrl: string;
  /** As superuser, to look behind the scenes or to end sessions. */
  readonly superUrl: string;
};

export type TestDatabaseOptions = {
  readonly schema: string;
  readonly migrations: URL;
  readonly connectionsMax?: number;
};

/** Fails at dispose when anyone but its own pool is still connected: somebody forgot to close. */
export async function openTestDatabase(options: TestDatabaseOptions): Promise<TestDatabase> {
  const { schema, connectionsMax = 8 } = options;
  const serverUrl = process.env["BURSAR_TEST_DATABASE_URL"];
  if (!serverUrl) throw new Error("no test database is running; run this with vitest");
  const name = await createDatabase(serverUrl, options);

  const { owner, runtime } = rolesOf(schema);
  const url = urlAs(serverUrl, runtime, runtime, name);
  const pool = openPool({ url, connectionsMax, schema, applicationName: "test-pool" });
  return {
    pool,
    url,
    ownerUrl: urlAs(serverUrl, owner, owner, name),
    superUrl: withDatabase(serverUrl, name),
    async [Symbol.asyncDispose]() {
      await pool.end({ timeout: 5 });
      await dropDatabase(serverUrl, name);
    },
  };
}

async function createDatabase(serverUrl: string, options: TestDatabaseOptions): Promise<string> {
  const digest = createHash("sha256");
  for (const { checksum } of readMigrations(options.migrations)) digest.update(checksum);
  const template = `template_${options.schema}_${digest.digest("hex").slice(0, 16)}`;
  const name = `test_${options.schema}_${crypto.randomUUID().replaceAll("-", "")}`;

  await using server = await connect(serverUrl);
  const { sql } = server;
  // Session locks of the server's own database: a template is built once, however many ask.
  await sql`select pg_advisory_lock(hashtextextended(${template}, 0))`;
  const [found] = await sql`select datistemplate from pg_database where datname = ${template}`;
  if (!found?.["datistemplate"]) {
    // Roles belong to the server, and a lock taken in the new database is not seen from another.
    await sql`select pg_advisory_lock(hashtextextended('bursar/roles', 0))`;
    await sql`drop database if exists ${sql(template)} with (force)`;
    await sql`create database ${sql(template)}`;
    await buildTemplate(withDatabase(serverUrl, template), options);
    await sql`alter database ${sql(template)} with is_template true`;
  }
  await sql`create database ${sql(name)} template ${sql(template)}`;
  return name;
}

async function buildTemplate(url: string, { schema, migrations }: TestDatabaseOptions) {
  await applyRoles(url, (role) => role, [...new Set([...schemas, schema])]);
  const { owner } = rolesOf(schema);
  const log = createLog({ service: "test", level: "error" });
  await migrate({ url: urlAs(url, owner, owner), schema, migrations, log });
}

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await using server = await connect(serverUrl);
  const { sql } = server;
  const leaks = await connectionsTo(sql, name);
  await sql`drop database ${sql(name)} with (force)`;
  if (leaks.length > 0) {
    throw new Error(`connections were left open to ${name}: ${leaks.join(", ")}`);
  }
}

/** Sessions take a moment to go after their connection has closed. */
async function connectionsTo(sql: Session, name: string): Promise<string[]> {
  const deadline = Date.now() + 2_000;
  for (;;) {
    const rows = await sql<{ session: string }[]>`
      select application_name || ' (' || left(query, 60) || ')' as session
      from pg_stat_activity
      where datname = ${name} and backend_type = 'client backend'
    `;
    if (rows.length === 0 || Date.now() > deadline) return rows.map(({ session }) => session);
    await sleep(20);
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/** To wait for another's template may take longer than a statement usually does. */
async function connect(url: string) {
  const pool = openPool({ url, connectionsMax: 1, statementTimeoutMs: 0 });
  const sql = await pool.reserve();
  return {
    sql,
    async [Symbol.asyncDispose]() {
      sql.release();
      await pool.end({ timeout: 5 });
    },
  };
}
