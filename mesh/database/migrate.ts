// Brings a schema up to date with the numbered files of the mesh and of a service, forward only.
// The row that names a file is inserted before the file is run: of two processes that start at
// once, one waits on the other's row and then finds the work done.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../process/log.ts";
import { isFault } from "./fault.ts";
import { openPool, type Pool, type Tx } from "./pool.ts";

export type MigrateOptions = {
  /** Of the schema's owner. */
  readonly url: string;
  readonly schema: string;
  readonly migrations: URL;
  readonly log: Log;
  /** How long a database that is still starting is waited for. */
  readonly waitMs?: number;
};

export type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };

const eventMigrations = new URL("../events/migrations/", import.meta.url);

export async function migrate(options: MigrateOptions): Promise<void> {
  const { url, schema, log } = options;
  const migrations = readMigrations(options.migrations);
  const pool = openPool({
    url,
    schema,
    connectionsMax: 1,
    applicationName: "bursar-migrate",
    // A migration takes the time it takes.
    statementTimeoutMs: 0,
  });
  try {
    await waitForDatabase(pool, log, options.waitMs ?? 60_000);
    await createMigrationTable(pool).catch((cause: { code?: string }) => {
      if (cause.code !== noSchema) throw cause;
      const remedy = "run deploy/roles.sql for it, or correct its name";
      throw new Error(`there is no schema ${schema} in the database: ${remedy}`, { cause });
    });
    for (const migration of migrations) {
      const applied = await applyInTurn(pool, migration, options);
      if (applied) log.info("migration applied", { schema, migration: migration.name });
    }
    await warnOfUnknown(pool, migrations, options);
  } finally {
    await pool.end({ timeout: 5 });
  }
}

/** The mesh's files, then the service's, each in the order of their numbers. */
export function readMigrations(folder: URL): Migration[] {
  const service = new URL(folder.href.endsWith("/") ? folder : `${folder.href}/`);
  const mesh = readFolder(eventMigrations, "mesh/");
  return service.href === eventMigrations.href ? mesh : [...mesh, ...readFolder(service, "")];
}

function readFolder(folder: URL, prefix: string): Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".sql"));
  return files.sort().map((file, index) => {
    const number = String(index + 1).padStart(4, "0");
    if (!new RegExp(`^${number}_[a-z0-9_]+\\.sql$`).test(file)) {
      throw new Error(`migration ${file} in ${folder.pathname} must be named ${number}_<what>.sql`);
    }
    const sql = readFileSync(new URL(file, folder), "utf8");
    const checksum = createHash("sha256").update(sql).digest("hex");
    return { name: prefix + file, sql, checksum };
  });
}

/** Long for a statement, short for whoever has to wait behind us. */
const lockWaitMs = 2_000;
const lockPauseMs = 1_000;

/**
 * What waits for a table's lock holds up everybody who comes after it, while an older release still
 * writes. Behind a long read, such as a verification of the ledger, it steps back and comes again.
 */
async function applyInTurn(
  pool: Pool,
  migration: Migration,
  { schema, log }: MigrateOptions,
): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await pool.begin((tx) => apply(tx, migration));
    } catch (error) {
      const { cause } = error as { cause?: { code?: string } };
      if (cause?.code !== lockNotAvailable) throw error;
      if (attempt === 0) {
        log.warn("a migration waits for its tables", { schema, migration: migration.name });
      }
    }
    await sleep(lockPauseMs * (1 + Math.random()));
  }
}

const lockNotAvailable = "55P03";

/** True when this call was the one that ran the file. */
async function apply(tx: Tx, { name, sql, checksum }: Migration): Promise<boolean> {
  const inserted = await tx`
    insert into migration (name, checksum) values (${name}, ${checksum})
    on conflict (name) do nothing
  `;
  if (inserted.count === 0) {
    const [found] = await tx`select checksum from migration where name = ${name}`;
    if (found?.["checksum"] === checksum) return false;
    throw new Error(
      `migration ${name} was changed after it was applied; restore it and add a new file instead`,
    );
  }
  // Only now: whoever applies the same file at the same time waits above, for as long as it takes.
  await tx.unsafe(`set local lock_timeout = ${lockWaitMs}`);
  await tx.unsafe(sql).catch((cause: unknown) => {
    throw new Error(`migration ${name} failed: ${(cause as Error).message}`, { cause });
  });
  return true;
}

/** No schema of the connection's search path is there. */
const noSchema = "3F000";

/** `if not exists` looks before it creates, and of two at once one would fail: they take turns. */
async function createMigrationTable(pool: Pool): Promise<void> {
  await pool.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('bursar.migration'))`;
    await tx`
      create table if not exists migration (
        name text primary key,
        checksum text not null,
        applied_at timestamptz not null default now()
      )
    `;
  });
}

/** A newer release has been here: it is built so that this one runs on its schema too. */
async function warnOfUnknown(pool: Pool, known: readonly Migration[], options: MigrateOptions) {
  const rows = await pool<{ name: string }[]>`select name from migration order by name`;
  const names = new Set(known.map(({ name }) => name));
  const unknown = rows.map(({ name }) => name).filter((name) => !names.has(name));
  if (unknown.length === 0) return;
  const { schema, log } = options;
  log.warn("the schema has migrations of a newer release", { schema, migrations: unknown });
}

/** A wrong password does not become right by waiting. */
function isLoginRefused(error: unknown): boolean {
  return (error as { code?: string }).code?.startsWith("28") === true;
}

async function waitForDatabase(pool: Pool, log: Log, waitMs: number): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (let attempt = 0; ; attempt++) {
    try {
      await pool`select 1`;
      return;
    } catch (error) {
      if (!isFault(error) || isLoginRefused(error) || Date.now() > deadline) {
        throw new Error(`the database cannot be reached: ${(error as Error).message}`, {
          cause: error,
        });
      }
      if (attempt === 0) log.warn("waiting for the database", { error });
    }
    await sleep(100 + Math.random() * 200);
  }
}
