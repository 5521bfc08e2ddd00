// Checks the names that providers' facts took: each is of a transaction that a provider caused, and
// together they make up the totals of the payments, because what is refunded does not tell what it
// is made of. Names of one payment lie far apart, so payments are taken in turns, some in each.

import { createHash } from "node:crypto";
import type { JournalRow } from "../journal.ts";
import { type Named, paymentKey } from "../rules/payment-facts.ts";
import { addName, type PaymentHistory, paymentNamed } from "../rules/payment-history.ts";
import type { Comparison } from "./compare-rows.ts";
import { compareRow } from "./findings.ts";
import { usedKey } from "./used-key.ts";

const rowsMax = 2_000;
const historiesMax = 100_000n;

/** Must come last: it trusts what was compared of payments and keys by then. */
export async function compareNames(comparison: Comparison): Promise<void> {
  const turns = Number(comparison.counts.payments / historiesMax) + 1;
  for (let turn = 0; turn < turns; turn++) {
    const isOurs = (payment: string) => turns === 1 || hashOf(payment) % turns === turn;
    const histories = await readNames(comparison, isOurs, turn === 0);
    await compareTotals(comparison, isOurs, histories);
    if (comparison.findings.enough()) return;
  }
}

type NameRow = Named & { readonly sequence: bigint | null } & {
  readonly subject: string | null;
  readonly data: Uint8Array | null;
};

type History = { totals: PaymentHistory | undefined; firstSequence: bigint | null };

async function readNames(
  comparison: Comparison,
  isOurs: (payment: string) => boolean,
  checking: boolean,
): Promise<Map<string, History>> {
  const { tx, id, findings } = comparison;
  const histories = new Map<string, History>();
  for (let after = ""; ; ) {
    const rows = await tx<NameRow[]>`
      select key, content, sequence, subject, data
      from fact left join journal using (ledger_id, sequence)
      where ledger_id = ${id} and key > ${after}
      order by key limit ${rowsMax}
    `;
    if (checking) await checkSequences(comparison, rows);
    for (const { key, content, sequence } of rows) {
      try {
        const payment = paymentNamed({ key, content });
        if (payment === undefined || !isOurs(payment)) continue;
        const history = histories.get(payment) ?? { totals: undefined, firstSequence: null };
        histories.set(payment, history);
        history.totals = addName(history.totals, { key, content });
        if (key === payment) history.firstSequence = sequence;
      } catch (error) {
        findings.add("payment", sequence ?? 0n, (error as Error).message);
      }
    }
    const last = rows.at(-1);
    if (!last || rows.length < rowsMax) return histories;
    after = last.key;
  }
}

/** Several names may share a transaction; one of them is what it was posted under. */
async function checkSequences({ tx, id, findings }: Comparison, rows: readonly NameRow[]) {
  for (const { key, sequence, subject, data } of rows) {
    if (sequence === null) continue;
    const name = data && subject && usedKey({ sequence, subject, data } satisfies JournalRow);
    if (name === key) continue;
    const [shared] = await tx`
      select from fact where ledger_id = ${id} and key = ${name} and sequence = ${sequence}
    `;
    if (shared) continue;
    findings.add("key", sequence, `key ${key} names fact ${sequence}, which is none of its own`);
  }
}

async function compareTotals(
  { tx, id, findings }: Comparison,
  isOurs: (payment: string) => boolean,
  histories: Map<string, History>,
): Promise<void> {
  for (let after = ""; ; ) {
    const rows = await tx<{ paymentId: string; sequence: bigint; first_sequence: bigint }[]>`
      select payment_id as "paymentId", currency_code, paid_minor, refunds_named_minor,
        refunds_stated_minor, refunds_failed_minor, disputed_minor, lost_minor, first_sequence,
        sequence
      from payment where ledger_id = ${id} and payment_id > ${after}
      order by payment_id limit ${rowsMax}
    `;
    for (const { paymentId, sequence, ...row } of rows) {
      const payment = paymentKey(paymentId);
      if (!isOurs(payment)) continue;
      const { totals, firstSequence } = histories.get(payment) ?? {};
      histories.delete(payment);
      const subject = { projection: "payment", sequence, name: `totals of ${payment}` } as const;
      if (!totals) {
        findings.add("payment", sequence, `payment ${paymentId} is none that a provider reported`);
        continue;
      }
      compareRow(
        findings,
        subject,
        {
          currency_code: totals.currencyCode,
          paid_minor: totals.paidMinor,
          refunds_named_minor: totals.refundsNamedMinor,
          refunds_stated_minor: totals.refundsStatedMinor,
          refunds_failed_minor: totals.refundsFailedMinor,
          disputed_minor: totals.disputedMinor,
          lost_minor: totals.lostMinor,
          first_sequence: firstSequence ?? null,
        },
        row,
      );
    }
    const last = rows.at(-1);
    if (!last || rows.length < rowsMax) break;
    after = last.paymentId;
  }
  for (const payment of histories.keys()) {
    findings.add("payment", 0n, `${payment} was reported, but is not in the table of payments`);
  }
}

function hashOf(payment: string): number {
  return createHash("sha256").update(payment).digest().readUInt32BE();
}
