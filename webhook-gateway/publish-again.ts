// Payment events of webhooks that come again. A PAYMENTS stream that is younger than a webhook may
// have lost what that became, and nobody can tell who had read it: it is published again, with the
// time of the first arrival, so that the same is the same bytes and is recognised.

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JetStreamApiCodes } from "@nats-io/jetstream";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Broker } from "#mesh/events/broker.ts";
import type { EncodedEvent } from "#mesh/events/event.ts";
import { isApiError } from "#mesh/events/streams.ts";
import type { StoredDelivery } from "./delivery-rows.ts";
import type { PaymentEvent } from "./normalise/outcome.ts";
import { encodePaymentEvents } from "./payment-events.ts";

const stream = "PAYMENTS";

export type Repeated = {
  readonly webhook: WebhookReceived;
  readonly traceparent: string | undefined;
  readonly events: readonly PaymentEvent[];
  /** What was written down when it came first. */
  readonly row: Pick<StoredDelivery, "receivedAt" | "publishedDigests">;
};

/** Those of webhooks that are older than the stream. */
export async function eventsToPublishAgain(
  broker: Broker,
  source: string,
  repeated: readonly Repeated[],
): Promise<readonly EncodedEvent[]> {
  if (!repeated.some(({ events }) => events.length > 0)) return [];
  const createdMs = await createdAt(broker);
  return repeated
    .filter(({ row }) => row.receivedAt.getTime() < createdMs)
    .flatMap((one) => encodedAsBefore(one, source));
}

function encodedAsBefore(
  { webhook, traceparent, events, row }: Repeated,
  source: string,
): readonly EncodedEvent[] {
  const receivedTime = timestampFromDate(row.receivedAt);
  const asBefore = events.map((event): PaymentEvent => {
    const { provenance } = event;
    return provenance ? { ...event, provenance: { ...provenance, receivedTime } } : event;
  });
  const options = { source, traceparent, taken: row.publishedDigests };
  return encodePaymentEvents({ ...webhook, receivedTime }, asBefore, options).events;
}

/** A stream that is missing now will be younger than all that came. */
async function createdAt(broker: Broker): Promise<number> {
  const manager = await broker.jsm();
  try {
    return Date.parse((await manager.streams.info(stream)).created);
  } catch (error) {
    if (isApiError(error, JetStreamApiCodes.StreamNotFound)) return Number.POSITIVE_INFINITY;
    throw error;
  }
}
