// Compares the rows of some transactions with the journal: their times, what they reverse, the keys
// they and all other requests were written under, and the payments that caused them.

import { texts } from "../store/sql-arrays.ts";
import type { Comparison } from "./compare-rows.ts";
import type { ExpectedKey, ExpectedTransaction } from "./expected.ts";
import { compareRow, type Row } from "./findings.ts";

/** Facts from a first to a last sequence. */
export type Range = { readonly first: bigint; readonly last: bigint };

/** Sequence of the payment's first transaction, by that of the transaction; as stored. */
export type PaymentSequences = ReadonlyMap<bigint, bigint | null>;

export async function compareTransactions(
  { tx, id, findings }: Comparison,
  { first, last }: Range,
  transactions: readonly ExpectedTransaction[],
): Promise<PaymentSequences> {
  // All of the range: a row that is in nobody's journal is found here, too.
  const rows = await tx<(Row & { sequence: bigint; payment_sequence: bigint | null })[]>`
    select sequence, legs, reverses_sequence, payment_sequence,
      (extract(epoch from effective_time) * 1000000)::bigint as effective_time,
      (extract(epoch from recorded_time) * 1000000)::bigint as recorded_time
    from transaction
    where ledger_id = ${id} and sequence between ${first} and ${last}
  `;
  const stored = new Map(rows.map((row) => [row.sequence, row]));
  for (const transaction of transactions) {
    const { sequence, payment } = transaction;
    compareRow(
      findings,
      { projection: "transaction", sequence, name: `transaction ${sequence}` },
      {
        legs: transaction.amountsMinor.length,
        effective_time: transaction.effectiveMicros,
        recorded_time: transaction.recordedMicros,
        reverses_sequence: transaction.reverses || null,
        // Whose payment it is, is compared with the payment.
        ...(payment === undefined && { payment_sequence: null }),
      },
      stored.get(sequence),
    );
  }
  const expected = new Set(transactions.map(({ sequence }) => sequence));
  for (const { sequence } of rows) {
    if (expected.has(sequence)) continue;
    const problem = `transaction ${sequence} is in its table, but not in the journal`;
    findings.add("transaction", sequence, problem);
  }
  return new Map(rows.map((row) => [row.sequence, row.payment_sequence]));
}

/** A transaction stands under the key of a caller or under the name of a provider's fact. */
export async function compareKeys(
  { tx, id, findings, counts }: Comparison,
  {
    keys,
    transactions,
  }: {
    readonly keys: readonly ExpectedKey[];
    readonly transactions: readonly ExpectedTransaction[];
  },
): Promise<void> {
  const names = texts(transactions.map(({ key }) => key));
  const asked = texts([...keys, ...transactions].map(({ key }) => key));
  const [callers, providers] = await Promise.all([
    tx<Use[]>`
      select key, sequence, refused from idempotency
      where ledger_id = ${id} and key = any(${asked}::text[])
    `,
    tx<Use[]>`
      select key, sequence from fact where ledger_id = ${id} and key = any(${names}::text[])
    `,
  ]);
  const used = new Map(callers.map((use) => [use.key, use]));
  const reported = new Map(providers.map((use) => [use.key, use]));
  for (const { sequence, key, refused } of keys) {
    counts.keys += 1n;
    const subject = { projection: "key", sequence, name: `key ${key}` } as const;
    compareRow(findings, subject, { sequence, refused }, used.get(key));
  }
  for (const { sequence, key } of transactions) {
    const use = used.get(key);
    const ofCaller = use?.sequence === sequence;
    const ofProvider = reported.get(key)?.sequence === sequence;
    if (ofCaller) counts.keys += 1n;
    if (ofProvider) counts.providerTransactions += 1n;
    if (ofCaller && ofProvider) findings.add("key", sequence, `fact ${sequence} has two keys`);
    if (!ofCaller && !ofProvider) {
      const others = [use, reported.get(key)].flatMap((other) => other?.sequence ?? []);
      const found = others.length > 0 ? `is of ${others.join(" and ")}` : "is missing";
      const problem = `key ${key} ${found} in its table, but of ${sequence} by the journal`;
      findings.add("key", sequence, problem);
    } else if (ofCaller && use.refused) {
      findings.add("key", sequence, `key ${key} is refused in its table, but posted ${sequence}`);
    }
  }
}

type Use = { readonly key: string; readonly sequence: bigint | null; readonly refused?: boolean };
