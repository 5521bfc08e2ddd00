#!/usr/bin/env node
// Verifies the books of one ledger, or of all: `node ledger-service/verify-books.ts [ledger_id]`
// with DATABASE_URL of the ledger's runtime role. It prints a sentence for each thing that is wrong,
// up to 100 of a ledger, and exits 1 when there is any, 2 when it could not look. It reads one
// snapshot of each ledger.

import { inspect } from "node:util";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { isFault } from "#mesh/database/transaction.ts";
import { ConfigError, readEnv } from "#mesh/process/config.ts";
import { verifyLedger } from "./verify/verify.ts";

try {
  process.exitCode = (await countProblems(process.argv[2])) > 0 ? 1 : 0;
} catch (error) {
  const isKnown = error instanceof ConfigError || isFault(error);
  const reason = isKnown ? (error as Error).message : inspect(error);
  process.stderr.write(`the books were not verified: ${reason}\n`);
  process.exitCode = 2;
}

async function countProblems(asked: string | undefined): Promise<number> {
  const { url } = readEnv(process.env, (read) => ({ url: read.url("DATABASE_URL") }));
  const applicationName = "ledger-service/verify-books";
  const pool = openPool({ url, schema: "ledger", connectionsMax: 1, applicationName });
  try {
    let count = 0;
    for (const ledgerId of asked === undefined ? await readLedgerIds(pool) : [asked]) {
      const problems = await verifyLedger(pool, ledgerId);
      for (const problem of problems) process.stdout.write(`${problem}\n`);
      if (problems.length === 0) process.stdout.write(`ledger ${ledgerId}: sound\n`);
      count += problems.length;
    }
    return count;
  } finally {
    await pool.end({ timeout: 5 });
  }
}

async function readLedgerIds(pool: Pool): Promise<string[]> {
  const rows = await pool<{ ledgerId: string }[]>`
    select ledger_code as "ledgerId" from ledger where head_sequence > 0 order by ledger_code
  `;
  return rows.map(({ ledgerId }) => ledgerId);
}
