// Compares the totals of payments with the state that the journal told last. A row carries the
// sequence of that state: where the journal comes to it, they must be equal.

import { paymentKey } from "../rules/payment-facts.ts";
import { texts } from "../store/sql-arrays.ts";
import type { Comparison } from "./compare-rows.ts";
import type { PaymentSequences } from "./compare-transactions.ts";
import type { ExpectedTransaction } from "./expected.ts";
import { compareRow, type Row } from "./findings.ts";

type PaymentRow = Row & {
  readonly payment_id: string;
  readonly sequence: bigint;
  readonly first_sequence: bigint;
};

export async function comparePayments(
  { tx, id, findings, counts }: Comparison,
  transactions: readonly ExpectedTransaction[],
  storedSequences: PaymentSequences,
): Promise<void> {
  const caused = transactions.flatMap(({ sequence, key, payment }) => {
    return payment ? [{ sequence, key, payment }] : [];
  });
  if (caused.length === 0) return;
  const rows = await tx<PaymentRow[]>`
    select payment_id, order_id, currency_code, paid_minor, disputed_minor, lost_minor,
      greatest(refunds_named_minor, refunds_stated_minor) - refunds_failed_minor as refunded_minor,
      first_sequence, sequence
    from payment
    where ledger_id = ${id}
      and payment_id = any(${texts(caused.map(({ payment }) => payment.paymentId))}::text[])
  `;
  const stored = new Map(rows.map((row) => [row.payment_id, row]));
  for (const { sequence, key, payment } of caused) {
    const { paymentId } = payment;
    const subject = { projection: "payment", sequence, name: `payment ${paymentId}` } as const;
    const row = stored.get(paymentId);
    // A payment begins with the fact that it succeeded.
    const begins = key === paymentKey(paymentId);
    if (begins) {
      counts.payments += 1n;
      compareRow(findings, subject, { first_sequence: sequence }, row);
    }
    if (row) {
      compareRow(
        findings,
        { projection: "transaction", sequence, name: `transaction ${sequence}` },
        { payment_sequence: row.first_sequence },
        { payment_sequence: storedSequences.get(sequence) ?? null },
      );
    }
    if (row && row.sequence > sequence) continue;
    if (row?.sequence === sequence) counts.settledPayments += 1n;
    compareRow(
      findings,
      subject,
      {
        sequence,
        order_id: payment.orderId,
        currency_code: payment.currencyCode,
        paid_minor: payment.paidMinor,
        refunded_minor: payment.refundedMinor,
        disputed_minor: payment.disputedMinor,
        lost_minor: payment.lostMinor,
      },
      row,
    );
  }
}
