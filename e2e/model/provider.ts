// A provider that reports payments while callers ask: on the PAYMENTS stream, some twice, some late,
// some for a time that is closed. Each is in the books once before the round ends.

import { setTimeout as sleep } from "node:timers/promises";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { type EncodedEvent, encodeEvent } from "#mesh/events/event.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import type { Chance } from "../chance.ts";
import { now } from "./callers.ts";
import type { Round } from "./calls.ts";
import type { Payment } from "./operations.ts";
import { keyOfPayment, notesOf } from "./payments.ts";
import { assetOf, day, timeIn } from "./pools.ts";
import { timeToWire } from "./wire.ts";

export type Provider = AsyncDisposable & {
  report(of: ReportOptions): Promise<void>;
};

export type ReportOptions = {
  readonly chance: Chance;
  readonly rounds: ReadonlyMap<string, Round>;
  readonly count: number;
};

export async function openProvider(natsUrl: string): Promise<Provider> {
  const events = [PaymentSucceededSchema];
  const name = "webhook-gateway";
  const metrics = createMetrics("model");
  const broker = openBroker({ url: natsUrl, name, events, log: silentLog(), metrics });
  await broker.waitUntilConnected(10_000);
  let next = 0;
  return {
    async report({ chance, rounds, count }) {
      for (let done = 0; done < count; ) {
        const encoded: EncodedEvent[] = [];
        for (let n = 1 + chance.below(20); n > 0; n--) {
          next += 1;
          done += 1;
          const [ledgerId, round] = chance.pick([...rounds]);
          const payment = paymentIn(chance, next);
          round.payments.set(keyOfPayment(payment), payment);
          encoded.push(encode(ledgerId, payment, "first"));
          // A second event about the same fact.
          if (chance.below(8) === 0) encoded.push(encode(ledgerId, payment, "second"));
        }
        await publishEach(broker, encoded);
        await sleep(chance.below(60));
      }
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

function paymentIn(chance: Chance, number: number): Payment {
  const amount = BigInt(100 + chance.below(9_000));
  const of = chance.below(20);
  const occurred =
    of === 0
      ? now() + 2_000n * day
      : of < 4
        ? timeIn(chance, now() - 1_000n * day, 400n * day)
        : timeIn(chance, now() - 10n * day, 10n * day);
  return {
    kind: "payment",
    paymentId: `stripe/acct_model/pi_${number}`,
    asset: assetOf(chance),
    amount,
    fee: chance.below(3) === 0 ? 0n : amount / 30n,
    tax: chance.below(2) === 0 ? 0n : amount / 6n,
    occurred,
  };
}

function encode(ledgerId: string, payment: Payment, report: string): EncodedEvent {
  const { paymentId, asset: currencyCode, amount, fee, tax } = payment;
  const [endpoint, provider, webhook] = notesOf(payment);
  const time = timeToWire(now());
  const money = (amountMinor: bigint) => ({ amountMinor, currencyCode });
  return encodeEvent(
    PaymentSucceededSchema,
    {
      ledgerId,
      paymentId,
      amount: money(amount),
      ...(fee > 0n && { fee: money(fee) }),
      ...(tax > 0n && { tax: money(tax) }),
      occurredTime: timeToWire(payment.occurred),
      provenance: {
        webhookId: webhook!.value,
        endpointId: endpoint!.value,
        providerEventId: provider!.value,
        bodySha256: new Uint8Array(32),
        coverage: Coverage.TIME_BODY,
        receivedTime: time,
      },
    },
    { messageId: `${paymentId}/${report}`, source: "webhook-gateway", time: new Date() },
  );
}

async function publishEach(broker: Broker, encoded: readonly EncodedEvent[]): Promise<void> {
  for (const outcome of await publishAll(broker, encoded, { deadlineMs: 20_000 })) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
