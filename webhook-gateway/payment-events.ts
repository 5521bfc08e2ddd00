// Payment events as they go to the broker. Everything in them comes from the stored
// webhook: the same again is the same bytes under the same ids, and what a webhook
// becomes later with other bytes gets ids of its own.

import assert from "node:assert/strict";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type EncodedEvent, encodeEvent } from "#mesh/events/event.ts";
import { type PaymentEvent, schemaOf } from "./normalise/outcome.ts";
import { digestOfEvent, idsOf, takenWith } from "./published-ids.ts";

export type EncodedPayments = {
  readonly events: readonly EncodedEvent[];
  /** Of what the webhook's first ids stand for, with those that these events took. */
  readonly digests: readonly string[];
};

export type PaymentsOptions = {
  /** Identity that publishes. */
  readonly source: string;
  readonly traceparent: string | undefined;
  /** Of what was published before. */
  readonly taken?: readonly string[];
};

export function encodePaymentEvents(
  webhook: WebhookReceived,
  events: readonly PaymentEvent[],
  { source, traceparent, taken = [] }: PaymentsOptions,
): EncodedPayments {
  const time = receivedAt(webhook);
  const encodeAs = (messageId: string, event: PaymentEvent): EncodedEvent =>
    encodeEvent(schemaOf(event), event, { messageId, source, time, traceparent });
  const encoded = events.map((event, n) => encodeAs(`${webhook.webhookId}/${n + 1}`, event));
  const digests = encoded.map(({ data }) => digestOfEvent(data));
  const ids = idsOf(webhook.webhookId, digests, taken);
  return {
    events: encoded.map((one, n) => {
      return one.messageId === ids[n] ? one : encodeAs(ids[n]!, events[n]!);
    }),
    digests: takenWith(taken, digests),
  };
}

export function receivedAt({ receivedTime }: WebhookReceived): Date {
  assert(receivedTime, "a valid WebhookReceived has its received time");
  return timestampDate(receivedTime);
}
