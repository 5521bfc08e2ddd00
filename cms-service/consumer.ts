// LEDGER events open and close access. Only one of them matters here: a posted
// transaction that carries the totals of a payment for one of our orders.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import type { PaymentState, Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import type { HandleBatch, Verdict } from "#mesh/events/consumer-definition.ts";
import type { Received } from "#mesh/events/event.ts";
import { lockKeys } from "#mesh/events/parking.ts";
import { releaseParked } from "#mesh/events/release.ts";
import type { Payment } from "./access/payment.ts";
import { settlePayments } from "./access/settle-payments.ts";
import { readOrderIds } from "./access/store.ts";

type LedgerEvent = typeof TransactionPostedSchema;

export const ledgerConsumer = {
  consumer: "cms-service-LEDGER",
  stream: "LEDGER",
  // The ledger's other facts are delivered too, and passed over without a row.
  events: [TransactionPostedSchema],
  batchMax: 500,
  handle: handleLedgerEvents,
} as const satisfies { handle: HandleBatch<LedgerEvent>; [option: string]: unknown };

/** What an event waits for, and what whoever makes the order locks and announces. */
export function orderKey(orderId: string): string {
  return `order/${orderId}`;
}

/** In the SQL transaction that makes an order: handles what came before it. */
export async function releaseOrder(tx: Tx, orderId: string): Promise<void> {
  const { consumer, events, handle } = ledgerConsumer;
  await releaseParked(tx, { consumer, events, handle, arrived: [orderKey(orderId)] });
}

async function handleLedgerEvents(tx: Tx, batch: readonly Received<LedgerEvent>[]) {
  const payments = batch.map(paymentIn);
  const orderIds = payments.flatMap((payment) => {
    return payment && isKey(payment.orderId) ? payment.orderId : [];
  });
  await lockKeys(tx, orderIds.map(orderKey));
  const known = await readOrderIds(tx, orderIds);

  const verdicts = payments.map((payment) => judge(payment, known));
  const totals = payments.flatMap((payment) => {
    return payment && known.has(payment.orderId) ? payment : [];
  });
  const causes = new Map(
    batch.map(({ traceparent }, n) => [payments[n]?.orderId ?? "", traceparent] as const),
  );
  await settlePayments(tx, totals, new Date(), causes);
  return { verdicts, arrived: [] };
}

/** Undefined for what is not about an order: the ledger keeps other books too. */
function paymentIn({ message }: Received<LedgerEvent>): Payment | undefined {
  const { transaction } = message;
  const state = transaction?.paymentState;
  return transaction && state?.orderId ? paymentOf(state, factTime(transaction)) : undefined;
}

/** When a transaction takes effect: of the first one about a payment, when it was paid. */
export function factTime({ effectiveTime, recordedTime }: Transaction): Date {
  const time = effectiveTime ?? recordedTime;
  return time ? timestampDate(time) : new Date();
}

function judge(payment: Payment | undefined, known: ReadonlySet<string>): Verdict {
  if (!payment || known.has(payment.orderId)) return { kind: "handled" };
  if (isKey(payment.orderId)) return { kind: "parked", waitsFor: orderKey(payment.orderId) };
  const detail = `order_id is no id: ${JSON.stringify(payment.orderId.slice(0, 100))}`;
  return { kind: "dead", reason: DeadLetterReason.REFUSED, detail };
}

/** What a key can hold. Ids of other systems wait like ours, where an operator sees them. */
function isKey(orderId: string): boolean {
  return orderId.length <= 255 && !orderId.includes("\0");
}

export function paymentOf(state: PaymentState, paidTime: Date): Payment {
  const { ledgerId, paymentId, orderId, ledgerSequence, currencyCode } = state;
  const { paidMinor, refundedMinor, disputedMinor, lostMinor } = state;
  return {
    ...{ ledgerId, paymentId, orderId, ledgerSequence, currencyCode },
    ...{ paidMinor, refundedMinor, disputedMinor, lostMinor, paidTime },
  };
}
