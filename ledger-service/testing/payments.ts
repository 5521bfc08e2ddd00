// Payment events for tests, as the gateway publishes them.

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  DisputeClosedSchema,
  DisputeOpenedSchema,
  DisputeOutcome,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
  PayoutFailedSchema,
  PayoutPaidSchema,
  RefundFailedSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { type EncodedEvent, encodeEvent, type Received } from "#mesh/events/event.ts";
import type { paymentEvents } from "../consumer.ts";
import { ledgerId } from "./ledger.ts";

export const usd = (amountMinor: bigint) => ({ amountMinor, currencyCode: "USD" });

const occurredTime = { seconds: 1_700_000_000n, nanos: 0 };
const provenance = {
  webhookId: "wh_1",
  endpointId: "stripe-main",
  providerEventId: "evt_1",
  bodySha256: new Uint8Array(32),
  coverage: Coverage.TIME_BODY,
  receivedTime: occurredTime,
};
const common = { ledgerId, occurredTime, provenance };
const scoped = (id: string) => `stripe/acct_1/${id}`;

/** An event and the id that a second report of it does not share. */
export type Report = {
  readonly messageId: string;
  readonly schema: (typeof paymentEvents)[number];
  readonly event: MessageInitShape<(typeof paymentEvents)[number]>;
};

function report<D extends (typeof paymentEvents)[number]>(
  messageId: string,
  schema: D,
  event: MessageInitShape<D>,
): Report {
  return { messageId, schema, event: event as Report["event"] };
}

type PaymentFields = Partial<MessageInitShape<typeof PaymentSucceededSchema>>;

export function succeeded(id: string, amountMinor: bigint, more: PaymentFields = {}): Report {
  const fields = { ...common, paymentId: scoped(id), amount: usd(amountMinor), ...more };
  return report(`${id}/succeeded`, PaymentSucceededSchema, { ...fields } as never);
}

export function refunded(id: string, refundId: string, amountMinor: bigint): Report {
  return report(`${refundId}/named`, PaymentRefundedSchema, {
    ...common,
    paymentId: scoped(id),
    refundId: scoped(refundId),
    amount: usd(amountMinor),
  });
}

export function refundedTotal(id: string, totalMinor: bigint): Report {
  return report(`${id}/total/${totalMinor}`, PaymentRefundedSchema, {
    ...common,
    paymentId: scoped(id),
    refundedTotal: usd(totalMinor),
  });
}

export function refundFailed(id: string, refundId: string, amountMinor: bigint): Report {
  const ids = { paymentId: scoped(id), refundId: scoped(refundId) };
  const amount = usd(amountMinor);
  return report(`${refundId}/failed`, RefundFailedSchema, { ...common, ...ids, amount });
}

export function disputeOpened(id: string, disputeId: string, amountMinor: bigint): Report {
  const ids = { paymentId: scoped(id), disputeId: scoped(disputeId) };
  const amount = usd(amountMinor);
  return report(`${disputeId}/opened`, DisputeOpenedSchema, { ...common, ...ids, amount });
}

export function disputeLost(id: string, disputeId: string, amountMinor: bigint): Report {
  const ids = { paymentId: scoped(id), disputeId: scoped(disputeId) };
  const outcome = DisputeOutcome.LOST;
  const amount = usd(amountMinor);
  return report(`${disputeId}/closed`, DisputeClosedSchema, { ...common, ...ids, amount, outcome });
}

export function payoutPaid(id: string, amountMinor: bigint): Report {
  const fields = { ...common, payoutId: scoped(id), amount: usd(amountMinor) };
  return report(`${id}/paid`, PayoutPaidSchema, fields);
}

export function payoutFailed(id: string, amountMinor: bigint): Report {
  const fields = { ...common, payoutId: scoped(id), amount: usd(amountMinor) };
  return report(`${id}/failed`, PayoutFailedSchema, fields);
}

/** The same fact under another event id. */
export function again(of: Report, messageId: string): Report {
  return { ...of, messageId };
}

export function encode({ schema, event, messageId }: Report): EncodedEvent {
  const options = { messageId, source: "webhook-gateway", time: new Date() };
  return encodeEvent(schema as DescMessage, event as never, options);
}

/** As a handler gets it. */
export function receive(
  { schema, event, messageId }: Report,
  traceparent?: string,
): Received<typeof schema> {
  const message = create(schema as DescMessage, event as never);
  return {
    message,
    traceparent,
    messageId,
    subject: schema.typeName,
    stream: "PAYMENTS",
    streamSequence: 1n,
    deliveryCount: 1,
    data: toBinary(schema as DescMessage, message),
    headers: [],
  } as unknown as Received<typeof schema>;
}
