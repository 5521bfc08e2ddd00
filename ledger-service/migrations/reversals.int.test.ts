// Books that were written before reversals were counted: every reversal was whole then, and the only
// one.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool } from "#mesh/database/pool.ts";
import { createLog } from "#mesh/process/log.ts";
import { openTestDatabase } from "#mesh/testing/database.ts";

const migrations = new URL("./", import.meta.url);
const oldNames = ["0001_ledger.sql", "0002_invariants.sql", "0003_traceparent.sql"];

test("older reversals count as whole, entry by entry as the journal tells them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-migrations-"));
  try {
    for (const name of oldNames) cpSync(new URL(name, migrations), join(folder, name));
    const old = pathToFileURL(`${folder}/`);
    await using database = await openTestDatabase({ schema: "ledger", migrations: old });
    await fill(database.superUrl);
    const log = createLog({ service: "test", level: "error" });
    await migrate({ url: database.ownerUrl, schema: "ledger", migrations, log });

    const rows = await database.pool`
      select sequence, entry_index, account_code || ' ' || asset_code as account, amount_minor,
        reversed_minor, reversed_by
      from reversed_entry join account using (account_id)
      order by sequence, entry_index
    `;
    expect(rows.map((row) => Object.values(row))).toEqual([
      [3n, 0, "income:é USD", -(2n ** 62n), 2n ** 62n, 5n],
      [3n, 1, "assets:a USD", 2n ** 62n - 1n, 2n ** 62n - 1n, 5n],
      [3n, 2, "assets:a USD", 1n, 1n, 5n],
      [5n, 0, "income:é USD", 2n ** 62n, 2n ** 62n, 6n],
      [5n, 1, "assets:a USD", -(2n ** 62n - 1n), 2n ** 62n - 1n, 6n],
      [5n, 2, "assets:a USD", -1n, 1n, 6n],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const most = 2n ** 62n;
/** In the order of the journal, which is neither that of the accounts nor of their numbers. */
const lines = [
  { accountCode: "income:é", amountMinor: -most },
  { accountCode: "assets:a", amountMinor: most - 1n },
  { accountCode: "assets:a", amountMinor: 1n },
];

const posted = [
  { sequence: 3n, reverses: null, sign: 1n },
  { sequence: 4n, reverses: null, sign: 1n },
  { sequence: 5n, reverses: 3n, sign: -1n },
  { sequence: 6n, reverses: 5n, sign: 1n },
];

/** Rows as older code left them behind. Its batches and the order of writing are not tested here. */
async function fill(url: string): Promise<void> {
  const options = { schema: "ledger", connectionsMax: 1, applicationName: "fill" };
  const pool = openPool({ ...options, url });
  await pool.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`insert into ledger (ledger_code, head_sequence) values ('main', 6)`;
    await tx`
      insert into account (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
      values (1, 'assets:a', 'USD', 'asset', 1, now()), (1, 'income:é', 'USD', 'income', 2, now())
    `;
    for (const { sequence, reverses, sign } of posted) {
      await tx`
        insert into journal values (1, ${sequence}, ${TransactionPostedSchema.typeName},
          ${bytesOf(sequence, reverses ?? 0n, sign)})
      `;
      await tx`
        insert into transaction (ledger_id, sequence, legs, effective_time, recorded_time,
          reverses_sequence) values (1, ${sequence}, 3, now(), now(), ${reverses})
      `;
      for (const [place, { accountCode, amountMinor }] of lines.entries()) {
        const account = accountCode === "assets:a" ? 1 : 2;
        const version = (sequence - 3n) * (account === 1 ? 2n : 1n) + (place === 2 ? 2n : 1n);
        await tx`
          insert into entry (account_id, version, sequence, amount_minor, debits_minor_after,
            credits_minor_after)
          values (${account}, ${version}, ${sequence}, ${sign * amountMinor}, 0, 0)
        `;
      }
    }
    await tx`
      insert into account_state (account_id, debits_minor, credits_minor, version, sequence)
      values (1, 0, 0, 8, 6), (2, 0, 0, 4, 6)
    `;
  });
  await pool.end();
}

function bytesOf(sequence: bigint, reversesSequence: bigint, sign: bigint): Uint8Array {
  const event = create(TransactionPostedSchema, {
    ledgerId: "main",
    ledgerSequence: sequence,
    transaction: {
      ledgerId: "main",
      ledgerSequence: sequence,
      idempotencyKey: `key-${sequence}`,
      entries: lines.map(({ accountCode, amountMinor }) => {
        const signed = sign * amountMinor;
        return {
          account: { accountCode, assetCode: "USD" },
          side: signed > 0n ? Side.DEBIT : Side.CREDIT,
          amountMinor: signed > 0n ? signed : -signed,
        };
      }),
      description: "a text with \u0000 and 茶".repeat(20),
      metadata: [{ key: "a", value: "1" }],
      effectiveTime: { seconds: -5n, nanos: 7 },
      recordedTime: { seconds: 1_700_000_000n, nanos: 7 },
      reversesSequence,
    },
  });
  return toBinary(TransactionPostedSchema, event);
}
