// What the ledger is measured by: the very rows that it wrote for the events, inserted again by
// `unnest`, in batches of the same size, into tables with the same keys, with nothing else to do.

import { openPool, type Pool } from "#mesh/database/pool.ts";

const batchSize = 1_000;
const tables = ["inbox", "journal", "transaction", "entry", "fact", "payment"];
const legs = 2;

/** Rows of so many events; events a second. */
export async function insertRaw(databaseUrl: string, eventCount: number): Promise<number> {
  const sql = openPool({ url: databaseUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  try {
    await sql.unsafe("drop schema if exists bench_raw cascade; create schema bench_raw");
    const copies: Copy[] = [];
    for (const name of tables) {
      copies.push(await copyOf(sql, name, name === "entry" ? legs * eventCount : eventCount));
    }
    const batchCount = Math.ceil(eventCount / batchSize);
    const startMs = performance.now();
    for (let batch = 0; batch < batchCount; batch += 1) {
      await sql.begin(async (tx) => {
        for (const { statement, columns, rowCount } of copies) {
          const [from, to] = [batch, batch + 1].map((n) => Math.floor((n * rowCount) / batchCount));
          const part = columns.map((values) => values.slice(from, to));
          await tx.unsafe(statement, part);
        }
      });
    }
    const seconds = (performance.now() - startMs) / 1_000;
    await sql.unsafe("drop schema bench_raw cascade");
    return eventCount / seconds;
  } finally {
    await sql.end();
  }
}

type Copy = {
  readonly statement: string;
  readonly rowCount: number;
  readonly columns: (string | null)[][];
};

async function copyOf(sql: Pool, name: string, rowsMax: number): Promise<Copy> {
  await sql.unsafe(`create table bench_raw.${name} (like ledger.${name} including indexes)`);
  const types = await sql<{ name: string; type: string }[]>`
    select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = ${`ledger.${name}`}::regclass and attnum > 0 and not attisdropped
      and attgenerated = ''
    order by attnum`;
  const selected = types.map((column) => `${column.name}::text`).join(", ");
  const rows = await sql.unsafe<Record<string, string | null>[]>(
    `select ${selected} from ledger.${name} limit ${rowsMax}`,
  );
  const casts = types.map(({ type }, n) => `$${n + 1}::text[]::${type}[]`).join(", ");
  const names = types.map((column) => column.name).join(", ");
  return {
    statement: `insert into bench_raw.${name} (${names}) select * from unnest(${casts})`,
    rowCount: rows.length,
    columns: types.map((column) => rows.map((row) => row[column.name] ?? null)),
  };
}
