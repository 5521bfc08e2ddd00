// The services' schemas and roles, as deploy/roles.sql makes them: for each schema an owner that
// migrates it and a runtime role that reads and writes its rows.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { openPool } from "./pool.ts";

export const schemas = ["ledger", "cms", "gateway", "mesh"] as const;

export function rolesOf(schema: string) {
  return { owner: `${schema}_owner`, runtime: `${schema}_runtime` };
}

/** As superuser: makes schemas and roles in the database of `url`, and sets the roles' passwords. */
export async function applyRoles(
  url: string,
  passwordOf: (role: string) => string,
  schemaNames: readonly string[] = schemas,
): Promise<void> {
  for (const schema of schemaNames) assert.match(schema, /^[a-z][a-z0-9_]*$/);
  const script = readFileSync(new URL("../../deploy/roles.sql", import.meta.url), "utf8");
  const pool = openPool({ url, connectionsMax: 1 });
  const sql = await pool.reserve();
  try {
    await sql`select set_config('bursar.schemas', ${schemaNames.join(",")}, false)`;
    for (const role of schemaNames.flatMap((schema) => Object.values(rolesOf(schema)))) {
      await sql`select set_config(${`bursar.${role}_password`}, ${passwordOf(role)}, false)`;
    }
    await sql.unsafe(script);
  } finally {
    sql.release();
    await pool.end({ timeout: 5 });
  }
}

/** The same server as another role, and in another database when one is named. */
export function urlAs(url: string, role: string, password: string, database?: string): string {
  const changed = new URL(url);
  changed.username = role;
  changed.password = password;
  if (database !== undefined) changed.pathname = `/${database}`;
  return changed.href;
}
