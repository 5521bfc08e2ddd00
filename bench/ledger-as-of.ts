// What a balance costs, now and of the past, on accounts of different lengths and with different
// shares of backdated entries, through the service's own reads and through RPC. What counts is how
// it grows with the account, in one run.
//   BENCH_AS_OF_ENTRIES=10000,1000000,10000000 node bench/ledger-as-of.ts

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyRoles, rolesOf, startPostgres, urlAs } from "#dev/postgres.ts";
import { bold, dim, table } from "#dev/terminal.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { startTestServer } from "#mesh/testing/rpc.ts";
import { startPoster } from "../ledger-service/poster.ts";
import { ledgerService } from "../ledger-service/rpc/service.ts";
import { type AsOf, readBalanceAsOf } from "../ledger-service/store/as-of.ts";
import { takeLateStep } from "../ledger-service/store/late-entries.ts";
import { readAccount } from "../ledger-service/store/read.ts";
import { openDatabase } from "./ledger-database.ts";
import { percentile } from "./percentile.ts";

const schema = "ledger";
const ledgerId = "past";
const firstSecond = 1_600_000_000;
const rounds = 4;
const readsARound = 150;

const kinds = ["now", "sequence", "time", "both"] as const;
type Kind = (typeof kinds)[number];

export type AsOfResult = {
  readonly entries: number;
  readonly backdatedShare: number;
  /** To index the late entries, a late entry. */
  readonly indexMicros: number;
  /** Medians in microseconds, the best of the rounds. */
  readonly store: Readonly<Record<Kind, number>>;
  readonly rpc: Readonly<Record<Kind, number>>;
};

type Subject = {
  readonly code: string;
  readonly entries: number;
  readonly backdatedShare: number;
  readonly indexMicros: number;
};

export async function benchAsOf(
  serverUrl: string,
  { lengths = [10_000, 100_000, 1_000_000], shares = [0, 0.01, 0.1, 0.5] } = {},
): Promise<AsOfResult[]> {
  await using stack = new AsyncDisposableStack();
  const { url, sql } = stack.use(await openDatabase(serverUrl, "bench_as_of"));
  await applyRoles(url, (role) => role, [schema]);
  const { owner, runtime } = rolesOf(schema);
  const migrations = new URL("../ledger-service/migrations/", import.meta.url);
  const log = createLog({ service: "bench", level: "error" });
  await migrate({ url: urlAs(url, owner, owner), schema, migrations, log });
  const options = { url: urlAs(url, runtime, runtime), schema, statementTimeoutMs: 0 };
  const pool = openPool({ ...options, connectionsMax: 1 });
  stack.defer(() => pool.end({ timeout: 5 }));

  const poster = stack.use(startPoster({ pool, metrics: createMetrics("bench") }));
  const server = stack.use(
    await startTestServer({
      service: "ledger-service",
      routes: (router) => router.service(LedgerService, ledgerService(pool, poster)),
      grants: { "test-client": { scopes: ["*.*.*"], ledgerIds: ["*"] } },
    }),
  );
  const client = await server.client(LedgerService);

  await sql.unsafe(builder);
  const subjects: Subject[] = [];
  for (const entries of lengths) {
    for (const backdatedShare of shares) {
      subjects.push(await build(sql, pool, { entries, backdatedShare }));
    }
  }
  await sql.unsafe("vacuum analyze");

  const [ledger] = await pool<{ id: bigint }[]>`select id from ledger`;
  const throughStore = async ({ code: accountCode }: Subject, asOf: AsOf | undefined) => {
    const key = { accountCode, assetCode: "USD" };
    if (asOf) await readBalanceAsOf(pool, ledger!.id, key, asOf);
    else await readAccount(pool, ledger!.id, key);
  };
  const throughRpc = async ({ code: accountCode }: Subject, asOf: AsOf | undefined) => {
    const wire = asOf && {
      ledgerSequence: asOf.sequence ?? 0n,
      ...(asOf.effectiveTime && { effectiveTime: asOf.effectiveTime }),
    };
    const account = { accountCode, assetCode: "USD" };
    await client.getBalance({ ledgerId, account, ...(wire && { asOf: wire }) });
  };
  const store = await measure(subjects, throughStore);
  const rpc = await measure(subjects, throughRpc);
  return subjects.map(({ code, ...subject }) => {
    return { ...subject, store: store.get(code)!, rpc: rpc.get(code)! };
  });
}

/** Every account in turn, so that a slow moment of the machine falls on all of them. */
async function measure(
  subjects: readonly Subject[],
  read: (subject: Subject, asOf: AsOf | undefined) => Promise<void>,
): Promise<Map<string, Record<Kind, number>>> {
  const best = new Map(
    subjects.map(({ code }) => [code, { now: 1e9, sequence: 1e9, time: 1e9, both: 1e9 }]),
  );
  for (let round = 0; round <= rounds; round++) {
    for (const subject of subjects) {
      for (const kind of kinds) {
        const micros: number[] = [];
        for (let n = 0; n < readsARound; n++) {
          const asOf = momentOf(kind, subject.entries);
          const startMs = performance.now();
          await read(subject, asOf);
          micros.push((performance.now() - startMs) * 1_000);
        }
        const median = percentile(
          micros.sort((a, b) => a - b),
          0.5,
        );
        const known = best.get(subject.code)!;
        // The first round warms everything up.
        if (round > 0) known[kind] = Math.min(known[kind], median);
      }
    }
  }
  return best;
}

