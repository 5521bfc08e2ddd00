// The PAYMENTS stream: providers' facts in, entries out. Events become the ledger's own facts here;
// what they mean is in rules/record-fact.ts, how they are written in store/write.ts.

import assert from "node:assert/strict";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Money as WireMoney } from "#gen/bursar/money/v1/money_pb.ts";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
  PayoutFailedSchema,
  PayoutPaidSchema,
  RefundFailedSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import type { Provenance } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import type { Handled, Verdict } from "#mesh/events/consumer-definition.ts";
import type { Received } from "#mesh/events/event.ts";
import { type BatchNeeds, batchSize, needsOf, runBatches } from "./batch.ts";
import type { Books } from "./rules/books.ts";
import { type Money, namesOf, type PaymentFact } from "./rules/payment-facts.ts";
import { accountsOf, chartNameOf, type Recorded, recordFact } from "./rules/record-fact.ts";
import type { Note, Time } from "./rules/records.ts";
import { isTime } from "./rules/time.ts";
import { type Needs, needAccount } from "./store/load.ts";

export const paymentEvents = [
  PaymentSucceededSchema,
  PaymentFailedSchema,
  PaymentRefundedSchema,
  RefundFailedSchema,
  DisputeOpenedSchema,
  DisputeClosedSchema,
  PayoutPaidSchema,
  PayoutFailedSchema,
] as const;

type PaymentEvent = Received<(typeof paymentEvents)[number]>;

export async function handlePayments(tx: Tx, batch: readonly PaymentEvent[]): Promise<Handled> {
  const facts = batch.map(({ message, traceparent }) => {
    return { message, traceparent, fact: factOf(message) };
  });
  const needs: BatchNeeds = new Map();
  const charted = new Set<string>();
  for (const { message, fact } of facts) {
    const ledgerNeeds = needsOf(needs, message.ledgerId);
    addNeeds(ledgerNeeds, fact);
    // A batch is mostly about one provider and one currency: its accounts are named once.
    const chartName = `${message.ledgerId} ${chartNameOf(fact)}`;
    if (charted.has(chartName)) continue;
    charted.add(chartName);
    for (const account of accountsOf(fact)) needAccount(ledgerNeeds, account);
  }
  const { decided } = await runBatches(tx, {
    needs,
    // A fact has happened, whether or not anybody prepared books for it.
    creating: [...needs.keys()].sort(),
    parts: partsOf(facts).map((part) => {
      return (booksOf: (ledgerId: string) => Books) => part.map((one) => record(booksOf, one));
    }),
  });
  const recorded = decided.flat();
  return {
    verdicts: recorded.map(verdictOf),
    arrived: recorded.flatMap((it) => (it.kind === "recorded" && it.arrived ? [it.arrived] : [])),
  };
}

type Fact = Pick<PaymentEvent, "message" | "traceparent"> & { readonly fact: PaymentFact };

function partsOf(facts: readonly Fact[]): Fact[][] {
  return Array.from({ length: Math.ceil(facts.length / batchSize) }, (_, n) => {
    return facts.slice(n * batchSize, (n + 1) * batchSize);
  });
}

function record(
  booksOf: (ledgerId: string) => Books,
  { message, traceparent, fact }: Fact,
): Recorded {
  const { occurredTime, provenance } = message;
  assert(occurredTime && provenance, "validation requires time and provenance");
  // What a column cannot hold would otherwise stop the whole batch.
  if (!isTime(occurredTime)) return outOfRange(occurredTime);
  const books = booksOf(message.ledgerId);
  books.traceparent = traceparent;
  return recordFact(books, fact, { occurredTime, metadata: notesOf(provenance) });
}

function outOfRange({ seconds }: Time): Recorded {
  const detail = `occurred_time ${seconds} s is out of range`;
  return { kind: "dead", reason: "refused", detail };
}

function addNeeds(needs: Needs, fact: PaymentFact): void {
  for (const name of namesOf(fact)) needs.names.add(name);
  if ("paymentId" in fact && fact.kind !== "payment-failed") needs.paymentIds.add(fact.paymentId);
}

const reasons = {
  refused: DeadLetterReason.REFUSED,
  conflict: DeadLetterReason.CONFLICT,
  "currency-unknown": DeadLetterReason.CURRENCY_UNKNOWN,
} satisfies Record<Extract<Recorded, { kind: "dead" }>["reason"], DeadLetterReason>;

function verdictOf(recorded: Recorded): Verdict {
  switch (recorded.kind) {
    case "recorded":
      return { kind: "handled" };
    case "parked":
      return recorded;
    case "dead":
      return { kind: "dead", reason: reasons[recorded.reason], detail: recorded.detail };
  }
}

/** The way back from an entry to the webhook it came from. */
function notesOf({ endpointId, providerEventId, webhookId }: Provenance): Note[] {
  return [
    { key: "endpoint_id", value: endpointId },
    ...(providerEventId ? [{ key: "provider_event_id", value: providerEventId }] : []),
    { key: "webhook_id", value: webhookId },
  ];
}

function factOf(message: PaymentEvent["message"]): PaymentFact {
  switch (message.$typeName) {
    case "bursar.payments.v1.PaymentSucceeded": {
      const { paymentId, orderId } = message;
      const fee = message.fee && moneyOf(message.fee);
      const tax = message.tax && moneyOf(message.tax);
      const amount = moneyOf(message.amount);
      return { kind: "payment-succeeded", paymentId, orderId, amount, fee, tax };
    }
    case "bursar.payments.v1.PaymentFailed": {
      const { paymentId } = message;
      return { kind: "payment-failed", paymentId, amount: moneyOf(message.amount) };
    }
    case "bursar.payments.v1.PaymentRefunded": {
      const { paymentId, refundId } = message;
      const refund = message.amount && { refundId, amount: moneyOf(message.amount) };
      const total = message.refundedTotal && moneyOf(message.refundedTotal);
      return { kind: "payment-refunded", paymentId, refund, total };
    }
    case "bursar.payments.v1.RefundFailed": {
      const { paymentId, refundId } = message;
      return { kind: "refund-failed", paymentId, refundId, amount: moneyOf(message.amount) };
    }
    case "bursar.payments.v1.DisputeOpened": {
      const { paymentId, disputeId } = message;
      return { kind: "dispute-opened", paymentId, disputeId, amount: moneyOf(message.amount) };
    }
    case "bursar.payments.v1.DisputeClosed": {
      const { paymentId, disputeId } = message;
      const outcome = message.outcome === DisputeOutcome.WON ? "won" : "lost";
      const amount = moneyOf(message.amount);
      return { kind: "dispute-closed", paymentId, disputeId, amount, outcome };
    }
    case "bursar.payments.v1.PayoutPaid":
      return { kind: "payout-paid", ...payoutOf(message) };
    case "bursar.payments.v1.PayoutFailed":
      return { kind: "payout-failed", ...payoutOf(message) };
  }
}

function payoutOf(message: { payoutId: string; amount?: WireMoney | undefined }) {
  return { payoutId: message.payoutId, amount: moneyOf(message.amount) };
}

function moneyOf(money: WireMoney | undefined): Money {
  assert(money, "validation requires the amount");
  return { amountMinor: money.amountMinor, currencyCode: money.currencyCode };
}
