#!/usr/bin/env node
// Verifies the books of one ledger, or of all: `node ledger-service/verify-books.ts [ledger_id]`
// with DATABASE_URL of the ledger's runtime role. It prints a sentence for each thing that is wrong,
// up to 100 of a ledger, and exits 1 when there is any. It reads one snapshot of each ledger.

import { openPool } from "#mesh/database/pool.ts";
import { readEnv } from "#mesh/process/config.ts";
import { verifyLedger } from "./verify.ts";

const { url } = readEnv(process.env, (read) => ({ url: read.url("DATABASE_URL") }));
const pool = openPool({
  url,
  schema: "ledger",
  connectionsMax: 1,
  applicationName: "ledger-service/verify-books",
});
try {
  const [, , asked] = process.argv;
  const ledgerIds = asked === undefined ? await readLedgerIds() : [asked];
  let count = 0;
  for (const ledgerId of ledgerIds) {
    const problems = await verifyLedger(pool, ledgerId);
    for (const problem of problems) process.stdout.write(`${problem}\n`);
    if (problems.length === 0) process.stdout.write(`ledger ${ledgerId}: sound\n`);
    count += problems.length;
  }
  process.exitCode = count > 0 ? 1 : 0;
} finally {
  await pool.end({ timeout: 5 });
}

async function readLedgerIds(): Promise<string[]> {
  const rows = await pool<{ ledgerId: string }[]>`
    select ledger_code as "ledgerId" from ledger where head_sequence > 0 order by ledger_code
  `;
  return rows.map(({ ledgerId }) => ledgerId);
}