/** A time among what was known at the sequence: a later one needs no search. */
function momentOf(kind: Kind, entries: number): AsOf | undefined {
  if (kind === "now") return undefined;
  const known = kind === "time" ? entries : 1 + Math.floor(Math.random() * entries);
  const seconds = BigInt(firstSecond + Math.floor(Math.random() * known));
  return {
    sequence: kind === "time" ? undefined : BigInt(2 * known),
    effectiveTime: kind === "sequence" ? undefined : { seconds, nanos: 0 },
  };
}

async function build(
  sql: Pool,
  pool: Pool,
  { entries, backdatedShare }: { entries: number; backdatedShare: number },
): Promise<Subject> {
  const code = `assets:n${entries}-${backdatedShare * 100}`;
  const [row] = await sql.unsafe<{ id: bigint; late: bigint }[]>(
    "select id, late from ledger.build($1, $2, $3)",
    [code, BigInt(entries), backdatedShare],
  );
  await sql.unsafe("analyze ledger.entry");
  const startMs = performance.now();
  while (await takeLateStep(pool, row!.id));
  const indexMicros = ((performance.now() - startMs) * 1_000) / Math.max(Number(row!.late), 1);
  return { code, entries, backdatedShare, indexMicros };
}

/** Past the service, its triggers included; sequences and times grow unevenly. */
const builder = `
  insert into ledger.ledger (ledger_code) values ('${ledgerId}');
  create function ledger.build(code text, entries bigint, backdated float8, out id bigint,
    out late bigint) language plpgsql as $$
  begin
    set local session_replication_role = replica;
    insert into ledger.account
      (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
    select ledger.id, code, 'USD', 'asset', 1, now() from ledger.ledger
    returning account_id into id;
    insert into ledger.entry (account_id, version, sequence, amount_minor, debits_minor_after,
      credits_minor_after, effective_time, effective_time_max)
    select id, version, 2 * version - (random() * random())::int, amount,
      sum(greatest(amount, 0)) over by_version, -sum(least(amount, 0)) over by_version,
      counts, max(counts) over by_version
    from (
      select version, case when version % 3 = 0 then -version % 97 - 1 else version % 89 + 1 end
          as amount,
        to_timestamp(${firstSecond} + case when random() < backdated
          then floor(random() * version) else version end) as counts
      from generate_series(1, entries) version
    ) drawn
    window by_version as (order by version);
    insert into ledger.account_state (account_id, debits_minor, credits_minor, version, sequence,
      grows_by_debits, effective_time_max)
    select account_id, debits_minor_after, credits_minor_after, version, sequence, true,
      effective_time_max
    from ledger.entry where account_id = id and version = entries;
    update ledger.ledger set head_sequence = greatest(head_sequence, 2 * entries);
    select count(*) into late from ledger.entry
    where account_id = id and effective_time < effective_time_max;
  end $$`;

export function printAsOf(results: readonly AsOfResult[]): void {
  for (const way of ["store", "rpc"] as const) {
    console.log(bold(`\nGetBalance through ${way}, median µs (× of the shortest account)`));
    const rows = results.map((result) => {
      const { entries, backdatedShare } = result;
      const shortest = results.find((other) => other.backdatedShare === backdatedShare)!;
      const cells = kinds.map((kind) => {
        const ratio = result[way][kind] / shortest[way][kind];
        return `${result[way][kind].toFixed(0)} (×${ratio.toFixed(2)})`;
      });
      const share = `${backdatedShare * 100} %`;
      return [entries.toLocaleString("en"), share, ...cells, result.indexMicros.toFixed(1)];
    });
    const heads = ["entries", "backdated", "now", "at a sequence", "at a time", "at both"];
    console.log(table([...heads, "µs to index a late entry"], rows));
  }
}

if (process.argv[1]?.endsWith("/ledger-as-of.ts")) {
  const folder = mkdtempSync(join(tmpdir(), "bench-as-of-"));
  const settings = { shared_buffers: "1GB", max_wal_size: "8GB", fsync: "off" };
  await using postgres = await startPostgres({ dataDir: join(folder, "postgres"), settings });
  const numbers = (text: string | undefined) => text?.split(",").map(Number);
  const lengths = numbers(process.env["BENCH_AS_OF_ENTRIES"]);
  const shares = numbers(process.env["BENCH_AS_OF_SHARES"]);
  console.log(dim("building …"));
  printAsOf(
    await benchAsOf(postgres.url, { ...(lengths && { lengths }), ...(shares && { shares }) }),
  );
  await postgres[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
