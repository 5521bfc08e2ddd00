// A long load of batches through RPC: what the ledger's process holds in memory while it lasts, and
// what a transaction leaves in the log and on disk, events and all.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Clients } from "#dev/clients.ts";
import type { House } from "#dev/house.ts";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { PostTransactionRequestSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { bytesOf } from "./ledger-database.ts";
import { ledgerId } from "./ledger-events.ts";
import { residentMiB } from "./mesh/starts.ts";
import { median } from "./mesh/worker.ts";

const callers = 4;
const batchSize = 100;
const sampleMs = 500;

export type SoakResult = {
  readonly seconds: number;
  readonly perSecond: number;
  /** Medians of the second quarter and of the last one, and the highest of all. */
  readonly earlyMiB: number;
  readonly lateMiB: number;
  readonly highestMiB: number;
  readonly walBytes: number;
  readonly diskBytes: number;
};

/** The accounts are there from the unary calls. */
export async function benchSoak(
  house: House,
  clients: Clients,
  seconds: number,
): Promise<SoakResult> {
  const { pid } = house.process("ledger-service");
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  const samples: number[] = [];
  const sampling = setInterval(() => samples.push(residentMiB(pid) ?? Number.NaN), sampleMs);
  try {
    const before = await bytesOf(sql);
    const startMs = performance.now();
    let posted = 0;
    const caller = async (_: unknown, n: number) => {
      for (let round = 0; performance.now() < startMs + seconds * 1_000; round += 1) {
        const key = (item: number) => `soak-${n}-${round}-${item}`;
        const requests = Array.from({ length: batchSize }, (_, item) => posting(key(item)));
        await clients.ledger.batchPostTransactions({ ledgerId, requests });
        posted += batchSize;
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    const elapsed = (performance.now() - startMs) / 1_000;
    const after = await bytesOf(sql);
    const quarter = Math.floor(samples.length / 4);
    return {
      seconds,
      perSecond: posted / elapsed,
      earlyMiB: median(samples.slice(quarter, 2 * quarter)),
      lateMiB: median(samples.slice(-quarter)),
      highestMiB: Math.max(...samples),
      walBytes: (after.wal - before.wal) / posted,
      diskBytes: (after.disk - before.disk) / posted,
    };
  } finally {
    clearInterval(sampling);
    await sql.end();
  }
}

function posting(idempotencyKey: string): MessageInitShape<typeof PostTransactionRequestSchema> {
  const entry = (accountCode: string, side: Side) => ({
    account: { accountCode, assetCode: "USD" },
    side,
    amountMinor: 100n,
  });
  const entries = [
    entry("assets:stripe:balance", Side.DEBIT),
    entry("income:courses", Side.CREDIT),
  ];
  return { ledgerId, idempotencyKey, entries };
}
