// Valid payment events for tests of the mesh, which needs some events to be about.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { type EncodedEvent, encodeEvent } from "../events/event.ts";

const time = new Date("2026-01-02T03:04:05Z");

const provenance = {
  webhookId: "wh_1",
  endpointId: "stripe-demo",
  providerEventId: "evt_1",
  bodySha256: new Uint8Array(32),
  coverage: Coverage.TIME_BODY,
  receivedTime: timestampFromDate(time),
};

export function paymentSucceeded(
  name: string,
  over: MessageInitShape<typeof PaymentSucceededSchema> = {},
) {
  return create(PaymentSucceededSchema, {
    ledgerId: "demo",
    paymentId: `stripe/acct_demo/${name}`,
    orderId: `ord_${name}`,
    amount: { amountMinor: 10_000n, currencyCode: "USD" },
    occurredTime: timestampFromDate(time),
    provenance,
    ...over,
  } as MessageInitShape<typeof PaymentSucceededSchema>);
}

export function paymentRefunded(name: string, refund: string) {
  return create(PaymentRefundedSchema, {
    ledgerId: "demo",
    paymentId: `stripe/acct_demo/${name}`,
    refundId: `stripe/acct_demo/${refund}`,
    amount: { amountMinor: 1_000n, currencyCode: "USD" },
    occurredTime: timestampFromDate(time),
    provenance,
  });
}

/** A payment as it goes to the broker, under the message id `payment/<name>`. */
export function encodedPayment(
  name: string,
  over: MessageInitShape<typeof PaymentSucceededSchema> = {},
): EncodedEvent {
  const event = paymentSucceeded(name, over);
  return encodeEvent(PaymentSucceededSchema, event, { ...published, messageId: `payment/${name}` });
}

/** A refund, under the message id `refund/<refund>`. */
export function encodedRefund(name: string, refund: string): EncodedEvent {
  const event = paymentRefunded(name, refund);
  return encodeEvent(PaymentRefundedSchema, event, { ...published, messageId: `refund/${refund}` });
}

const published = { source: "webhook-gateway", time };
