// Counts rows: every row that a fact tells of was found by its key, so where there are more, some are
// told of by nothing. Only then they are looked for one by one.

import type { Comparison, Counts } from "./compare-rows.ts";
import type { Projection } from "./findings.ts";
import { usedKey } from "./used-key.ts";

const keysMax = 1_000;
const countedMax = 100_000n;

export async function compareCounts(comparison: Comparison, last: bigint): Promise<void> {
  const { counts, findings } = comparison;
  const stored = await readCounts(comparison);
  const compare = (what: keyof typeof stored, expected: bigint, projection: Projection) => {
    if (stored[what] === expected) return;
    const both = `${stored[what]} in their table, but ${expected} by the journal`;
    findings.add(projection, 0n, `there are ${both}: ${names[what]}`);
  };
  compare("payments", counts.payments, "payment");
  compare("settledPayments", counts.settledPayments, "payment");
  compare("holds", counts.holds, "hold");
  compare("settledHolds", counts.settledHolds, "hold");
  compare("periods", counts.periods, "period");
  compare("suspended", counts.suspended, "suspense");
  compare("released", counts.released, "suspense");
  compare("reversedEntries", counts.reversedEntries, "transaction");
  if ((await countKeys(comparison)) !== counts.keys) await findUnusedKeys(comparison);
  await findTransactionsBeyond(comparison, last);
}

const names = {
  payments: "payments",
  settledPayments: "payments at a fact of their own",
  holds: "holds",
  settledHolds: "holds at a fact of their own",
  periods: "closed periods",
  suspended: "entries in suspense",
  released: "releases from suspense",
  reversedEntries: "entries of reversed transactions",
} satisfies Partial<Record<keyof Counts, string>>;

async function readCounts({ tx, id }: Comparison) {
  const [row] = await tx<Record<keyof typeof names, bigint>[]>`
    select
      (select count(*) from payment where ledger_id = ${id}) as payments,
      (select count(*) from payment where ledger_id = ${id}) as "settledPayments",
      (select count(*) from hold where ledger_id = ${id}) as holds,
      (select count(*) from hold where ledger_id = ${id}) as "settledHolds",
      (select count(*) from period where ledger_id = ${id}) as periods,
      (select count(*) from suspense_item where ledger_id = ${id}) as suspended,
      (select count(released_sequence) from suspense_item where ledger_id = ${id}) as released,
      (select count(*) from reversed_entry where ledger_id = ${id}) as "reversedEntries"
  `;
  return row!;
}

/** Some at a time: no statement takes longer than the database allows. */
async function countKeys({ tx, id }: Comparison): Promise<bigint> {
  let count = 0n;
  for (let after = ""; ; ) {
    const [page] = await tx<{ n: bigint; last: string | null }[]>`
      select count(*) as n, max(key) as last from (
        select key from idempotency where ledger_id = ${id} and key > ${after}
        order by key limit ${countedMax}) page
    `;
    count += page?.n ?? 0n;
    if (!page?.last || page.n < countedMax) return count;
    after = page.last;
  }
}

type KeyRow = {
  readonly key: string;
  readonly sequence: bigint;
  readonly subject: string | null;
  readonly data: Uint8Array | null;
};

async function findUnusedKeys({ tx, id, findings }: Comparison): Promise<void> {
  for (let after = ""; ; ) {
    const rows = await tx<KeyRow[]>`
      select key, sequence, subject, data
      from idempotency left join journal using (ledger_id, sequence)
      where ledger_id = ${id} and key > ${after} order by key limit ${keysMax}
    `;
    for (const { key, sequence, subject, data } of rows) {
      if (subject && data && usedKey({ sequence, subject, data }) === key) continue;
      findings.add("key", sequence, `key ${key} names fact ${sequence}, which is none of its own`);
    }
    const last = rows.at(-1);
    if (!last || rows.length < keysMax || findings.enough()) return;
    after = last.key;
  }
}

async function findTransactionsBeyond({ tx, id, findings }: Comparison, last: bigint) {
  const rows = await tx<{ sequence: bigint }[]>`
    select sequence from transaction where ledger_id = ${id} and sequence > ${last}
    order by sequence limit 100
  `;
  for (const { sequence } of rows) {
    const problem = `transaction ${sequence} is in its table, but not in the journal`;
    findings.add("transaction", sequence, problem);
  }
}
