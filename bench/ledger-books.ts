// Our contender: a ledger in a database of its own, posted to as the service does, without the RPC
// before it. It can be filled with history first, by SQL, so that millions of entries take seconds.

import { applyRoles, rolesOf, urlAs } from "#dev/postgres.ts";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { digestPosting } from "../ledger-service/digest.ts";
import { type Poster, startPoster } from "../ledger-service/poster.ts";
import type { Command } from "../ledger-service/rules/commands.ts";
import { bytesOf, openDatabase } from "./ledger-database.ts";
import type { Contender, LoadShape, Transfer } from "./ledger-transfers.ts";

const ledgerId = "bench";
const assetCode = "USD";
const schema = "ledger";
const accountsMax = 500;

export type BooksOptions = {
  readonly name: string;
  readonly shape: LoadShape;
  /** Entries that are there before; the real number is the next above it. */
  readonly entries?: number;
};

export async function openBooks(
  serverUrl: string,
  { name, shape, entries = 0 }: BooksOptions,
): Promise<Contender> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openDatabase(serverUrl, `bench_${name}`));
  const { url, sql } = database;
  await applyRoles(url, (role) => role, [schema]);
  const { owner, runtime } = rolesOf(schema);
  const migrations = new URL("../ledger-service/migrations/", import.meta.url);
  const log = createLog({ service: "bench", level: "error" });
  await migrate({ url: urlAs(url, owner, owner), schema, migrations, log });
  const pool = openPool({ url: urlAs(url, runtime, runtime), schema, connectionsMax: 2 });
  stack.defer(() => pool.end({ timeout: 5 }));
  const poster = stack.use(startPoster({ pool, metrics: createMetrics("bench") }));

  await prepare(poster, shape);
  let sent = 0;
  const post = async (transfers: readonly Transfer[]) => {
    await submit(
      poster,
      transfers.map((transfer) => posting(`t-${++sent}`, transfer)),
    );
  };
  if (entries > 0) await fill(sql, shape, { post, entries });
  const before = await countTransactions(sql);
  const opened = stack.move();
  return {
    name,
    shape,
    post,
    bytes: () => bytesOf(sql),
    async check(posted) {
      const [row] = await sql.unsafe<{ difference: bigint }[]>(
        "select sum(debits_minor - credits_minor)::bigint as difference from ledger.account_state",
      );
      if (row?.difference !== 0n) throw new Error(`the books of ${name} do not balance`);
      const count = (await countTransactions(sql)) - before;
      if (count !== posted) throw new Error(`${name} posted ${posted} and holds ${count}`);
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function prepare(poster: Poster, { accounts }: LoadShape): Promise<void> {
  await submit(poster, [
    { kind: "create-ledger", displayName: "Bench" },
    { kind: "register-asset", assetCode, scale: 2 },
  ]);
  const limits = { floorMinor: undefined, ceilingMinor: undefined };
  for (let from = 0; from < accounts; from += accountsMax) {
    const count = Math.min(accountsMax, accounts - from);
    const opening = (_: unknown, n: number): Command => {
      const account = accountOf(from + n);
      return { kind: "create-account", account, accountKind: "asset", limits, metadata: [] };
    };
    await submit(poster, Array.from({ length: count }, opening));
  }
}

async function submit(poster: Poster, commands: readonly Command[]): Promise<void> {
  const answers = await poster.submit(ledgerId, commands, new AbortController().signal);
  const refused = answers.find(({ kind }) => kind === "refused");
  if (refused) throw new Error(`the ledger refused a command of the bench: ${refused.kind}`);
}

function accountOf(number: number) {
  return { accountCode: `assets:bench:${number}`, assetCode };
}

function posting(idempotencyKey: string, { debit, credit, amount }: Transfer): Command {
  const amountMinor = BigInt(amount);
  const entries = [
    { account: accountOf(debit), side: "debit", amountMinor } as const,
    { account: accountOf(credit), side: "credit", amountMinor } as const,
  ];
  const request = { entries, description: "", metadata: [], effectiveTime: undefined };
  const digest = digestPosting(request);
  const draft = { ...request, idempotencyKey, reversesSequence: 0n, payment: undefined };
  return { kind: "post", idempotencyKey, digest, draft };
}

type Fill = { post(transfers: readonly Transfer[]): Promise<void>; readonly entries: number };

const templateSize = 1_000;

/**
 * One batch is posted and then copied by SQL, with sequences, versions and totals moved on: rows as
 * the ledger writes them, whatever columns they have by now. Only the chain of hashes is not real.
 */
async function fill(sql: Pool, { accounts }: LoadShape, { post, entries }: Fill): Promise<void> {
  const first = await headOf(sql);
  const template = (_: unknown, n: number) => {
    return { debit: n % accounts, credit: (n * 7 + 1) % accounts, amount: 1 };
  };
  const apart = Array.from({ length: 2 * templateSize }, template).filter(
    ({ debit, credit }) => debit !== credit,
  );
  await post(apart.slice(0, templateSize));
  const copies = Math.ceil(entries / (2 * templateSize)) - 1;
  if (copies < 1) return;
  const moved = { sequence: `sequence + n * ${templateSize}` };
  const after = `where sequence > ${first}`;
  await sql.begin(async (tx) => {
    // Triggers would check ten million entries one batch at a time: that is what is measured after.
    await tx.unsafe("set local session_replication_role = replica");
    await tx.unsafe("set local search_path = ledger");
    await tx.unsafe("create temporary table last on commit drop as select * from account_state");
    const copy = async (name: string, columns: Record<string, string>, from: string) => {
      const list = await columnsOf(tx, name);
      const values = list.map((column) => columns[column] ?? `source.${column}`);
      await tx.unsafe(`insert into ${name} (${list.join(", ")}) select ${values.join(", ")}
        from generate_series(1, ${copies}) n, ${from}`);
    };
    await copy("journal", moved, `(select * from journal ${after}) source`);
    await copy("transaction", moved, `(select * from transaction ${after}) source`);
    const key = "source.key || '-' || n";
    await copy("idempotency", { ...moved, key }, `(select * from idempotency ${after}) source`);
    const batch = {
      first_sequence: `first_sequence + n * ${templateSize}`,
      last_sequence: `last_sequence + n * ${templateSize}`,
      recorded_time: "recorded_time + n * interval '1 ms'",
    };
    await copy("batch", batch, `(select * from batch where first_sequence > ${first}) source`);
    const entry = {
      sequence: `source.sequence + n * ${templateSize}`,
      version: "source.version + n * last.version",
      debits_minor_after: "source.debits_minor_after + n * last.debits_minor",
      credits_minor_after: "source.credits_minor_after + n * last.credits_minor",
    };
    await copy("entry", entry, "entry source join last using (account_id)");
    await tx.unsafe(`update account_state set version = version * ${copies + 1},
      debits_minor = debits_minor * ${copies + 1}, credits_minor = credits_minor * ${copies + 1},
      sequence = case when version = 0 then sequence
        else sequence + ${copies * templateSize} end`);
    await tx.unsafe(`update asset set posted_minor = posted_minor * ${copies + 1}`);
    await tx.unsafe(`update ledger set head_sequence = head_sequence + ${copies * templateSize},
      recorded_time = recorded_time + ${copies} * interval '1 ms'`);
  });
  await sql.unsafe("vacuum analyze");
  await sql.unsafe("checkpoint");
}

async function headOf(sql: Pool): Promise<bigint> {
  const [row] = await sql.unsafe<{ head: bigint }[]>(
    "select max(head_sequence) as head from ledger.ledger",
  );
  return row?.head ?? 0n;
}

async function countTransactions(sql: Pool): Promise<number> {
  const [row] = await sql.unsafe<{ count: number }[]>(
    "select count(*)::int as count from ledger.transaction",
  );
  return row?.count ?? 0;
}

async function columnsOf(sql: Pick<Pool, "unsafe">, name: string): Promise<string[]> {
  const rows = await sql.unsafe<{ name: string }[]>(`select attname as name from pg_attribute
    where attrelid = 'ledger.${name}'::regclass and attnum > 0 and not attisdropped
      and attgenerated = '' order by attnum`);
  return rows.map(({ name: column }) => column);
}
