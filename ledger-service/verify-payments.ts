// Checks the totals of payments twice: against the state that the journal told last, and against the
// names that providers' facts took, because what is refunded does not tell what it is made of.

import type { PaymentState } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { compareMaps, type Report } from "./compare-maps.ts";
import { type Named, paymentKey } from "./rules/payment-facts.ts";
import { readHistories } from "./rules/payment-history.ts";

const rowsMax = 2_000;

export async function comparePayments(
  tx: Tx,
  id: bigint,
  states: ReadonlyMap<string, PaymentState>,
  report: Report,
): Promise<void> {
  await compareStates(tx, id, states, report);
  await compareNames(tx, id, report);
}

async function compareStates(
  tx: Tx,
  id: bigint,
  states: ReadonlyMap<string, PaymentState>,
  report: Report,
): Promise<void> {
  const rows = await tx<{ paymentId: string; content: string }[]>`
    select payment_id as "paymentId", order_id || ' ' || currency_code || ' ' || sequence || ' '
      || paid_minor || ' '
      || greatest(refunds_named_minor, refunds_stated_minor) - refunds_failed_minor || ' '
      || disputed_minor || ' ' || lost_minor as content
    from payment where ledger_id = ${id}
  `;
  const found = new Map(rows.map(({ paymentId, content }) => [paymentId, content]));
  const expected = new Map<string, string>();
  for (const [paymentId, state] of states) {
    const { orderId, currencyCode, ledgerSequence } = state;
    const { paidMinor, refundedMinor, disputedMinor, lostMinor } = state;
    const totals = [paidMinor, refundedMinor, disputedMinor, lostMinor].join(" ");
    expected.set(paymentId, `${orderId} ${currencyCode} ${ledgerSequence} ${totals}`);
  }
  compareMaps("payment", expected, found, report);
}

/** A payment's first transaction is that of the fact that it succeeded. */
async function compareNames(tx: Tx, id: bigint, report: Report): Promise<void> {
  const names: Named[] = [];
  const firstSequences = new Map<string, bigint | null>();
  const cursor = tx<(Named & { sequence: bigint | null })[]>`
    select key, content, sequence from fact where ledger_id = ${id}
  `.cursor(rowsMax);
  for await (const facts of cursor) {
    for (const { key, content, sequence } of facts) {
      names.push({ key, content });
      firstSequences.set(key, sequence);
    }
  }
  const rows = await tx<({ paymentId: string } & Record<string, unknown>)[]>`
    select payment_id as "paymentId", currency_code as "currencyCode", paid_minor as "paidMinor",
      refunds_named_minor as "refundsNamedMinor", refunds_stated_minor as "refundsStatedMinor",
      refunds_failed_minor as "refundsFailedMinor", disputed_minor as "disputedMinor",
      lost_minor as "lostMinor", first_sequence as "firstSequence"
    from payment where ledger_id = ${id}
  `;
  const found = new Map(rows.map(({ paymentId, ...totals }) => [paymentKey(paymentId), totals]));
  try {
    const histories = readHistories(names);
    const expected = new Map(
      [...histories].map(([key, history]) => {
        return [key, { ...history, firstSequence: firstSequences.get(key) ?? null }];
      }),
    );
    compareMaps("totals of", expected, found, report);
  } catch (error) {
    report((error as Error).message);
  }
}
