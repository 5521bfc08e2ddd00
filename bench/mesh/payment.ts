// The event that both sides of the comparison publish and consume: a payment, as
// the gateway tells the ledger of one.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";

export const producer = "webhook-gateway";
export const consumer = "ledger-service";
export const stream = "PAYMENTS";

const occurredTime = timestampFromMs(1_790_000_000_000);
const bodySha256 = new Uint8Array(32);

export function payment(id: string): MessageInitShape<typeof PaymentSucceededSchema> {
  return {
    ledgerId: "bench",
    paymentId: `stripe/acct_bench/pi_${id}`,
    orderId: `ord_${id}`,
    amount: { amountMinor: 4_900n, currencyCode: "USD" },
    occurredTime,
    provenance: {
      webhookId: id,
      endpointId: "bench",
      bodySha256,
      coverage: Coverage.TIME_BODY,
      receivedTime: occurredTime,
    },
  };
}
